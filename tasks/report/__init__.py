"""Reports: data in, a folder with a page, figures and `report.json` out.

Put here: what people look at. Numbers, names and pixels come in; nothing is looked up.
Keep out: reading tables and opening corpora (`flows`), computing results (other `tasks`).
"""

from tasks.report.contents import BenchmarkContents, PairCard, ReportContents, TableVersion
from tasks.report.correlation_chart import CorrelationPanel
from tasks.report.evidence import (
    Evidence,
    GeneralFigure,
    GradedAnswers,
    Guesser,
    RankedRow,
    ScoreBeside,
    SuspectLabel,
)
from tasks.report.figures import draw_pairs, draw_plane
from tasks.report.page import is_report, write_benchmark_report, write_report
from tasks.report.pictures import ReadImage
from tasks.report.results import (
    AskedPair,
    ModelComparison,
    ModelScore,
    ProbeScore,
    Reply,
    Results,
    encoder_label,
    label_of,
)
from tasks.report.scaling_chart import ScaledEncoder

__all__ = [
    "AskedPair",
    "BenchmarkContents",
    "CorrelationPanel",
    "Evidence",
    "GeneralFigure",
    "GradedAnswers",
    "Guesser",
    "ModelComparison",
    "ModelScore",
    "PairCard",
    "ProbeScore",
    "RankedRow",
    "ReadImage",
    "Reply",
    "ReportContents",
    "Results",
    "ScaledEncoder",
    "ScoreBeside",
    "SuspectLabel",
    "TableVersion",
    "draw_pairs",
    "draw_plane",
    "encoder_label",
    "is_report",
    "label_of",
    "write_benchmark_report",
    "write_report",
]
