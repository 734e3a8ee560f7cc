"""Have questions proposed and checked, in rounds: about more pairs while the benchmark lacks some.

Put here: when another round is worth it, how many pairs it asks about, what the rounds add up to.
Keep out: the stages (`proposing`, `checking`, beside this file).

The rounds follow from the pairs and settings alone, so a run that is killed and started again asks
about the same pairs.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tasks.encoders import EncoderConfig
from tasks.questions import checking, proposing, stage
from tasks.questions.config import MODEL, QuestionConfig
from tasks.questions.offers import candidates
from tasks.questions.taking import take
from tasks.stage import Context, Receipts, Site, Stage, StageResult, run_stage

log = logging.getLogger(__name__)

ROUNDS: Final = 5
"""In so many at most all extra pairs are asked about, if there are not just a few."""
FEWEST: Final = 9
"""Pairs of a round: with fewer there would be many rounds, and servers do little at once."""


def propose_and_check(
    site: Site,
    config: QuestionConfig,
    encoder: EncoderConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
    do: Callable[[Stage, Context], StageResult | None] = run_stage,
) -> list[StageResult]:
    """Run the stages `propose` (if models write) and `check`; return what all rounds came to.

    The budget is that of each stage, over all rounds. `do` runs a stage, or only looks at it; the
    rounds end where it returns None.

    Raises:
        ValueError: if a key is missing, or asking on is pointless; what has come is stored.
    """
    common = (corpora, inputs, mining)
    total: dict[str, StageResult] = {}
    terms = dict.fromkeys((proposing.NAME, checking.NAME), config)

    def is_done(stage: Stage, context: Context) -> bool:
        result = do(stage, context)
        if result is not None:
            total[stage.name] = joined(total.get(stage.name), result)
            terms[stage.name] = _with_less(terms[stage.name], result)
        return result is not None

    most = len(candidates(site.db, mining, config, version=inputs["pairs"].version).extra)
    extra = 0
    while True:
        if config.writers:
            told = proposing.prepare(site, terms[proposing.NAME], *common, extra)
            if not is_done(proposing.STAGE, told):
                break
        seen = checking.prepare(site, terms[checking.NAME], encoder, *common)
        if not is_done(checking.STAGE, seen):
            break
        if extra == most or MODEL not in config.by or not _lacks(site, config, *common, total):
            break
        more = min(most, extra + max(FEWEST, math.ceil(most / ROUNDS)))
        log.info("pairs are lacking: asking about %d more", more - extra)
        extra = more
    return list(total.values())


def _lacks(
    site: Site,
    config: QuestionConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
    results: Mapping[str, StageResult],
) -> bool:
    """Say whether the benchmark lacks pairs even if calls that failed succeed the next time."""
    offered = stage.prepare(site, config, corpora, inputs, mining).given.offered
    taken = take(offered, config)
    failed = proposing.failed(results[proposing.NAME].outcome.reasons)
    return taken.lacking > failed + taken.reasons[stage.UNCHECKED]


def joined(before: StageResult | None, after: StageResult) -> StageResult:
    """Return what two rounds of a stage come to: the rows of the last, what was new in both."""
    if before is None:
        return after
    figures = dict(after.outcome.figures)
    if "done" in (before.state, after.state):
        figures["spent"] = _sum(_spent(before), _spent(after)) or figures["spent"]
    outcome = replace(after.outcome, new=before.outcome.new + after.outcome.new, figures=figures)
    state = "done" if "done" in (before.state, after.state) else after.state
    return replace(after, state=state, outcome=outcome)


def _spent(result: StageResult) -> Mapping[str, Any]:
    """Return what a stage spent now; nothing if its result is of an earlier run."""
    found: Mapping[str, Any] = result.outcome.figures["spent"] if result.state == "done" else {}
    return found


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Add up what was spent twice; the budget is that of the first time."""
    total = {**other, **one}
    for name, value in other.items():
        held = one.get(name)
        if isinstance(value, Mapping) and isinstance(held, Mapping):
            total[name] = _sum(held, value)
        elif name != "budget" and isinstance(value, int | float) and held is not None:
            total[name] = held + value
    return total


def _with_less(config: QuestionConfig, result: StageResult) -> QuestionConfig:
    """Return the settings with what a round has left of the budget."""
    if config.budget is None or result.state != "done":
        return config
    left = max(0.0, config.budget - result.outcome.figures["spent"]["money"])
    return config.model_copy(update={"budget": left})
