"""Opening a corpus by its name: which form it has, as it looks or as its name says.

Put here: names and their prefixes, recognising forms, errors of whoever named the corpus.
Keep out: the forms themselves, one module each.

Another package adds a form by an entry point of the group `mmvp.corpora`, whose name is the kind
and whose value is a function as `tasks.corpora.listed` describes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Final, NamedTuple

from tasks import plugins
from tasks.corpora import huggingface
from tasks.corpora.amended import amend
from tasks.corpora.archives import SUFFIXES, suffix
from tasks.corpora.corpus import Corpus, Found, Listing, Reading, Walked
from tasks.corpora.folder import Folder
from tasks.corpora.huggingface import SavedDataset
from tasks.corpora.img2dataset import img2dataset, shard_numbers
from tasks.corpora.listed import Listed
from tasks.corpora.places import full_name, is_uri, walk
from tasks.corpora.tables import Tables
from tasks.corpora.webdataset import IMAGES, WebDataset

KINDS: Final = ("folder", "parquet", "webdataset", "hf", "img2dataset")
"""What may stand before a corpus' place, as in webdataset:DIR, to say what it is; and what other
packages offer."""

EXPECTED: Final = (
    "a folder of images, .parquet or .tar files, a dataset saved to disk, img2dataset's output, "
    "or one .parquet, .tar or .arrow file"
)


class Opened(NamedTuple):
    """A corpus and what is there of it now."""

    corpus: Corpus
    listing: Listing


def resolve_corpus(text: str) -> str:
    """Return the name of a corpus: its place in full, after the kind if one was given.

    Raises:
        ValueError: if there is nothing, or a uri cannot be read here.
    """
    kind, place = split_name(text)
    full = full_name(place)
    if not is_uri(full) and not os.path.isdir(full):
        is_archive = os.path.isfile(full) and suffix(full) in SUFFIXES
        if not is_archive:
            found = "a file" if os.path.exists(full) else "nothing"
            message = f"corpus {text!r} must be {EXPECTED}, found {found} there"
            raise ValueError(message)
    return f"{kind}:{full}" if kind else full


def split_name(name: str) -> tuple[str, str]:
    """Return kind, which may be empty, and place of a corpus' name."""
    kind, colon, place = name.partition(":")
    if colon and not place.startswith("//") and (kind in KINDS or kind in _others()):
        return kind, place
    return "", name


def _others() -> Mapping[str, EntryPoint]:
    return plugins.offered(plugins.CORPORA, KINDS)


def open_corpus(name: str, reading: Reading) -> Opened:
    """Look what a corpus is and list it, without opening an image.

    Raises:
        ValueError: if there is nothing, forms are mixed, a shard is missing, or a captions file
            is malformed.
    """
    kind, place = split_name(name)
    try:
        walked = walk(place)
    except FileNotFoundError as error:
        message = f"corpus {name!r} must be {EXPECTED}, found nothing there"
        raise ValueError(message) from error
    if kind in _others():
        corpus: Corpus = Listed(name, place, reading, kind)
    else:
        form = _FORMS[kind or _recognise(name, place, walked.files)]
        corpus = form(name, place, reading, walked)
    corpus = amend(corpus, reading)
    return Opened(corpus, corpus.look(walked))


def _table_form(name: str, place: str, reading: Reading, walked: Walked) -> Corpus:
    marked = any(os.path.basename(file.path) in huggingface.MARKS for file in walked.files)
    form = SavedDataset if marked else Tables
    return form(name, place, reading)


_FORMS: Final[Mapping[str, Callable[[str, str, Reading, Walked], Corpus]]] = {
    "folder": lambda name, place, reading, _: Folder(name, place, reading),
    "parquet": lambda name, place, reading, _: Tables(name, place, reading),
    "webdataset": lambda name, place, reading, _: WebDataset(name, place, reading),
    "hf": _table_form,
    "img2dataset": img2dataset,
}


def _recognise(name: str, place: str, files: Sequence[Found]) -> str:
    """Return the kind of a corpus by the names of its files.

    Raises:
        ValueError: if they are those of several kinds.
    """
    if shard_numbers(files):
        return "img2dataset"
    first: dict[str, str] = {}
    for file in files:
        ending = suffix(file.path)
        first.setdefault("image" if ending[1:] in IMAGES else ending, file.path)
    found = [first[ending] for ending in ("image", *SUFFIXES) if ending in first]
    if len(found) > 1:
        message = (
            f"corpus {name!r} mixes kinds: {' and '.join(found)}; keep them apart, or say "
            f"which kind to read: {' or '.join(f'{kind}:{place}' for kind in _kinds(first))}"
        )
        raise ValueError(message)
    return (*_kinds(first), "folder")[0]


def _kinds(first: Mapping[str, str]) -> list[str]:
    kinds = {".tar": "webdataset", ".parquet": "parquet", ".arrow": "hf", "image": "folder"}
    return [kind for ending, kind in kinds.items() if ending in first]
