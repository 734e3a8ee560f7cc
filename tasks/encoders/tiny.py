"""The shipped encoders: a tiny CLIP and a tiny self-supervised (SimCLR) transformer.

Put here: finding their weights, ours or another training's, and running their image towers.
Keep out: their architectures (`tasks.encoders.tiny_models`), training, scenes (`tasks.scenes`).

The self-supervised one's vectors all point nearly the same way; their mean over its training
images, stored with its weights as `embedding_mean`, is subtracted so that cosines tell images
apart.

Shapes:
    B  images in a forward pass    D  width of a vector
"""

from pathlib import Path
from typing import Final

from tasks.encoders.files import check_pickle
from tasks.encoders.recipes import Recipe
from tasks.encoders.registry import SEED, Forward, Source
from tasks.encoders.specs import Device, EncoderConfig, Spec, refuse

IMAGE_PX: Final = 48
EMBEDDING_MEAN: Final = "embedding_mean"
SHIPPED: Final = Path(__file__).parent / "shipped"
PACKAGE_OF: Final = {"clip": "open_clip_torch", "ssl": "transformers"}

RECIPE: Final = Recipe(
    resize_px=IMAGE_PX,
    crop_px=IMAGE_PX,
    resize="shortest",
    interpolation="bicubic",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find a shipped encoder, or the weights FILE of another training of its architecture.

    Raises:
        ValueError: if there is no such model, or an option is not for it.
    """
    if spec.model not in PACKAGE_OF:
        refuse("tiny encoder", spec.model, PACKAGE_OF)
    if config.image_px not in {None, IMAGE_PX} or config.pooling != "default":
        message = f"encoder {spec.text!r} has input of {IMAGE_PX} px and its default pooling only"
        raise ValueError(message)
    file = None if spec.is_random else spec.file or SHIPPED / f"tiny-{spec.model}.safetensors"
    if file:
        check_pickle(file, config)

    def build(device: Device) -> Forward:
        builder = _build_clip if spec.model == "clip" else _build_ssl
        return builder(file, config, device)

    return Source(
        label=f"{spec.model} random" if spec.is_random else spec.model,
        facts={"model": spec.model, "seed": None if file else SEED},
        recipe=RECIPE,
        files=[file] if file else [],
        packages=[PACKAGE_OF[spec.model]],
        build=build,
    )


def _build_clip(file: Path | None, config: EncoderConfig, device: Device) -> Forward:
    from tasks.encoders.tiny_models import tiny_clip
    from tasks.encoders.towers import load_state, read_state, run_on, seeded

    with seeded():
        visual = tiny_clip().get_submodule("visual")
    if file:  # of the text tower, which may know other words, nothing is needed
        state = read_state(file, config)
        mine = {k.removeprefix("visual."): v for k, v in state.items() if k.startswith("visual.")}
        load_state(visual, mine, config)
    return run_on(visual, visual, config, device)


def _build_ssl(file: Path | None, config: EncoderConfig, device: Device) -> Forward:
    from torch import Tensor

    from tasks.encoders.tiny_models import WIDTH, tiny_ssl
    from tasks.encoders.towers import check_fit, load_state, read_state, run_on, seeded

    with seeded():
        model = tiny_ssl()
    mean_D = None
    if file:
        state = read_state(file, config)
        mean_D = state.pop(EMBEDDING_MEAN, None)
        if mean_D is None:
            check_fit(config, missing=[EMBEDDING_MEAN])
        elif mean_D.shape != (WIDTH,):
            check_fit(config, missing=[], reshaped=[EMBEDDING_MEAN])
        load_state(model, state, config)

    def embed(pixels: Tensor) -> Tensor:
        cls_BD: Tensor = model(pixel_values=pixels).last_hidden_state[:, 0]
        return cls_BD

    return run_on(model, embed, config, device, mean_D=mean_D)
