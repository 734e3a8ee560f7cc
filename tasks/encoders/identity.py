"""Name an encoder by all that decides a bit of its vectors, and load it.

Put here: `identify`, `load`, and what goes into a fingerprint.
Keep out: what a model is known by (one module a library, beside this one).

No path is part of a fingerprint: the same weights elsewhere make the same vectors, so they have the
same name.
"""

import re
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from tasks.encoders.batch_sizes import BatchSizes, reference_images
from tasks.encoders.encoder import Encoder, EncoderIdentity
from tasks.encoders.files import sha256_of
from tasks.encoders.parts import TextEncoder, TokenEncoder
from tasks.encoders.passes import Passes
from tasks.encoders.registry import Forward, Parameters, Source, Texts, find_source
from tasks.encoders.specs import Device, EncoderConfig, parse_spec
from tasks.fingerprints import code_digest, digest

PACKAGES: Final = ("numpy", "pillow", "torch", "torchvision")
CODE: Final = ("tasks.encoders.encoder", "tasks.images")
SLUG_LENGTH: Final = 40


def identify(
    config: EncoderConfig, *, device: Device = "cpu", hash_cache: Path | None = None
) -> EncoderIdentity:
    """Name the encoder without building its model.

    Its weight files are read to hash them, but for those that `hash_cache` (a JSON file) remembers.

    Raises:
        ValueError: if the library, the model or its weights are unknown or cannot be had.
    """
    module, source = find_source(config)
    return _name(config, device, module, source, hash_cache)


def load(config: EncoderConfig, *, device: Device = "cpu") -> Encoder:
    """Build the encoder on a device; its weights are hashed again, so compare the identity.

    Raises:
        ValueError: if the model or its weights cannot be had, do not fit each other, or do not run.
    """
    module, source = find_source(config)
    identity = _name(config, device, module, source, None)
    sizes = BatchSizes(reference_images(config, device), may_grow=config.batch_images is None)
    return Encoder(identity, source.build(device), source.recipe, config, sizes)


def load_tokens(config: EncoderConfig, *, layer: int, device: Device = "cpu") -> TokenEncoder:
    """Build the encoder up to the patch tokens of a block: -1 the last, -2 the one before.

    Raises:
        ValueError: as `load`; or if the library gives no patch tokens.
    """
    module, source = find_source(config)
    build = _tokens_of(source, config)
    identity = _name(config, device, module, source, None)
    sizes = BatchSizes(reference_images(config, device), may_grow=False)
    return TokenEncoder(identity, Passes(build(device, layer), source.recipe, sizes))


def check_tokens(config: EncoderConfig) -> None:
    """Make sure that the encoder gives patch tokens, without building it.

    Raises:
        ValueError: if its library does not.
    """
    _tokens_of(find_source(config)[1], config)


def _tokens_of(source: Source, config: EncoderConfig) -> Callable[[Device, int], Forward]:
    if source.build_tokens is None:
        message = f"encoder {config.spec!r} gives no patch tokens yet; those of tiny: do"
        raise ValueError(message)
    return source.build_tokens


def check_name(identity: EncoderIdentity, config: EncoderConfig, name: str) -> None:
    """Make sure that an encoder loaded on a worker is the one that the flow named.

    Raises:
        ValueError: if its name is another.
    """
    if identity.name != name:
        message = (
            f"encoder {config.spec!r} is {identity.name!r} on this worker and {name!r} "
            f"where the flow runs; give both the same weights, code and library versions"
        )
        raise ValueError(message)


def has_texts(config: EncoderConfig) -> bool:
    """Say whether the encoder has a text tower that can be used.

    Raises:
        ValueError: if the library, the model or its weights are unknown or cannot be had.
    """
    return find_source(config)[1].find_texts is not None


def identify_texts(
    config: EncoderConfig, *, device: Device = "cpu", hash_cache: Path | None = None
) -> EncoderIdentity:
    """Name the encoder with its text tower: as `identify`, but the fingerprint covers both.

    Raises:
        ValueError: as `identify`; or if there is no text tower, or its tokenizer cannot be had.
    """
    module, source = find_source(config)
    texts = _texts_of(source, config)
    return _with_texts(_name(config, device, module, source, hash_cache), texts, hash_cache)


def load_texts(config: EncoderConfig, *, device: Device = "cpu") -> TextEncoder:
    """Build the text tower of a dual encoder, in float32 whatever the precision of its images.

    Raises:
        ValueError: as `load`; or if the encoder has none, or its tokenizer cannot be had.
    """
    module, source = find_source(config)
    texts = _texts_of(source, config)
    identity = _with_texts(_name(config, device, module, source, None), texts, None)
    return TextEncoder(identity, texts.build(device))


def count_parameters(config: EncoderConfig) -> Parameters | None:
    """Count the parameters of an encoder's model without reading weights; None if unknown.

    Raises:
        ValueError: if the library or the model is unknown, or its settings cannot be had.
    """
    source = find_source(config)[1]
    return source.count() if source.count else None


def _texts_of(source: Source, config: EncoderConfig) -> Texts:
    if source.find_texts is None:
        message = (
            f"encoder {config.spec!r} has no text tower to ask; take a dual encoder, such as a "
            f"CLIP of open_clip: or hf:"
        )
        raise ValueError(message)
    return source.find_texts()


def _with_texts(
    identity: EncoderIdentity, texts: Texts, hash_cache: Path | None
) -> EncoderIdentity:
    ours = (texts.module,) if texts.module.startswith("tasks.") else ()
    facts = {
        **identity.facts,
        "texts": dict(texts.facts),
        "tokenizer": {file.name: sha256_of(file, hash_cache) for file in texts.files},
        "text_code": code_digest("tasks.encoders.parts", *ours),
    }
    return EncoderIdentity(name=identity.name, fingerprint=digest(facts), facts=facts)


def _name(
    config: EncoderConfig, device: Device, module: str, source: Source, hash_cache: Path | None
) -> EncoderIdentity:
    library = parse_spec(config.spec).library
    ours = (module,) if module.startswith("tasks.") else ()
    recipe = {
        key: list(v) if isinstance(v, tuple) else v for key, v in asdict(source.recipe).items()
    }
    packages = {*PACKAGES, *source.packages}
    packages |= {"openvino"} if config.backend == "openvino" else set()
    facts = {
        "library": library,
        **source.facts,
        "weights": [sha256_of(file, hash_cache) for file in source.files],
        "recipe": recipe,
        "image_px": source.recipe.crop_px,
        "pooling": config.pooling,
        "dtype": config.dtype,
        "stored_dtype": "float16",
        "batch_images": reference_images(config, device),
        "backend": config.backend,
        "device": device,
        "code": code_digest(*CODE, *ours),
        "versions": {name: _version(name) for name in sorted(packages)},
    }
    fingerprint = digest(facts)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{library} {source.label}".lower())
    slug = slug.strip("-")[:SLUG_LENGTH].rstrip("-")
    return EncoderIdentity(name=f"{slug}-{fingerprint[:12]}", fingerprint=fingerprint, facts=facts)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        message = f"package {package!r} is not installed; run `make setup`"
        raise ValueError(message) from error
