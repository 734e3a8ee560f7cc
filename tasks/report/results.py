"""What a report says of models and encoders: scores, comparisons, probes, questions and answers.

Put here: the values, their checks, what people call a model, and seeds taken together.
Keep out: computing scores (other `tasks`), drawing (`charts`), tables (`tables`), beside this file.

A *variant* is a model in all its seeds.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple

from tasks.report.evidence import Evidence

LOOKS: Final[Mapping[str, str]] = {
    "clip": "CLIP only",
    "ssl": "SSL only",
    "additive": "Additive",
    "interleaved": "Interleaved",
    "clip-clip": "CLIP twice, interleaved",
    "clip-control": "CLIP only, control",
}
"""What models look through, in the order of tables, and how people say it."""

SHIPPED: Final[Mapping[str, str]] = {
    "tiny-clip": "tiny CLIP",
    "tiny-clip-control": "tiny CLIP, telling captions (control)",
    "tiny-ssl": "tiny SSL",
}
"""Names of encoders that come with the package; captions told the control the patterns."""

FEW_PAIRS: Final = 30
"""Of fewer pairs a single one moves the score by more than three points."""

SHARES: Final = ("both_right", "same_answer", "swapped", "other")
"""The outcomes of a pair, as columns of a score; they sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """One model on one benchmark under one protocol: all pairs, or those of a pattern.

    Fields are named like the columns of the table `scores`; `label` is what people call the model
    in all its seeds. A model that was not trained here has no seed.

    Raises:
        ValueError: if a share is no number from 0 to 1.
    """

    benchmark: str
    model: str
    label: str
    features: str | None
    ssl_share: float | None
    seed: int | None
    steps: int | None
    protocol: str
    key: str
    pattern: str | None
    pairs: int
    pair_accuracy: float
    pair_low: float
    pair_high: float
    question_accuracy: float
    question_low: float
    question_high: float
    both_right: float
    same_answer: float
    swapped: float
    other: float
    unread: int
    chance: float

    def __post_init__(self) -> None:
        _check_shares(f"model {self.model!r} on {self.benchmark!r}", self)

    @property
    def look(self) -> str:
        """What the model looks through; an encoder that is asked itself is a CLIP."""
        return self.features or "clip"

    @property
    def is_trained(self) -> bool:
        """Whether it was trained here, and not asked as an encoder."""
        return self.seed is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """Two models on the pairs of a benchmark; fields are named like those of `comparisons`."""

    benchmark: str
    protocol: str
    model_a: str
    model_b: str
    pairs: int
    only_a: int
    only_b: int
    p_value: float
    p_holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeScore:
    """How well an attribute can be told from an encoder's vectors.

    `pattern` is the visual pattern that the attribute is about, if any; `captioned` says whether
    captions often name it.

    Raises:
        ValueError: if a share is no number from 0 to 1.
    """

    encoder: str
    role: str
    attribute: str
    pattern: str | None
    captioned: bool
    classes: int
    train_images: int
    test_images: int
    accuracy: float
    low: float
    high: float
    chance: float

    def __post_init__(self) -> None:
        _check_shares(f"probe of {self.attribute!r} for {self.encoder!r}", self)


def _check_shares(what: str, row: ModelScore | ProbeScore) -> None:
    for column in fields(row):
        value = getattr(row, column.name)
        is_share = isinstance(value, float) and column.name != "ssl_share"
        if is_share and not (math.isfinite(value) and -1e-9 <= value <= 1 + 1e-9):
            message = f"{what} has {column.name} {value}; a share is from 0 to 1"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model said to a pair's two questions under one protocol.

    A choice is the text of an option, None if none could be read; a response is verbatim.
    """

    model: str
    protocol: str
    choice_a: str | None
    choice_b: str | None
    response_a: str
    response_b: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPair:
    """What is asked about the two images of a pair, and what each model said."""

    pair_id: str
    attribute: str
    pattern: str | None
    question: str
    options: Sequence[str]
    answer_a: str
    answer_b: str
    statement_a: str | None
    statement_b: str | None
    source: str
    key: str
    replies: Sequence[Reply]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """All that is known of models and encoders; of a run without any, nothing.

    The three mappings from names to words say, by their order, which benchmark, protocol and
    outcome comes first.
    """

    scores: Sequence[ModelScore] = ()
    comparisons: Sequence[ModelComparison] = ()
    probes: Sequence[ProbeScore] = ()
    questions: Sequence[AskedPair] = ()
    benchmarks: Mapping[str, str] = field(default_factory=dict)
    protocols: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    patterns: Sequence[str] = ()
    """The visual patterns in the paper's order."""
    main: str = "mined"
    """The benchmark that cards, comparisons and the figure by pattern are about."""
    other_keys: Sequence[ModelScore] = ()
    """Scores under other answer keys than that of `scores`, and by other rules for CLIPs."""
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def asked_benchmarks(self) -> list[str]:
        """The benchmarks that have scores, in order."""
        return _in_order({row.benchmark for row in self.scores}, self.benchmarks)

    @property
    def asked_protocols(self) -> list[str]:
        """The protocols that have scores, in order."""
        return _in_order({row.protocol for row in self.scores}, self.protocols)

    def asked_patterns(self, benchmark: str) -> list[str]:
        """Return the patterns of a benchmark that have scores, in order."""
        rows = (row for row in self.scores if row.benchmark == benchmark)
        return _in_order({row.pattern for row in rows if row.pattern is not None}, self.patterns)


