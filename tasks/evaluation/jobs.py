"""What a worker does for the stage `evaluate`: ask a language model its questions.

Put here: loading the model and the image tokens that it reads.
Keep out: the ways to ask (`language`), what is still to be asked (`stage`), beside this file.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from transformers.utils.logging import disable_progress_bar

from tasks.encoders import EncoderConfig
from tasks.encoders.specs import Device
from tasks.evaluation.asking import Asked, Reply
from tasks.evaluation.language import ImageTokens, LanguageModel
from tasks.training.features import ImageFiles, token_features


class Sitting(NamedTuple):
    """A model that answers questions under a protocol."""

    key: str
    model: str
    folder: Path
    protocol: str
    questions: Sequence[Asked]
    encoders: Mapping[str, EncoderConfig]
    names: Mapping[str, str]


class Answered(NamedTuple):
    """The replies of a sitting."""

    model: str
    protocol: str
    replies: Sequence[Reply]


def ask_models(sittings: Sequence[Sitting], *, device: Device) -> list[Answered]:
    """Ask models one after the other."""
    disable_progress_bar()
    torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
    answered = []
    for sitting in sittings:
        model = _model(sitting.folder)
        tokens = _tokens(sitting, device)
        replies = model.ask(sitting.protocol, sitting.questions, tokens)
        answered.append(Answered(sitting.model, sitting.protocol, replies))
    return answered


@lru_cache(maxsize=1)
def _model(folder: Path) -> LanguageModel:
    return LanguageModel(folder)


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
