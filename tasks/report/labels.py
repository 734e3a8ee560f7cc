"""Where the labels of a scatter stand, so that none covers another label or a point.

Put here: places, in percent of both axes.
Keep out: drawing (the charts beside this file).
"""

from collections.abc import Mapping, Sequence
from typing import Final

GAP: Final = 2.2
"""Between a point and its label."""

POINT: Final = 1.6
"""Half the width of a point."""

STEP: Final = 0.5
FARTHEST: Final = 40

Box = tuple[float, float, float]
"""Left, right, middle height."""


def label_places(
    points: Mapping[str, tuple[float, float]],
    *,
    letter: float = 2.1,
    line: float = 4.3,
) -> dict[str, tuple[float, float, str]]:
    """Return where each point's label stands and its anchor, left or right.

    Points and places are in percent of the two axes; so are `letter`, the width of a letter, and
    `line`, the height of a line. A label is right of its point if that place is free, else left of
    it, else as little above or below these as it takes.
    """
    taken: list[Box] = [(x - POINT, x + POINT, y) for x, y in points.values()]
    placed = {}
    for name, (x, y) in sorted(points.items(), key=lambda item: (item[1][1], item[1][0], item[0])):
        width = letter * len(name)
        own = (x - POINT, x + POINT, y)
        others = [box for box in taken if box != own]
        found = next(
            (place for place in _around(x, y, width) if _is_free(place, width, line, others)),
            (x + GAP, y, "left"),
        )
        taken.append(_box(found, width))
        placed[name] = found
    return placed


def _around(x: float, y: float, width: float) -> list[tuple[float, float, str]]:
    sides = [(x + GAP, "left"), (x - GAP, "right")]
    if x + GAP + width > 100:
        sides.reverse()
    return [
        (start, y + sign * step * STEP, anchor)
        for step in range(FARTHEST)
        for sign in ((1, -1) if step else (1,))
        for start, anchor in sides
    ]


def _box(place: tuple[float, float, str], width: float) -> Box:
    x, y, anchor = place
    return (x, x + width, y) if anchor == "left" else (x - width, x, y)


def _is_free(
    place: tuple[float, float, str], width: float, line: float, others: Sequence[Box]
) -> bool:
    left, right, y = _box(place, width)
    return (
        left >= 0
        and right <= 100
        and y >= 0
        and all(
            right <= other_left or other_right <= left or abs(y - other_y) >= line
            for other_left, other_right, other_y in others
        )
    )
