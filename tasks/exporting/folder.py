"""Write a whole model as a folder.

Put here: files and their order; the code that travels with a model.
Keep out: the model (`model`), the words of its card (`card`), replacing a folder (`placing`),
beside this file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tasks.encoders import tiny_stem
from tasks.exporting.model import Whole
from tasks.exporting.placing import put_folder
from tasks.mof import configuration_mof

OUR_IMPORT: Final = "from tasks.encoders.tiny_stem import"
THEIR_IMPORT: Final = "from .tiny_stem import"


def write_folder(to: Path, whole: Whole, card: str, record: Mapping[str, Any]) -> None:
    """Write a model, its processor, its code and its card to a folder; replace an earlier export.

    Raises:
        ValueError: if something else is there.
    """

    def fill(part: Path) -> None:
        whole.model.save_pretrained(part)
        whole.processor.save_pretrained(part)
        write_code(part)
        (part / "README.md").write_text(card)

    put_folder(to, fill, record)


def write_code(folder: Path) -> None:
    """Copy the modules of `tasks.mof` and what they need beside a model.

    There all lie in one folder, so they import one another relatively.
    """
    package = Path(configuration_mof.__file__).parent
    files = [file for file in package.glob("*.py") if file.name != "__init__.py"]
    for file in [*files, Path(tiny_stem.__file__)]:
        text = file.read_text().replace(OUR_IMPORT, THEIR_IMPORT)
        (folder / file.name).write_text(text)
