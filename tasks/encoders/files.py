"""Find weight files and hash what is in them.

Put here: sha256 of a file and its cache, the hub's cache, the refusal of pickles.
Keep out: reading tensors (`towers`), which files a model needs (one module a library).
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tasks.encoders.specs import EncoderConfig

TOKENIZER_SETTINGS: Final = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
TOKENIZERS: Final = (
    *TOKENIZER_SETTINGS,
    *("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "*.model"),
)
"""What the files of a tokenizer are called; those of settings alone make none."""

SETTLED_S: Final = 2
"""A file younger than this is hashed again: a second write may leave its time stamp as it is."""


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """Return the sha256 of a file's content, 64 hex digits.

    `cache` is a JSON file that remembers it by path, size and time of change; a damaged or missing
    one is made anew.
    """
    status = path.stat()
    key, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
    known = _read_cache(cache) if cache else {}
    match known.get(key):
        case [int(size), int(changed), str(sha256)] if [size, changed] == stamp:
            return sha256
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if cache and time.time() - status.st_mtime > SETTLED_S:
        _write_cache(cache, {**_read_cache(cache), key: [*stamp, sha256]})
    return sha256


def check_pickle(path: Path, config: EncoderConfig) -> None:
    """Refuse a weights file that is not safetensors, unless the config allows pickles.

    Raises:
        ValueError: if it is refused.
    """
    if path.suffix != ".safetensors" and not config.allow_pickle:
        message = (
            f"weights file {path.name!r} of encoder {config.spec!r} is a pickle, which can run "
            f"code; convert it to safetensors, or set allow_pickle to read it with "
            f"torch.load(weights_only=True)"
        )
        raise ValueError(message)


def hub_file(repo: str, names: Sequence[str], config: EncoderConfig) -> Path:
    """Return the first of a hub repository's files that can be had, from the hub's cache if there.

    Raises:
        ValueError: if none is in the cache and the hub does not answer or has none.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    reason: Exception | None = None
    for name in names:
        cached = try_to_load_from_cache(repo, name)
        if isinstance(cached, str):
            return Path(cached)
        try:
            return Path(hf_hub_download(repo, name))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = error
    raise _not_had(repo, names[0], config) from reason


def hub_folder(repo: str, weights: str, config: EncoderConfig) -> Path:
    """Return the snapshot of a hub repository with its settings and the weights called `weights`.

    A snapshot in the hub's cache is taken as it is, so that a new revision on the hub renames no
    encoder; `weights` is a file name, or a file name pattern.

    Raises:
        ValueError: if it is not in the cache and the hub does not answer or has none.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    with suppress(HFValidationError, LocalEntryNotFoundError):
        folder = Path(snapshot_download(repo, local_files_only=True))
        if any(folder.glob("*config.json")) and any(folder.glob(weights)):
            return folder
    wanted = ["*.json", "*.safetensors.index.json", *TOKENIZERS, weights]
    if config.trust_remote_code:
        wanted.append("*.py")
    try:
        folder = Path(snapshot_download(repo, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise _not_had(repo, weights, config) from error
    if not any(folder.glob("*config.json")):
        raise _not_had(repo, "config.json", config)
    return folder


def tokenizer_files(folder: Path, config: EncoderConfig) -> list[Path]:
    """Return the files of the tokenizer that a folder holds, by name.

    Raises:
        ValueError: if it holds none.
    """
    files = sorted(file for name in TOKENIZERS for file in folder.glob(name))
    if not any(file.name not in TOKENIZER_SETTINGS for file in files):
        message = (
            f"folder {str(folder)!r} of encoder {config.spec!r} has no tokenizer, so it cannot be "
            f"asked with texts; copy tokenizer.json (or vocab.json and merges.txt) there"
        )
        raise ValueError(message)
    return files


def _not_had(repo: str, name: str, config: EncoderConfig) -> ValueError:
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    why = (
        "HF_HUB_OFFLINE is set"
        if HF_HUB_OFFLINE
        else "the hub was asked and did not answer, or has none"
    )
    message = (
        f"{name!r} of {repo!r}, which encoder {config.spec!r} needs, is not in the hub's cache "
        f"({HF_HUB_CACHE}), and {why}; run `hf download {repo}` where the hub can be reached and "
        f"copy the cache here, or name a local file: '{config.spec}@/path/to/weights.safetensors' "
        f"(for hf a local folder: 'hf:/path/to/folder')"
    )
    return ValueError(message)


def _read_cache(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_cache(cache: Path, known: dict[str, object]) -> None:
    with suppress(OSError):  # a cache that cannot be written only costs time
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent, prefix=cache.name)
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(known, file, indent=0, sort_keys=True)
            Path(name).replace(cache)
        except OSError:
            Path(name).unlink()
            raise
