"""Find a model to ask, in a folder or on the hub, and name it by what its files hold.

Put here: which files make a model, and their hash.
Keep out: loading and asking (`local`, beside this file).
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

from tasks.encoders.files import sha256_of
from tasks.fingerprints import digest

FILES: Final = ("*.safetensors", "*.json", "*.jinja", "*.model")
CODE: Final = "*.py"
PICKLED: Final = "*.bin"


class FoundModel(NamedTuple):
    """A model's name, its folder and the hash of its files."""

    name: str
    folder: Path
    weights: str


def find_model(
    place: str,
    *,
    trust_remote_code: bool,
    hash_cache: Path | None,
    allow_pickle: bool = False,
) -> FoundModel:
    """Find the model at a place: a folder, or a name on the hub.

    A snapshot in the hub's cache is taken as it is.

    Raises:
        ValueError: if there is none, or it has no weights that may be read.
    """
    kinds = [*FILES, *([CODE] if trust_remote_code else []), *([PICKLED] if allow_pickle else [])]
    folder = Path(place).expanduser()
    if not folder.is_dir():
        folder = _snapshot(place, kinds)
    files = sorted({file for kind in kinds for file in folder.glob(kind)})
    weights = {".safetensors", ".bin"} & {file.suffix for file in files}
    if not (folder / "config.json").is_file() or not weights:
        message = (
            f"model {place!r} in {folder} has no config.json with weights as safetensors; expected "
            f"a folder that save_pretrained wrote, or the name of such a model on the hub"
        )
        raise ValueError(message)
    name = digest({file.name: sha256_of(file, hash_cache) for file in files})
    label = re.sub(r"[^a-z0-9.]+", "-", Path(place).name.lower()).strip("-")
    return FoundModel(f"{label}-{name[:12]}", folder, name)


def _snapshot(name: str, wanted: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        try:
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        message = (
            f"model {name!r} is no folder here, and the hub did not give it ({error}); name a "
            f"folder, or run `hf download {name}` where the hub can be reached"
        )
        raise ValueError(message) from error
