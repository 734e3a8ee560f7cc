"""`mmvp similar IMAGE`: what an encoder takes for the same, and what another says of it.

Put here: finding the image and its vectors, looking up neighbours, printing them.
Keep out: the index (`storage.neighbours`); pairs, which are mined exactly (`flows.mine`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.settings import Settings
from flows.site import hold_store
from storage import neighbours, paths, runs
from storage.database import Database
from tasks.encoders import EncoderConfig, identify, load
from tasks.images import decode, image_id, read_file
from tasks.workers import WorkersConfig


def similar(
    settings: Settings,
    image: str,
    encoders: Mapping[str, EncoderConfig | None],
    *,
    count: int = 10,
    device: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Return the stored images nearest to one, by each encoder (role -> config).

    `image` is a file, in the store or not, or the id of a stored image. Roles without a config
    take the encoder of the latest run. An index is built where an encoder has none.

    Raises:
        ValueError: if `image` is neither, or an encoder is unknown.
        RefusedImageError: if the file holds no image that can be read.
        StoreError: if an encoder has no vectors in the store.
    """
    db = Database(settings.store)
    held = _held(db)
    asked = _Asked(image, held)
    names, vectors = {}, {}
    for role, config in _configs(db, encoders).items():
        identity = identify(
            config, device=device.device_kind(), hash_cache=settings.home / "cache" / "weights.json"
        )
        names[role] = identity.name
        stored = neighbours.vector(db, identity.name, asked.image)
        vectors[role] = stored if stored is not None else asked.embed(config, device)
    found: dict[str, Any] = {"image": asked.image, "encoders": {}}
    with hold_store(settings, "similar"):
        indices = {role: neighbours.index(db, name) for role, name in names.items()}
    for role, name in names.items():
        near = neighbours.nearest(db, name, vectors[role], count + 1)
        near = [one for one in near if one.image != asked.image][:count]
        others = {
            f"{other}_cosine": neighbours.cosines(db, names[other], [n.image for n in near], vector)
            for other, vector in vectors.items()
            if near
        }
        found["encoders"][role] = {
            "encoder": name,
            "index": indices[role]._asdict(),
            "recall": neighbours.recall(db, name, count),
            "neighbours": [
                {"image": one.image, "path": held.get(one.image, [""])[0]}
                | {column: cosines.get(one.image) for column, cosines in others.items()}
                for one in near
            ],
        }
    return found


def _held(db: Database) -> dict[str, list[str]]:
    return paths.images(db, paths.corpora(db))


def _configs(
    db: Database, encoders: Mapping[str, EncoderConfig | None]
) -> dict[str, EncoderConfig]:
    """Return the encoders that are asked for, else those of the latest run of all stages."""
    given = {role: config for role, config in encoders.items() if config is not None}
    if given:
        return given
    ended = [run for run in runs.read(db) if "parameters" in run.settings]
    if not ended:
        return {role: EncoderConfig(spec=f"tiny:{role}") for role in ("clip", "ssl")}
    parameters = ended[-1].settings["parameters"]
    return {role: EncoderConfig.model_validate(parameters[role]) for role in ("clip", "ssl")}


class _Asked:
    """The image asked about: a file, or one that the store knows by id."""

    def __init__(self, image: str, held: Mapping[str, list[str]]) -> None:
        path = Path(image).expanduser()
        if path.is_file():
            self._data: bytes | None = read_file(path)
            self.image = image_id(self._data)
        elif image in held:
            self._data, self.image = None, image
        else:
            message = (
                f"{image!r} is neither a file nor the id of a stored image; "
                f"`mmvp show images` lists the ids"
            )
            raise ValueError(message)

    def embed(self, config: EncoderConfig, device: WorkersConfig) -> NDArray[np.floating]:
        if self._data is None:
            message = f"image {self.image} has no vector of {config.spec}; run `mmvp embed` with it"
            raise ValueError(message)
        pixels_HWC = decode(self._data).pixels_HWC
        vectors_ND = load(config, device=device.device_kind()).embed([pixels_HWC])
        return vectors_ND.reshape(-1)


def print_similar(found: Mapping[str, Any]) -> None:
    """Print the neighbours by each encoder, nearest first, with all cosines."""
    for role, result in found["encoders"].items():
        index = result["index"]
        print(
            f"nearest by {role} ({result['encoder']}); index of {index['indexed']:,} images in "
            f"{index['cells']:,} cells, {index['since']:,} since; recall {result['recall']:.3f}"
        )
        columns = [f"{other}_cosine" for other in found["encoders"]]
        print("\t".join([*columns, "image", "path"]))
        for one in result["neighbours"]:
            values = [f"{one[c]:.4f}" if one[c] is not None else "" for c in columns]
            print("\t".join([*values, one["image"][:12], one["path"]]))
