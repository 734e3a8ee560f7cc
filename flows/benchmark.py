"""The flow `benchmark`: models asked the questions of a published benchmark, and scored.

Run it by hand with `mmvp evaluate --benchmark DIR --model MODEL`.
"""

from pathlib import Path
from typing import Any, Final

from prefect import flow

from flows.embed import CLIP, SSL, embed
from flows.ingest import ingest
from flows.site import Run, open_run
from flows.stages import keep
from storage.receipts import Receipt
from tasks.benchmarks import StatementSet
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.evaluation import benchmark as questions
from tasks.evaluation import stage
from tasks.evaluation.beside import summarise
from tasks.evaluation.candidates import EvaluateConfig
from tasks.evaluation.rows import set_name
from tasks.ingest import IngestConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

ASIDE: Final = "benchmark-"
"""What the names of stages and receipts of a benchmark's images begin with."""


@flow(name="benchmark", flow_run_name="benchmark")
def benchmark(
    place: str,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    config: EvaluateConfig = EvaluateConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Ask models what they were not asked before of MMVP, of MMVP-VLM, or of a CSV in that form.

    CLIPs are asked where the benchmark is made of statements.

    Args:
        place: The benchmark's folder, or its CSV beside its images.
        clip: The encoder that is asked first.
        ssl: The encoder beside it.
        control: A third encoder to compare the first with, if any.
        config: Which models are asked, and how.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if the benchmark is damaged or has no images, or calls have failed.
    """
    found = questions.read_benchmark(Path(place).expanduser())
    folder = questions.images_folder(found)
    if folder is None:
        message = (
            f"benchmark {place!r} has no images, so no model can be asked; copy them beside its "
            f"CSV, or score stored answers with --answers FILE"
        )
        raise ValueError(message)
    encoders = EmbedConfig(clip=clip, ssl=ssl, control=control)
    name = set_name(found)
    with open_run("benchmark", workers, {"set": name}) as run:
        corpora = [str(folder.resolve())]
        by_statements = isinstance(found, StatementSet)
        inputs = _read_images(run, corpora, encoders, workers, by_statements=by_statements)
        context = questions.prepare(run.site, found, corpora, inputs)
        keep(run, run_stage(questions.STAGE, context))
        context = stage.prepare(
            run.site,
            config,
            encoders,
            corpora,
            inputs | {"questions": run.receipts["questions"]},
            name,
            [],
            published=True,
        )
        keep(run, run_stage(stage.STAGE, context))
        named = {"set": name, "notes": list(found.notes)}
        return run.summary() | named | summarise(run.site.db, name)


def _read_images(
    run: Run,
    corpora: list[str],
    encoders: EmbedConfig,
    workers: WorkersConfig,
    *,
    by_statements: bool,
) -> dict[str, Receipt]:
    with run.aside(ASIDE):
        ingest(corpora, IngestConfig(), workers, False)  # noqa: FBT003 # Prefect takes them by place
        if by_statements:  # only CLIPs look at vectors
            embed(corpora, encoders.clip, encoders.ssl, encoders.control, workers)
        receipts = dict(run.receipts)
    run.settings.pop("corpora")  # what the next command works on stays what it was
    return receipts
