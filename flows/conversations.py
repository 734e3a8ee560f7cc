"""The flow `conversations`: what a file says about images, as rows to train models on.

Run it by hand with `mmvp conversations --file FILE --images CORPUS`.
"""

from pathlib import Path
from typing import Any, Final

from prefect import flow

from flows.ingest import ingest
from flows.site import open_run
from flows.stages import NO_CORPUS, check_corpora, keep
from tasks.conversations import stage
from tasks.ingest import IngestConfig, resolve_corpora
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

SPOKEN_OF: Final = "conversations-"
"""What the names of stages and receipts of the conversations' corpora begin with."""


@flow(name="conversations", flow_run_name="conversations")
def conversations(
    file: Path,
    images: list[str] = NO_CORPUS,
    reading: IngestConfig = IngestConfig(),
    workers: WorkersConfig = WorkersConfig(),
    rehash: bool = False,
) -> dict[str, Any]:
    """Read the conversations of a file, after the images that they are about.

    Args:
        file: JSON, a list or a value a line, as LLaVA or chats lay it out (docs/training.md).
        images: The corpora that its images are in; none for conversations without.
        reading: How the files of a corpus are read.
        workers: Where images are opened; no result depends on it.
        rehash: Open every image again, changed or not.

    Raises:
        ValueError: if the file or a corpus cannot be read, or there is no conversation in it.
    """
    with open_run("conversations", workers, {"file": str(file)}) as run:
        check_corpora(images)
        corpora = resolve_corpora(images) if images else []
        inputs = {}
        if corpora:
            with run.aside(SPOKEN_OF):
                ingest(corpora, reading, workers, rehash)
                inputs = dict(run.receipts)
            if run.settings["corpora"] is None:  # these were not the corpora of a run
                del run.settings["corpora"]
        context = stage.prepare(run.site, file, corpora, inputs)
        run.settings["mix"] = context.facts["mix"]
        keep(run, run_stage(stage.STAGE, context))
        return run.summary()
