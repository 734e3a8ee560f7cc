"""The towers of the tiny encoders with their weights, on a device.

Put here: vectors, patch tokens and text vectors of the tiny encoders.
Keep out: their architectures (`tasks.encoders.tiny_models`); finding files (`tasks.encoders.tiny`).

The self-supervised one's vectors all point nearly the same way; their mean over its training
images, stored with its weights as `embedding_mean`, is subtracted so that cosines tell images
apart.

Shapes:
    B  images in a forward pass    P  patches, 36    D  width, 96
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tasks.encoders.registry import Forward, TextForward
from tasks.encoders.specs import Device, EncoderConfig
from tasks.encoders.tiny import EMBEDDING_MEAN, RECIPE, read_words
from tasks.encoders.tiny_models import BLOCKS, tiny_clip, tiny_ssl
from tasks.encoders.tiny_stem import WIDTH
from tasks.encoders.tiny_words import Words
from tasks.encoders.towers import check_fit, load_state, read_state, run_on, run_texts, seeded


def clip_vectors(file: Path | None, config: EncoderConfig, device: Device) -> Forward:
    """Return the forward pass to projected image embeddings (B, D)."""
    visual = clip_visual(file, config)
    return run_on(visual, visual, config, device, RECIPE)


def clip_tokens(file: Path | None, config: EncoderConfig, device: Device, layer: int) -> Forward:
    """Return the forward pass to patch tokens (B, P, D) after a block, counted from the end."""
    visual: Any = clip_visual(file, config)
    block = _block(config, layer)

    def embed(pixels: Tensor) -> Tensor:
        found = visual.forward_intermediates(
            pixels, indices=[block], intermediates_only=True, output_fmt="NLC"
        )
        tokens_BPD: Tensor = found["image_intermediates"][0]
        return tokens_BPD

    return run_on(visual, embed, config, device, RECIPE)


def clip_texts(file: Path, config: EncoderConfig, device: Device) -> TextForward:
    """Return the forward pass from texts to projected text embeddings."""
    words = Words(read_words(file))
    model: Any = tiny_clip(len(words))
    load_state(model, read_state(file, config), config)

    def encode(texts: Sequence[str], device: Device) -> Tensor:
        rows_BD: Tensor = model.encode_text(words.tokens(texts).to(device))
        return rows_BD

    return run_texts(model, encode, config, device)


def ssl_vectors(file: Path | None, config: EncoderConfig, device: Device) -> Forward:
    """Return the forward pass to final-norm CLS tokens (B, D), their mean taken off."""
    model, mean_D = ssl_model(file, config)

    def embed(pixels: Tensor) -> Tensor:
        cls_BD: Tensor = model(pixel_values=pixels).last_hidden_state[:, 0]
        return cls_BD

    return run_on(model, embed, config, device, RECIPE, mean_D=mean_D)


def ssl_tokens(file: Path | None, config: EncoderConfig, device: Device, layer: int) -> Forward:
    """Return the forward pass to patch tokens (B, P, D) after a block, before any norm."""
    model, _ = ssl_model(file, config)
    block = _block(config, layer)

    def embed(pixels: Tensor) -> Tensor:
        states = model(pixel_values=pixels, output_hidden_states=True).hidden_states
        tokens_BPD: Tensor = states[block + 1][:, 1:]
        return tokens_BPD

    return run_on(model, embed, config, device, RECIPE)


def _block(config: EncoderConfig, layer: int) -> int:
    if not -BLOCKS <= layer < 0:
        message = (
            f"encoder {config.spec!r} has {BLOCKS} blocks, found layer {layer}; count from the "
            f"end: -1 is the last"
        )
        raise ValueError(message)
    return BLOCKS + layer


def clip_visual(file: Path | None, config: EncoderConfig) -> nn.Module:
    """Return the image tower of a tiny CLIP; without a file its weights come from the seed."""
    with seeded():
        visual = tiny_clip().get_submodule("visual")
    if file:  # of the text tower, which may know other words, nothing is needed
        state = read_state(file, config)
        mine = {k.removeprefix("visual."): v for k, v in state.items() if k.startswith("visual.")}
        load_state(visual, mine, config)
    return visual


def ssl_model(file: Path | None, config: EncoderConfig) -> tuple[nn.Module, Tensor | None]:
    """Return the self-supervised transformer, and its vectors' mean (D,) if there is a file."""
    with seeded():
        model = tiny_ssl()
    if file is None:
        return model, None
    state = read_state(file, config)
    mean_D = state.pop(EMBEDDING_MEAN, None)
    if mean_D is None:
        check_fit(config, missing=[EMBEDDING_MEAN])
    elif mean_D.shape != (WIDTH,):
        check_fit(config, missing=[], reshaped=[EMBEDDING_MEAN])
    load_state(model, state, config)
    return model, mean_D
