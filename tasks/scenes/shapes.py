"""The shapes of objects and of the things beside them, as points in a unit box.

Put here: what an object looks like.
Keep out: where it stands and in which colours (`tasks.scenes.drawing`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Shape(NamedTuple):
    """One stroke of an object: its form, its paint, and points (x, y) in a box from -1 to 1."""

    form: str
    paint: str
    points: list[tuple[float, float]]


def _read_shapes(drawn: str) -> Mapping[str, list[Shape]]:
    """Read a shape a line: its object, form, paint, points as in SVG, or two corners of its box.

    Objects face right in a box from -1 to 1, y down. Paints are the scene's own, or fixed colours.
    """
    objects: dict[str, list[Shape]] = {}
    for line in drawn.strip().splitlines():
        name, form, paint, *points = line.split()
        corners = (point.split(",") for point in points)
        shape = Shape(form, paint, [(float(x), float(y)) for x, y in corners])
        objects.setdefault(name, []).append(shape)
    return objects


KINDS: Final = _read_shapes("""
car      polygon  body    -1,.45 -1,.05 -.55,0 -.35,-.5 .25,-.5 .5,0 1,.15 1,.45
car      polygon  accent  0,-.4 .22,-.4 .4,0 0,0
car      ellipse  dark    -.75,.2 -.25,.7
car      ellipse  dark    .3,.2 .8,.7
fish     ellipse  body    -.55,-.5 1,.5
fish     polygon  accent  -.45,0 -1,-.5 -1,.5
fish     ellipse  dark    .5,-.25 .7,-.05
fish     polygon  accent  0,-.45 .4,-.45 .1,-.8
cup      polygon  body    -.8,-.6 .45,-.6 .3,.7 -.65,.7
cup      arc      body    .2,-.45 .95,.4
cup      polygon  accent  -.76,-.2 .42,-.2 .38,.1 -.72,.1
teapot   ellipse  body    -.7,-.45 .6,.7
teapot   polygon  body    .45,.2 1.05,-.45 .85,-.5 .35,-.1
teapot   arc      body    -1.05,-.35 -.4,.45
teapot   ellipse  accent  -.25,-.7 .15,-.35
teapot   polygon  accent  -.66,.05 .56,.05 .56,.25 -.66,.25
boat     polygon  body    -1,.2 1,.1 .65,.7 -.75,.7
boat     polygon  accent  -.1,-.9 -.1,.05 .75,.05
boat     line     dark    -.15,-.95 -.15,.2
snail    polygon  accent  -1,.7 .8,.7 1,.1 .75,-.05 .6,.4 -.6,.45
snail    ellipse  body    -.75,-.6 .45,.55
snail    ellipse  accent  -.4,-.25 .1,.2
snail    line     dark    .9,.05 1,-.35
duck     ellipse  body    -.9,-.05 .6,.75
duck     ellipse  body    .05,-.8 .65,-.15
duck     polygon  accent  .6,-.55 1.05,-.4 .6,-.25
duck     ellipse  dark    .3,-.6 .45,-.45
duck     polygon  accent  -.6,.2 .1,.2 -.2,.5
elephant ellipse  body    -.95,-.5 .4,.45
elephant ellipse  body    .1,-.65 .8,.15
elephant polygon  body    .65,-.3 1,-.1 .95,.6 .8,.6 .8,.1 .6,.05
elephant polygon  body    -.8,.2 -.45,.2 -.45,.8 -.8,.8
elephant polygon  body    -.1,.2 .25,.2 .25,.8 -.1,.8
elephant ellipse  accent  0,-.45 .4,.1
elephant ellipse  dark    .55,-.4 .67,-.28
plane    ellipse  body    -1,-.2 1,.25
plane    polygon  accent  -.95,0 -1,-.65 -.75,-.65 -.45,-.05
plane    polygon  accent  .1,.05 -.35,.7 -.6,.7 -.3,.05
plane    ellipse  dark    .55,-.12 .78,.05
rabbit   ellipse  body    -.7,-.1 .5,.8
rabbit   ellipse  body    .05,-.5 .75,.1
rabbit   ellipse  accent  .05,-1 .28,-.3
rabbit   ellipse  body    .3,-1 .53,-.3
rabbit   ellipse  accent  -.95,.2 -.6,.55
rabbit   ellipse  dark    .5,-.3 .62,-.18
""")
THINGS: Final = _read_shapes("""
tree     polygon  #644123 -.15,.2 .15,.2 .15,1 -.15,1
tree     ellipse  #237832 -.7,-1 .7,.4
house    polygon  #ebdcbe -.7,-.1 .7,-.1 .7,1 -.7,1
house    polygon  #963228 -.9,-.1 0,-.9 .9,-.1
house    polygon  #5a3c28 -.2,.4 .2,.4 .2,1 -.2,1
cactus   polygon  #3c8c50 -.2,-1 .2,-1 .2,1 -.2,1
cactus   polygon  #3c8c50 -.7,-.4 -.45,-.4 -.45,.1 -.2,.1 -.2,.35 -.7,.35
cactus   polygon  #3c8c50 .7,-.6 .45,-.6 .45,-.1 .2,-.1 .2,.15 .7,.15
cone     polygon  #f06e1e 0,-.9 .55,.8 -.55,.8
cone     polygon  #f06e1e -.8,.8 .8,.8 .8,1 -.8,1
cone     polygon  #fafafa -.28,0 .28,0 .38,.3 -.38,.3
box      polygon  #b98c55 -.8,-.5 .8,-.5 .8,1 -.8,1
box      polygon  #e1c38c -.12,-.5 .12,-.5 .12,1 -.12,1
flower   polygon  #328c3c -.08,0 .08,0 .08,1 -.08,1
flower   ellipse  #fafafa -.55,-1 .55,.1
flower   ellipse  #f5be28 -.22,-.67 .22,-.23
""")