def _in_order(found: Iterable[str], order: Iterable[str]) -> list[str]:
    places = {name: place for place, name in enumerate(order)}
    return sorted(found, key=lambda name: (places.get(name, len(places)), name))


class Standing(NamedTuple):
    """A variant on some pairs under one protocol: its seeds, and their means.

    The interval from `low` to `high` has the mean ends of the seeds' intervals: it is about the
    pairs that were drawn, and seeds see the same pairs.
    """

    label: str
    look: str
    ssl_share: float | None
    protocol: str
    seeds: Sequence[ModelScore]

    @property
    def is_trained(self) -> bool:
        """Whether it was trained here, and not asked as an encoder."""
        return self.seeds[0].is_trained

    @property
    def pairs(self) -> int:
        """Pairs that each seed was asked."""
        return max(row.pairs for row in self.seeds)

    @property
    def accuracy(self) -> float:
        """Mean pair accuracy."""
        return _mean(row.pair_accuracy for row in self.seeds)

    @property
    def low(self) -> float:
        """Lower end of the interval of the pair accuracy."""
        return _mean(row.pair_low for row in self.seeds)

    @property
    def high(self) -> float:
        """Upper end of the interval of the pair accuracy."""
        return _mean(row.pair_high for row in self.seeds)

    @property
    def question_accuracy(self) -> float:
        """Mean question accuracy."""
        return _mean(row.question_accuracy for row in self.seeds)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def standings(
    results: Results, benchmark: str, protocol: str | None = None, pattern: str | None = None
) -> list[Standing]:
    """Return all variants on a benchmark, or on its pairs of a pattern, in the order of tables.

    Without a protocol each variant is under its first.
    """
    groups: dict[tuple[str, int | None, str], list[ModelScore]] = {}
    for row in results.scores:
        if (row.benchmark, row.pattern) == (benchmark, pattern):
            groups.setdefault((row.label, row.steps, row.protocol), []).append(row)
    found: dict[tuple[str, int | None], Standing] = {}
    protocols = [protocol] if protocol is not None else results.asked_protocols
    for wanted in reversed(protocols):
        for (label, steps, asked), rows in groups.items():
            if asked == wanted:
                seeds = sorted(rows, key=lambda row: (row.seed or 0, row.model))
                first = seeds[0]
                found[label, steps] = Standing(label, first.look, first.ssl_share, asked, seeds)
    return sorted(found.values(), key=_rank)


def _rank(standing: Standing) -> tuple[bool, int, float, str, int]:
    looks = list(LOOKS)
    place = looks.index(standing.look) if standing.look in LOOKS else len(looks)
    steps = standing.seeds[0].steps or 0
    return not standing.is_trained, place, standing.ssl_share or 0.0, standing.label, steps


PEOPLE: Final = "people"
"""As a model: the mean of those who are called so and a name."""

MAIN: Final = 6
"""Models that are drawn together; more outlines cannot be told apart."""


def main_standings(found: Sequence[Standing]) -> list[Standing]:
    """Return trained variants, one for each way to look: of additive ones that nearest to half.

    Where none was trained, they are the models that do best; people among them by their mean.
    """
    if not any(each.is_trained for each in found):
        models = {each.seeds[0].model for each in found}
        if PEOPLE in models:
            found = [e for e in found if not e.seeds[0].model.startswith(f"{PEOPLE}:")]
        return sorted(found, key=lambda each: -each.accuracy)[:MAIN]
    chosen: dict[str, Standing] = {}
    for each in found:
        if not each.is_trained:
            continue
        held = chosen.get(each.look)
        if held is None or _off_half(each) < _off_half(held):
            chosen[each.look] = each
    return list(chosen.values())


def _off_half(standing: Standing) -> float:
    return abs((standing.ssl_share or 0.0) - 0.5)


def label_of(features: str | None, ssl_share: float | None, encoders: Mapping[str, str]) -> str:
    """Return what people call a model in all its seeds.

    Args:
        features: what it looks through.
        ssl_share: the SSL encoder's part of an additive mixture.
        encoders: the names of its encoders by role.
    """
    if features == "additive" and ssl_share is not None:
        return f"Additive, SSL share {ssl_share:g}"
    if features == "clip-control":
        control = encoder_label(encoders.get("control", ""))
        said = "telling captions (control)" if control == SHIPPED["tiny-clip-control"] else control
        return f"CLIP only, {said or 'control'}"
    return LOOKS.get(features or "", features or "model")


def encoder_label(name: str) -> str:
    """Return what people call an encoder: its name without its fingerprint."""
    slug = re.sub(r"-[0-9a-f]{12}$", "", name)
    return SHIPPED.get(slug, slug)
