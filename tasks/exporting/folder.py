"""Write a whole model as a folder that is there completely or not at all.

Put here: files and their order; the code that travels with a model.
Keep out: the model (`model`), the words of its card (`card`), beside this file.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tasks.encoders import tiny_stem
from tasks.exporting.model import Whole
from tasks.mof import configuration_mof

RECORD: Final = "export.json"
"""Says that a folder is an export of ours, and of what."""

OUR_IMPORT: Final = "from tasks.encoders.tiny_stem import"
THEIR_IMPORT: Final = "from .tiny_stem import"


def write_folder(to: Path, whole: Whole, card: str, record: Mapping[str, Any]) -> None:
    """Write a model, its processor, its code and its card to a folder; replace an earlier export.

    Raises:
        ValueError: if something else is there.
    """
    check_free(to)
    part, old = (to.with_name(f".{to.name}.{kind}") for kind in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    whole.model.save_pretrained(part)
    whole.processor.save_pretrained(part)
    write_code(part)
    (part / "README.md").write_text(card)
    (part / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    if (to / RECORD).exists():
        to.rename(old)
    part.replace(to)  # an empty folder gives way
    shutil.rmtree(old, ignore_errors=True)


def check_free(to: Path) -> None:
    """Make sure that a folder can be written to a place.

    Raises:
        ValueError: if something is there that is no earlier export.
    """
    if not to.exists() or (to / RECORD).is_file() or (to.is_dir() and not any(to.iterdir())):
        return
    found = "is not empty and holds no export" if to.is_dir() else "is a file"
    message = f"{str(to)!r} {found}; expected a new folder, an empty one or an earlier export"
    raise ValueError(message)


def write_code(folder: Path) -> None:
    """Copy the modules of `tasks.mof` and what they need beside a model.

    There all lie in one folder, so they import one another relatively.
    """
    package = Path(configuration_mof.__file__).parent
    files = [file for file in package.glob("*.py") if file.name != "__init__.py"]
    for file in [*files, Path(tiny_stem.__file__)]:
        text = file.read_text().replace(OUR_IMPORT, THEIR_IMPORT)
        (folder / file.name).write_text(text)
