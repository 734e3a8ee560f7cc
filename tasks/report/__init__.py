"""Reports: data in, a folder with a page, figures and `report.json` out.

Put here: what people look at. Numbers, names and pixels come in; nothing is looked up.
Keep out: reading tables and opening corpora (`flows`), computing results (other `tasks`).
"""

from tasks.report.contents import PairCard, ReportContents, TableVersion
from tasks.report.figures import draw_pairs, draw_plane
from tasks.report.page import is_report, write_report
from tasks.report.pictures import ReadImage

__all__ = [
    "PairCard",
    "ReadImage",
    "ReportContents",
    "TableVersion",
    "draw_pairs",
    "draw_plane",
    "is_report",
    "write_report",
]
