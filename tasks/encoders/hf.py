"""Vision transformers and others by way of transformers: from the hub's cache or a local folder.

Put here: finding a model's folder and weights, and refusing what may not be run.
Keep out: preprocessing (`hf_recipes`), loading and pooling (`hf_models`).

Models: `org/name` on the hub, or a folder with `config.json`, written so that it begins with `/`,
`./`, `../` or `~`. Weights are safetensors, or a FILE for the architecture of the folder's config.

Pooling `default` is, in this order: the projected image embedding where the model has one (CLIP,
SigLIP); the CLS token of the last hidden state where there is one, after the final norm (ViT,
DINO, DINOv2, DINOv3); else the model's own pooled output (convnets, vision towers of CLIP).
The paper does not say which of DINOv2's outputs it compares; the CLS token is its authors' own
choice for an image's vector.

Source: Oquab et al. 2023 (arXiv:2304.07193), DINOv2; the paper mines with its ViT-L/14.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

from tasks.encoders.files import check_pickle, hub_folder, sha256_of
from tasks.encoders.hf_recipes import read_recipe, vision_settings
from tasks.encoders.registry import JSON, SEED, Forward, Source
from tasks.encoders.specs import Device, EncoderConfig, Spec, refuse

WEIGHTS: Final = "model.safetensors"
BESIDE: Final = "tasks.encoders.hf_texts"
TEXT_SETTINGS: Final = {"text_config", "text_config_dict"}
"""What a config.json with a text tower has one of."""

REFUSED: Final = {
    "vit_mae": "it hides random patches; use timm's, for instance 'timm:vit_base_patch16_224.mae'"
}


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find a model of transformers.

    Raises:
        ValueError: if there is no such model, its weights cannot be had, or it brings its own code.
    """
    folder, settings = _settings(spec, config)
    kind = settings["model_type"]
    if kind in REFUSED:
        message = f"encoder {spec.text!r} cannot be had from transformers: {REFUSED[kind]}"
        raise ValueError(message)
    code = _remote_code(folder, settings, config)
    recipe = read_recipe(spec, folder, settings).at(config.image_px)
    patch = vision_settings(settings).get("patch_size")
    if isinstance(patch, int) and recipe.crop_px % patch:
        message = (
            f"encoder {spec.text!r} cuts its input into patches of {patch} px; image_px "
            f"{recipe.crop_px} is no multiple of that"
        )
        raise ValueError(message)
    files: list[Path] = []
    if not spec.is_random:
        files = [spec.file] if spec.file else _weights(spec, folder)
    for file in files:
        check_pickle(file, config)

    def build(device: Device) -> Forward:
        from tasks.encoders.hf_models import image_vector, load_model
        from tasks.encoders.towers import run_on

        model = load_model(spec, folder, config)
        vector = image_vector(model, recipe.crop_px, config)
        return run_on(model, vector, config, device, recipe)

    def beside(function: str, *arguments: Any) -> Any:  # so that images' names do not cover it
        return resolve_name(f"{BESIDE}:{function}")(*arguments, folder, config)

    label = spec.model if _is_hub(spec) else kind
    return Source(
        label=f"{label} random" if spec.is_random else label,
        facts={
            "model": kind,
            "config": sha256_of(folder / "config.json"),
            "code_files": code,
            "seed": SEED if spec.is_random else None,
        },
        recipe=recipe,
        files=files,
        packages=["transformers"],
        build=build,
        find_texts=partial(beside, "find_texts", spec) if TEXT_SETTINGS & settings.keys() else None,
        count=partial(beside, "count_parameters"),
    )


def _is_hub(spec: Spec) -> bool:
    return not spec.model.startswith(("/", "./", "../", "~"))


def _settings(spec: Spec, config: EncoderConfig) -> tuple[Path, dict[str, Any]]:  # config.json
    if _is_hub(spec):
        if spec.model.count("/") != 1:
            message = (
                f"encoder {spec.text!r} names {spec.model!r}, which is neither org/name on the hub "
                f"nor a folder; a folder begins with '/', './', '../' or '~'"
            )
            raise ValueError(message)
        weights = "config.json" if spec.is_random or spec.file else "model*.safetensors"
        folder = hub_folder(spec.model, weights, config)
    else:
        folder = Path(spec.model).expanduser()
    try:
        settings = json.loads((folder / "config.json").read_text())
        settings["model_type"] = str(settings["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"folder {str(folder)!r} of encoder {spec.text!r} has no config.json with a "
            f"'model_type' ({error})"
        )
        raise ValueError(message) from error
    return folder, settings


def _remote_code(
    folder: Path, settings: Mapping[str, Any], config: EncoderConfig
) -> Mapping[str, JSON]:
    """Return the hashes of the Python files that the model brings; none if transformers knows it.

    Raises:
        ValueError: if it brings code that may not run, or is of an unknown type.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind, addresses = settings["model_type"], settings.get("auto_map") or {}
    if not addresses or (kind in CONFIG_MAPPING_NAMES and not config.trust_remote_code):
        if kind not in CONFIG_MAPPING_NAMES:
            refuse("model type of transformers", kind, CONFIG_MAPPING_NAMES)
        return {}
    if not config.trust_remote_code:
        message = (
            f"encoder {config.spec!r} brings Python code of its own, which would run with your "
            f"rights; read it, then set trust_remote_code"
        )
        raise ValueError(message)
    if any("--" in str(address) for address in addresses.values()):
        message = (
            f"encoder {config.spec!r} takes its code from another repository, so its name could "
            f"not tell when that changes; copy the code into its folder"
        )
        raise ValueError(message)
    return {file.name: sha256_of(file) for file in sorted(folder.glob("*.py"))}


def _weights(spec: Spec, folder: Path) -> list[Path]:
    whole, index = folder / WEIGHTS, folder / f"{WEIGHTS}.index.json"
    if whole.is_file():
        return [whole]
    files = []
    if index.is_file():
        names = json.loads(index.read_text())["weight_map"].values()
        files = [folder / name for name in sorted(set(names))]
    if not files or not all(file.is_file() for file in files):
        message = (
            f"folder {str(folder)!r} of encoder {spec.text!r} lacks {WEIGHTS!r} or some of its "
            f"parts; add them, or '@FILE', or '/random'"
        )
        raise ValueError(message)
    return files
