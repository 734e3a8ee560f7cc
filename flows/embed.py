"""The flow `embed`: a vector per image and encoder, on Dask workers.

mmvp embed --corpus DIR --clip open_clip:ViT-L-14/openai --ssl hf:facebook/dinov2-large
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    Corpus,
    WorkersParameter,
    find_ingested,
    keep,
    resolve_corpora,
)
from tasks import embed as stage
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

Clip = Annotated[
    EncoderConfig,
    Field(title="CLIP encoder", description="The encoder whose blindness is measured."),
]
Ssl = Annotated[
    EncoderConfig,
    Field(title="SSL encoder", description="The encoder that serves as the reference."),
]
CLIP = EncoderConfig(spec="tiny:clip")
SSL = EncoderConfig(spec="tiny:ssl")


@flow(name="embed", flow_run_name="embed")
def embed(
    corpus: Corpus = NO_CORPUS,
    clip: Clip = CLIP,
    ssl: Ssl = SSL,
    workers: WorkersParameter = WorkersConfig(),
) -> dict[str, Any]:
    """Embed the corpora's images that either encoder has not embedded yet.

    Raises:
        ValueError: if the corpora were not ingested, or an encoder cannot be had.
    """
    with open_run("embed", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_ingested(run, corpora)
        config = EmbedConfig(clip=clip, ssl=ssl)
        keep(run, run_stage(stage.STAGE, stage.prepare(run.site, config, corpora, run.receipts)))
        return run.summary()
