"""The flow `probe`: what each encoder sees, attribute by attribute.

Run it by hand with `mmvp probe --corpus DIR --train-corpus DIR`.
"""

from typing import Any

from prefect import flow

from flows.embed import CLIP, SSL
from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    TRAINING,
    find_embedded,
    keep,
    resolve_corpora,
    resolve_training,
)
from tasks import probes as stage
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="probe", flow_run_name="probe")
def probe(
    corpus: list[str] = NO_CORPUS,
    train_corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Fit linear probes to the encoders' vectors.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        train_corpus: Corpora whose images teach; without one, half of the others' images do.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        control: A third encoder to compare the first with, if any.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if images lack a vector.
    """
    with open_run("probe", workers, {"corpus": corpus}) as run:
        corpora, encoders = (
            resolve_corpora(run, corpus),
            EmbedConfig(clip=clip, ssl=ssl, control=control),
        )
        find_embedded(run, corpora, encoders)
        teachers = resolve_training(run, train_corpus)
        if teachers and f"{TRAINING}clip" not in run.receipts:
            with run.aside(TRAINING):
                find_embedded(run, teachers, encoders)
        keep(run, run_stage(stage.STAGE, stage.prepare(run.site, corpora, teachers, run.receipts)))
        return run.summary()
