"""What stands beside the scores of a report: others' results, controls, doubts, correlations.

Put here: the values, named like those of `tasks.evaluation.beside` and `tasks.published`.
Keep out: the scores themselves (`results`), drawing (the charts beside this file).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.report.correlation_chart import CorrelationPanel
from tasks.report.scaling_chart import ScaledEncoder

PAIR: Final = "pair"
QUESTION: Final = "question"
MEASURED: Final = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedRow:
    """A measured or published accuracy in percent, at one level: pairs, questions or others.

    A published one has no interval, key and outcomes, and says where it is from; `protocol` is None
    where its source does not tell. `outcomes` are the shares of pairs by outcome, of a measured
    pair accuracy, as is `chance` in percent; `is_reference` marks published rows that a figure
    shows, as not all fit.
    """

    benchmark: str
    level: str
    label: str
    value: float
    low: float | None
    high: float | None
    pairs: int | None
    protocol: str | None
    key: str | None
    origin: str
    level_inferred: bool = False
    source: str | None = None
    url: str | None = None
    note: str | None = None
    is_reference: bool = False
    outcomes: Mapping[str, float] | None = None
    unread: int | None = None
    chance: float | None = None

    @property
    def is_measured(self) -> bool:
        """Whether it was measured here."""
        return self.origin == MEASURED


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBeside:
    """What stands beside a score of all pairs; None where the answers for it are not there.

    See `tasks.evaluation.beside.Beside` for each value.
    """

    benchmark: str
    model: str
    label: str
    protocol: str
    key: str
    text_only: Mapping[str, float] | None
    first_option: Mapping[str, float | None] | None
    same_when_turned: Mapping[str, float | None] | None
    detectable: float | None
    spread: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLabel:
    """A pair that most of the strong models, `models` in all, answer the wrong way round."""

    benchmark: str
    key: str
    pair: str
    question: str
    models: int
    right: int
    swapped: int
    p_holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesser:
    """What a model gets that does not look at the images, as shares from 0 to 1."""

    name: str
    pair_accuracy: float
    question_accuracy: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedAnswers:
    """What a grader makes of a model's replies: a judge, or another package's rules.

    `share` of the replies it takes as the protocol's own rules do, with `kappa` beside it, None
    where there is none. Accuracies are shares from 0 to 1; grades that `failed` count as wrong.
    """

    benchmark: str
    model: str
    label: str
    protocol: str
    grader: str
    pairs: int
    pair_accuracy: float
    pair_low: float
    pair_high: float
    share: float | None
    kappa: float | None
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralFigure:
    """A figure of a model's general ability; fields are named like the columns of `general`."""

    bench: str
    part: str
    reading: str
    metric: str
    model: str
    label: str
    questions: int
    images: int
    value: float | None
    low: float | None
    high: float | None
    without: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """All that stands beside scores; of a run without any, nothing.

    `published` are others' results on the same benchmarks, level by level. `heard` counts by
    benchmark the models that were strong enough to have a say on its labels. `correlations` set
    CLIPs against models measured here, `as_published` does so with the paper's values; `imagenet`
    sets accuracy on pairs against that on ImageNet, and `scaled` against size. `graded` has other
    graders than the rules, `general` what the same models get on other benchmarks.
    """

    published: Sequence[RankedRow] = ()
    beside: Sequence[ScoreBeside] = ()
    suspects: Sequence[SuspectLabel] = ()
    heard: Mapping[str, int] = field(default_factory=dict)
    guessers: Sequence[Guesser] = ()
    correlations: Sequence[CorrelationPanel] = ()
    as_published: Sequence[CorrelationPanel] = ()
    imagenet: Sequence[CorrelationPanel] = ()
    scaled: Sequence[ScaledEncoder] = ()
    graded: Sequence[GradedAnswers] = ()
    general: Sequence[GeneralFigure] = ()
