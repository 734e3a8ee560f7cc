"""Read weights, and refuse to go on with some that are missing.

Put here: a `from_pretrained` that raises, and reading the parts of which a model is assembled.
Keep out: assembling them (`modeling_mof`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    ImageProcessingMixin,
    PreTrainedModel,
)

from .configuration_mof import MofConfig
from .towers import Tower, show_all_patches

Part: TypeAlias = str | nn.Module
"""A model, or the folder or hub name of one."""


class CompleteWeights:
    """Makes `from_pretrained` an error where transformers warns and draws weights at random.

    A model whose adapter is random still writes fluent text, so a warning is not enough. It is the
    class's own `from_pretrained`, and no function beside it, because the Auto classes and whatever
    else loads models go through it.
    """

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:  # transformers has no types
        """Load a saved model, as transformers does.

        Raises:
            ValueError: if weights are missing in the folder, or the folder has an adapter that the
                model does not: it is then another model's, or its config was changed.
        """
        with_info = kwargs.pop("output_loading_info", False)
        load = super().from_pretrained  # type: ignore[misc] # of the class this is mixed into
        model, info = load(*args, output_loading_info=True, **kwargs)
        place = str(args[0] if args else kwargs.get("pretrained_model_name_or_path"))
        strangers = [name for name in info["unexpected_keys"] if "multi_modal_projector." in name]
        check_weights(place, missing=info["missing_keys"], unexpected=strangers)
        return (model, info) if with_info else model


def check_weights(place: str, **kinds: Any) -> None:
    """Refuse names of weights, given by what is wrong with them.

    Raises:
        ValueError: if there are any; the message names some.
    """
    for kind, names in kinds.items():
        if names:
            found = sorted(names)
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            message = (
                f"weights in {place!r} do not fit the model; {kind}: {', '.join(found[:3])}{more}; "
                f"take a folder that save_pretrained wrote, and its own config"
            )
            raise ValueError(message)


def describe_tower(name: str, place: str, **fields: Any) -> Tower:  # JSON values
    """Return the description of a pretrained vision model as a tower called `name`.

    Of a model of two halves its vision half is taken. Mean and standard deviation are those of the
    preprocessing that lies beside the weights, where there is one.

    Args:
        name: as in `towers`.
        place: the folder or hub name of the model.
        fields: of the tower, which `towers` describes; a timm model needs its `patch_size`.

    Raises:
        OSError: if there is no config at that place.
    """
    config = AutoConfig.from_pretrained(place)
    config = getattr(config, "vision_config", config)
    found: Tower = {"name": name, "config": config}
    stats = getattr(config, "pretrained_cfg", None)  # timm's
    if not stats:
        try:
            stats, _ = ImageProcessingMixin.get_image_processor_dict(place)
        except OSError:  # a folder of weights alone
            stats = {}
    for field in ("mean", "std"):
        value = stats.get(field, stats.get(f"image_{field}"))
        if value is not None:
            found[field] = list(value)
    return found | fields


class Parts(NamedTuple):
    """What a model is assembled of, and the config that describes it."""

    config: MofConfig
    language: PreTrainedModel
    towers: dict[str, nn.Module]


def load_parts(
    config: MofConfig,
    text_model: Part,
    towers: Sequence[Part | None],
    *,
    vocabulary: int | None,
    options: Mapping[str, Any],
) -> Parts:
    """Read the parts that are not modules yet, and bring the config in line with them.

    Raises:
        ValueError: if the towers are not the config's, or weights of a part are missing.
        OSError: if a part has no weights as safetensors.
    """
    options = {"use_safetensors": True, **options}
    vision = config.vision_config
    _check_towers(config, towers)
    modules = {
        name: _load(AutoModel, part, {**options, "config": vision.tower_config(name)})
        for name, part in zip(vision.tower_names, towers, strict=True)
        if part is not None
    }
    language = _load(AutoModelForCausalLM, text_model, options)
    if vocabulary is not None and vocabulary > language.get_input_embeddings().num_embeddings:
        language.resize_token_embeddings(vocabulary, pad_to_multiple_of=64)

    fields = config.to_dict()
    fields["text_config"] = language.config.to_dict()
    fields["tie_word_embeddings"] = language.config.tie_word_embeddings
    for tower in fields["vision_config"]["towers"]:
        if tower["name"] in modules:
            module = modules[tower["name"]]
            show_all_patches(module.config)
            tower["config"] = module.config.to_dict()
    return Parts(type(config).from_dict(fields), language, modules)


def _check_towers(config: MofConfig, towers: Sequence[Part | None]) -> None:
    names = config.vision_config.tower_names
    if len(towers) != len(names):
        message = f"towers holds {len(towers)} parts, expected {len(names)}: {', '.join(names)}"
        raise ValueError(message)
    for name, part in zip(names, towers, strict=True):
        precomputed = name in config.vision_config.precomputed
        if precomputed != (part is None):
            found = "no part" if part is None else "a part"
            expected = "none, because it is precomputed" if precomputed else "a model or its folder"
            message = f"tower {name!r}: found {found}, expected {expected}"
            raise ValueError(message)


def _load(auto: Any, part: Part, options: Mapping[str, Any]) -> Any:  # transformers has no types
    if isinstance(part, nn.Module):
        return part
    model, info = auto.from_pretrained(part, output_loading_info=True, **options)
    check_weights(part, missing=info["missing_keys"])
    return model
