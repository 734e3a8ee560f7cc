"""What a worker does for the stage `zoo`: embed texts.

Put here: loading a text tower, statements and class prompts to vectors.
Keep out: which texts (`stage`, `imagenet`, beside this file).

Shapes:
    S  statements    C  classes    D  width of a vector
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.encoders import EncoderConfig, load_texts
from tasks.encoders.specs import Device
from tasks.zoo.imagenet import class_vectors

AT_ONCE: Final = 64
"""Class prompts in a pass; statements are embedded one by one."""


class TextJob(NamedTuple):
    """Texts for an encoder, whose fingerprint covers its text tower; each class has equally many.

    `key` names it in the log.
    """

    key: str
    encoder: EncoderConfig
    fingerprint: str
    statements: Sequence[str]
    classes: Sequence[Sequence[str]]


class TextVectors(NamedTuple):
    """Unit vectors: of the statements, and the means of the prompts of each class."""

    statements_SD: NDArray[np.float32]
    classes_CD: NDArray[np.float64]


def embed_texts(jobs: Sequence[TextJob], *, device: Device) -> list[TextVectors]:
    """Embed the texts of each job.

    Raises:
        ValueError: if a text tower on this machine is not that which the flow named.
    """
    import torch

    torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
    found = []
    for job in jobs:
        tower = load_texts(job.encoder, device=device)
        if tower.identity.fingerprint != job.fingerprint:
            message = (
                f"the text tower of encoder {job.encoder.spec!r} is another on this worker than "
                f"where the flow runs; give both the same weights, code and library versions"
            )
            raise ValueError(message)
        statements_SD, classes_CD = np.zeros((0, 0), np.float32), np.zeros((0, 0))
        if job.statements:
            statements_SD = tower.embed(job.statements)
        if job.classes:
            flat = [prompt for prompts in job.classes for prompt in prompts]
            classes_CD = class_vectors(tower.embed(flat, at_once=AT_ONCE), len(job.classes))
        found.append(TextVectors(statements_SD, classes_CD))
    return found
