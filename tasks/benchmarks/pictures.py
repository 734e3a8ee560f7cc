"""Find the images of a benchmark's rows, by number and not by order.

Put here: names of image folders as published, misspelt and as others keep them.
Keep out: opening images (`tasks.images`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
_SHOWN: Final = 5


def image_folder(root: Path, names: Sequence[str], notes: list[str]) -> Path | None:
    """Return the image folder beside a CSV; the first name is the published one."""
    found = next((root / name for name in names if (root / name).is_dir()), None)
    if found is None:
        notes.append("there is no image folder: answers can be scored, no model can be asked")
    elif found.name != names[0]:
        notes.append(f"the images are in {found.name!r}, published as {names[0]!r}")
    return found


def images_by_number(folder: Path, numbers: Sequence[int]) -> dict[int, Path]:
    """Return the image of each number, `NUMBER.jpg` or another suffix of images.

    Raises:
        ValueError: if there are none for some numbers.
    """
    found = {}
    for number in numbers:
        files = (folder / f"{number}{suffix}" for suffix in SUFFIXES)
        found[number] = next((file for file in files if file.is_file()), None)
    if missing := [number for number, file in found.items() if file is None]:
        shown = ", ".join(f"{number}.jpg" for number in missing[:_SHOWN])
        message = (
            f"{str(folder)!r} lacks {len(missing)} of {len(numbers)} images: {shown}"
            f"{' ...' if len(missing) > _SHOWN else ''}; copy them there, or take the folder "
            f"away to score stored answers only"
        )
        raise ValueError(message)
    return {number: file for number, file in found.items() if file is not None}
