"""Zero-shot accuracy on a folder of images by class, as CLIPs are measured on ImageNet.

Put here: class names, prompts, the nearest class of each image.
Keep out: vectors (`storage.embeddings`, `jobs`, beside this file); published accuracies
(`tasks.published`).
Source: Radford et al. 2021 (arXiv:2103.00020), section 3.1.4, for templates whose vectors are
averaged; open_clip's copies of its templates and of its names of ImageNet's classes.

Shapes:
    N  images    C  classes    D  width of a vector
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tasks.fingerprints import digest
from tasks.scores.statistics import wilson

IMAGENET_CLASSES: Final = 1000
WORDNET: Final = re.compile(r"n\d{8}")
CHUNK: Final = 8192
"""Images compared at once."""


class ImagenetConfig(BaseModel):
    """How zero-shot accuracy is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    folder: Path
    """Holds a folder of images for each class."""

    class_names: Path | None = None
    """JSON: names by folder, or in the order of the folders, or ImageNet's class index. Empty: for
    ImageNet's thousand folders open_clip's names, else what the folders are called."""

    templates: Literal["simple", "openai"] = "simple"
    """open_clip's 7 prompts, or OpenAI's 80, with which published accuracies were measured."""


class LabelledImages(NamedTuple):
    """Images by class: the class of each sample, the prompts of each class, what names both."""

    samples: Sequence[tuple[str, int]]
    prompts: Sequence[Sequence[str]]
    digest: str


class ZeroShot(NamedTuple):
    """Top-1 accuracy, a share from 0 to 1 with a 95 % interval, on so many images."""

    accuracy: float
    low: float
    high: float
    images: int


def label_images(config: ImagenetConfig, files: Mapping[str, str]) -> LabelledImages:
    """Return the images of a folder by class; `files` has the image of each file.

    Raises:
        ValueError: if files lie in no class folder, or a class has no name.
    """
    folders = class_folders(config.folder, files)
    classes = sorted(set(folders.values()))
    names = read_class_names(classes, config.class_names)
    place = {name: number for number, name in enumerate(classes)}
    samples = sorted((image, place[folders[file]]) for file, image in files.items())
    wanted = prompts(names, config.templates)
    return LabelledImages(samples, wanted, digest([samples, wanted]))


def class_folders(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """Return the class folder of each file, directly below `folder`.

    Raises:
        ValueError: if a file lies in no class folder, or there are fewer than two.
    """
    found = {}
    for file in files:
        parts = Path(file).relative_to(folder).parts
        if len(parts) < 2:
            message = (
                f"image {file!r} lies in no class folder of {str(folder)!r}; expected "
                f"FOLDER/CLASS/IMAGE, as ImageNet's validation images by WordNet id"
            )
            raise ValueError(message)
        found[file] = parts[0]
    if len(set(found.values())) < 2:
        message = f"{str(folder)!r} has {len(set(found.values()))} classes with images, expected 2"
        raise ValueError(message)
    return found


def read_class_names(folders: Sequence[str], file: Path | None) -> list[str]:
    """Return the name of the class of each folder; `folders` are sorted.

    Raises:
        ValueError: if the file cannot be read or lacks a folder, or folders are called by WordNet
            ids of which nothing is known.
    """
    if file is not None:
        return _from_file(folders, file)
    if all(WORDNET.fullmatch(name) for name in folders):
        if len(folders) == IMAGENET_CLASSES:
            from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

            return list(IMAGENET_CLASSNAMES)
        message = (
            f"the {len(folders)} class folders have WordNet ids for names, the first of them "
            f"{folders[0]!r}; give their words with --class-names FILE"
        )
        raise ValueError(message)
    return [" ".join(name.replace("_", " ").split()) for name in folders]


def _from_file(folders: Sequence[str], file: Path) -> list[str]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f"class names {str(file)!r} cannot be read as JSON ({error})"
        raise ValueError(message) from error
    if isinstance(content, list):
        content = dict(zip(folders, content, strict=False)) if len(content) == len(folders) else {}
    elif isinstance(content, dict) and all(isinstance(v, list) for v in content.values()):
        content = dict(pair for pair in content.values() if len(pair) == 2)  # Keras' class index
    names = content if isinstance(content, dict) else {}
    lacking = [name for name in folders if not isinstance(names.get(name), str)]
    if lacking:
        message = (
            f"class names {str(file)!r} have no name for {len(lacking)} of {len(folders)} class "
            f"folders, the first of them {lacking[0]!r}; expected {{FOLDER: NAME}}, or a list of "
            f"{len(folders)} names"
        )
        raise ValueError(message)
    return [names[name] for name in folders]


def prompts(names: Sequence[str], templates: str) -> list[list[str]]:
    """Return the prompts of each class."""
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

    chosen = {"simple": SIMPLE_IMAGENET_TEMPLATES, "openai": OPENAI_IMAGENET_TEMPLATES}[templates]
    return [[template(name) for template in chosen] for name in names]


def class_vectors(prompts_PD: NDArray[np.float32], classes: int) -> NDArray[np.float64]:
    """Return a unit vector (C, D) a class: the mean of those of its prompts, which follow in order.

    Raises:
        ValueError: if the prompts of a class cancel each other out.
    """
    mean_CD = prompts_PD.astype(np.float64).reshape(classes, -1, prompts_PD.shape[1]).mean(1)
    length_C = np.linalg.norm(mean_CD, axis=1)
    if (length_C == 0).any():
        message = f"the prompts of class {int(np.argmin(length_C))} have a mean without direction"
        raise ValueError(message)
    unit_CD: NDArray[np.float64] = mean_CD / length_C[:, None]
    return unit_CD


def nearest(images_ND: NDArray[np.floating], classes_CD: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nearest class of each image, of equally near ones the first.

    Images may have any length.
    """
    found = [
        np.argmax(images_ND[start : start + CHUNK].astype(np.float64) @ classes_CD.T, axis=1)
        for start in range(0, len(images_ND), CHUNK)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def zero_shot(taken: Mapping[str, int], samples: Iterable[tuple[str, int]]) -> ZeroShot:
    """Return the share of samples (image, class) whose image takes that class.

    Raises:
        ValueError: if no sample's image was classified.
    """
    right = [taken[image] == label for image, label in samples if image in taken]
    if not right:
        message = "none of the images by class could be embedded"
        raise ValueError(message)
    low, high = wilson(sum(right), len(right))
    return ZeroShot(sum(right) / len(right), low, high, len(right))
