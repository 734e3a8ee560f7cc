"""Reports: data in, a folder with a page, figures and `report.json` out.

Put here: what people look at. Numbers, names and pixels come in; nothing is looked up.
Keep out: reading tables and opening corpora (`flows`), computing results (other `tasks`).
"""

from tasks.report.contents import PairCard, ReportContents, TableVersion
from tasks.report.figures import draw_pairs, draw_plane
from tasks.report.page import is_report, write_report
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

__all__ = [
    "AskedPair",
    "ModelComparison",
    "ModelScore",
    "PairCard",
    "ProbeScore",
    "ReadImage",
    "Reply",
    "ReportContents",
    "Results",
    "TableVersion",
    "draw_pairs",
    "draw_plane",
    "encoder_label",
    "is_report",
    "label_of",
    "write_report",
]
