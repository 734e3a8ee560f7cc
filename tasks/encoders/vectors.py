"""Vectors that somebody else computed, as an encoder: `vectors:PLACE` or `vectors:PLACE#COLUMN`.

Put here: finding them and naming them by their content.
Keep out: reading them (`tasks.corpora.vectors`), bringing them into the store
(`tasks.precomputed`).

PLACE is a file or folder, here or at a uri: clip-retrieval's npy beside Parquet, or Parquet and
Arrow files with a column of vectors. Such an encoder has no model, so it embeds no new image.
"""

from pathlib import Path
from typing import Final, NoReturn

from tasks.corpora.places import is_uri, walk
from tasks.corpora.vectors import VectorSource, open_vectors
from tasks.encoders.recipes import Recipe
from tasks.encoders.registry import Source
from tasks.encoders.specs import Device, EncoderConfig, Spec

LIBRARY: Final = "vectors"

NO_INPUT: Final = Recipe(
    resize_px=1, crop_px=1, resize="shortest", interpolation="bicubic", mean=(0.0,), std=(1.0,)
)


def is_precomputed(config: EncoderConfig) -> bool:
    """Say whether an encoder is vectors that somebody else computed."""
    return config.spec.startswith(f"{LIBRARY}:")


def open_source(config: EncoderConfig) -> VectorSource:
    """Look what vectors lie at an encoder's place.

    Raises:
        ValueError: if there are none, or a file is missing or damaged.
    """
    place, _, column = config.spec.removeprefix(f"{LIBRARY}:").partition("#")
    return open_vectors(place, column or None)


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find vectors and name them by what is in their files.

    Files here are hashed; those at a uri go by size and time of change, or their content's tag.

    Raises:
        ValueError: if there are none, a file is damaged, or an option is for models only.
    """
    plain = EncoderConfig(spec=config.spec)
    options = {"image_px", "pooling", "dtype", "backend", "batch_images"}
    set_ones = [name for name in sorted(options) if getattr(config, name) != getattr(plain, name)]
    if set_ones:
        message = f"encoder {spec.text!r} is of stored vectors; leave out {', '.join(set_ones)}"
        raise ValueError(message)
    source = open_source(config)
    files = [path for file in source.files for path in (file.path, file.metadata) if path]
    local = [Path(path) for path in files if not is_uri(path)]
    remote = {found.path: found for found in walk(source.place).files} if not local else {}

    def build(_device: Device) -> NoReturn:
        message = (
            f"encoder {spec.text!r} is of stored vectors and cannot embed an image; take an image "
            f"that is among them, or give the model that made them"
        )
        raise ValueError(message)

    return Source(
        label=Path(source.place.partition("://")[2] or source.place).name,
        facts={
            "columns": [file.column for file in source.files],
            "rows": [file.rows for file in source.files],
            "width": source.width,
            "vector_dtype": source.dtype.name,
            "remote": [
                [remote[path].size_bytes, remote[path].mtime_ns] for path in files if remote
            ],
        },
        recipe=NO_INPUT,
        files=local,
        packages=("pyarrow",),
        build=build,
    )
