"""Results that others published, as data with their sources, to show beside measured ones.

The files hold numbers and where they were read, no sentence or picture of their sources: results
are facts, and the rows are under this project's licence. `imagenet.json` has figures of a table of
open_clip (MIT licence).
"""

from tasks.published.imagenet import ImagenetRow, published_imagenet
from tasks.published.results import PublishedRow, published_results
from tasks.published.side_by_side import ResultRow, measured_rows, side_by_side

__all__ = [
    "ImagenetRow",
    "PublishedRow",
    "ResultRow",
    "measured_rows",
    "published_imagenet",
    "published_results",
    "side_by_side",
]
