"""The flow `embed`: a vector per image and encoder, on Dask workers.

Run it by hand with `mmvp embed --corpus DIR --clip SPEC --ssl SPEC`.
"""

from typing import Any

from prefect import flow

from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    find_ingested,
    keep,
    resolve_corpora,
)
from tasks import embed as stage
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

CLIP = EmbedConfig().clip
SSL = EmbedConfig().ssl


@flow(name="embed", flow_run_name="embed")
def embed(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Embed the corpora's images that an encoder has not embedded yet.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        control: A third encoder to compare the first with, if any.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if the corpora were not ingested, or an encoder cannot be had.
    """
    with open_run("embed", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_ingested(run, corpora)
        config = EmbedConfig(clip=clip, ssl=ssl, control=control)
        keep(run, run_stage(stage.STAGE, stage.prepare(run.site, config, corpora, run.receipts)))
        return run.summary()
