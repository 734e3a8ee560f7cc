"""Published zero-shot accuracies on ImageNet, by the encoder's spec.

Put here: reading `imagenet.json`, beside this file.
Keep out: measuring them on images (`tasks.zoo`).
Source: docs/openclip_results.csv of github.com/mlfoundations/open_clip; the file names the commit.
Its numbers were measured with open_clip's class names and templates, at each model's own size.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "imagenet.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagenetRow:
    """Top-1 accuracy in percent of an encoder on ImageNet-1k, and its parameters in millions."""

    spec: str
    top1: float
    parameters_millions: float
    source: str
    url: str


def published_imagenet(spec: str) -> ImagenetRow | None:
    """Return what is published about an encoder, of which `spec` names the weights; else None."""
    return _rows().get(spec)


@cache
def _rows() -> dict[str, ImagenetRow]:
    content = json.loads(FILE.read_text())
    names = {"source": content["source"], "url": content["url"]}
    return {row["spec"]: ImagenetRow(**row, **names) for row in content["rows"]}
