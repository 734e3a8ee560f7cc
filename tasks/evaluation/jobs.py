"""What a worker does for the stage `evaluate`: ask a language model its questions.

Put here: loading the model and the image tokens that it reads.
Keep out: the ways to ask (`language`), what is still to be asked (`stage`), beside this file.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers.utils.logging import disable_progress_bar

from tasks.encoders import EncoderConfig
from tasks.encoders.specs import Device
from tasks.evaluation.asking import BLANK, BLANK_GREY, BLANK_PX, Asked, Manner, Reply
from tasks.evaluation.language import ImageTokens, LanguageModel
from tasks.evaluation.local import LocalModel, Pixels
from tasks.training.features import ImageFiles, pixels_of, token_features

_MOST_PICTURES = 64


class Sitting(NamedTuple):
    """A model that answers questions one way, by the way's name and by its manner.

    It reads tokens of `encoders`, or pixels if it has none.
    """

    key: str
    model: str
    folder: Path
    way: str
    manner: Manner
    questions: Sequence[Asked]
    encoders: Mapping[str, EncoderConfig]
    names: Mapping[str, str]
    trust_remote_code: bool = False


class Answered(NamedTuple):
    """The replies of a sitting."""

    model: str
    way: str
    replies: Sequence[Reply]


def ask_models(sittings: Sequence[Sitting], *, device: Device) -> list[Answered]:
    """Ask models one after the other."""
    disable_progress_bar()
    torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
    answered = []
    for sitting in sittings:
        if sitting.encoders:
            model = _model(sitting.folder)
            replies = model.ask(sitting.manner, sitting.questions, _tokens(sitting, device))
        else:
            seeing = _seeing(sitting.folder, device, sitting.trust_remote_code)
            replies = seeing.ask(sitting.manner, sitting.questions, Pictures(sitting.questions))
        answered.append(Answered(sitting.model, sitting.way, replies))
    return answered


@lru_cache(maxsize=1)
def _model(folder: Path) -> LanguageModel:
    return LanguageModel(folder)


@lru_cache(maxsize=1)
def _seeing(folder: Path, device: Device, trust: bool) -> LocalModel:  # noqa: FBT001 # a cache's key
    return LocalModel(folder, device=device, trust_remote_code=trust)


class Pictures(Mapping[str, Pixels]):
    """The pixels of the images that are asked about; some are kept, others decoded again."""

    def __init__(self, questions: Sequence[Asked]) -> None:
        self._files = {asked.image: ImageFiles(asked.image, asked.paths) for asked in questions}
        self._read = lru_cache(maxsize=_MOST_PICTURES)(self._decode)

    def __getitem__(self, image: str) -> Pixels:
        return self._read(image)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _decode(self, image: str) -> Pixels:
        if image == BLANK:
            return np.full((BLANK_PX, BLANK_PX, 3), BLANK_GREY, np.uint8)
        return pixels_of(self._files[image])


_TOKENS: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
"""By role and encoder; a role has its own layer, whichever encoder plays it."""
_MOST_IMAGES = 20_000


def _tokens(sitting: Sitting, device: Device) -> ImageTokens:
    """Return the tokens of the questions' images, those that are known from other sittings too."""
    files = {asked.image: ImageFiles(asked.image, asked.paths) for asked in sitting.questions}
    for role, encoder in sitting.encoders.items():
        known = _TOKENS.setdefault((role, sitting.names[role]), {})
        if len(known) > _MOST_IMAGES:
            known.clear()
        missing = [files[image] for image in sorted(files.keys() - known.keys())]
        if missing:
            found = token_features(missing, {role: encoder}, sitting.names, device)[role]
            known.update((file.image, row) for file, row in zip(missing, found, strict=True))
    return {role: _TOKENS[role, sitting.names[role]] for role in sitting.encoders}
