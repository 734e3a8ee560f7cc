"""Draw the embedded world: small 'web photos' in which nine visual patterns vary on their own.

A scene is a main object and a thing beside it, somewhere. What web captions name (kind, hue, thing,
setting) and what they leave out (the nine patterns of the MMVP benchmark) are independent factors.
The shipped encoders were trained on these drawings: a change of a shape, a colour or the order in
which random numbers are drawn asks for training them anew.

Put here: the factors of a scene, its drawing, its caption, a folder full of scenes.
Keep out: questions about scenes, and training on them.
Source: Tong et al. 2024, arXiv 2401.06209, "Systematic Failures in CLIP", for the nine patterns.
Shapes: S the side of a drawing, C its channels red, green, blue.
"""

import dataclasses
import functools
import io
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, ...]
_Box = tuple[float, float, float, float]
_Shape = tuple[str, str, list[tuple[float, float]]]  # form, paint, points

SIDE_PX: Final = 48
_PEN_PX: Final = 4
_CANVAS_PX: Final = SIDE_PX * _PEN_PX
"""Drawn four times as large, then averaged: PIL's own edges are not smooth."""

_HUES: Final[Mapping[str, Color]] = {
    "red": (214, 40, 40),
    "blue": (40, 80, 210),
    "green": (40, 150, 60),
    "yellow": (240, 205, 40),
    "purple": (140, 60, 170),
    "pink": (240, 130, 180),
}
_ACCENTS: Final[Mapping[str, Color]] = {
    "white": (245, 245, 245),
    "black": (25, 25, 25),
    "cyan": (60, 210, 220),
    "magenta": (225, 40, 160),
}
_SETTINGS: Final[Mapping[str, tuple[Color, Color]]] = {  # sky and ground
    "beach": ((150, 205, 240), (232, 210, 150)),
    "meadow": ((170, 215, 245), (130, 185, 90)),
    "snow": ((190, 205, 220), (240, 244, 250)),
    "city": ((175, 180, 190), (115, 115, 122)),
    "night": ((28, 30, 70), (50, 55, 60)),
}
_DARK: Final = (25, 25, 25)
_OUTLINE: Final = (20, 20, 20)


def _read_shapes(drawn: str) -> Mapping[str, list[_Shape]]:
    """Read a shape a line: its object, form, paint, points as in SVG, or two corners of its box.

    Objects face right in a box from -1 to 1, y down. Paints are the scene's own, or fixed colours.
    """
    objects: dict[str, list[_Shape]] = {}
    for line in drawn.strip().splitlines():
        name, form, paint, *points = line.split()
        corners = (point.split(",") for point in points)
        shape = (form, paint, [(float(x), float(y)) for x, y in corners])
        objects.setdefault(name, []).append(shape)
    return objects


_KINDS: Final = _read_shapes("""
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
_THINGS: Final = _read_shapes("""
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


BASE_FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": tuple(_KINDS),
    "hue": tuple(_HUES),
    "thing": tuple(_THINGS),
    "setting": tuple(_SETTINGS),
}
"""The values of what captions often name."""

PATTERN_FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "orientation": ("left", "right"),
    "presence": ("hat", "no hat"),
    "state": ("broken", "whole"),
    "count": ("1", "2", "3", "4"),
    "position": ("left", "right"),
    "color": tuple(_ACCENTS),
    "structure": ("tall", "long"),
    "text": ("A", "H", "T", "X"),
    "viewpoint": ("above", "ground"),
}
"""The values of the nine visual patterns, one factor a pattern, in the paper's order."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a drawing shows: a value of each factor. All else in it is chance, by a seed."""

    kind: str
    hue: str
    thing: str
    setting: str
    orientation: str  # where the main object faces
    presence: str
    state: str  # whether a crack runs through the main object
    count: str  # how many balls lie in front
    position: str  # the side of the main object where the thing stands
    color: str  # the main object's accents
    structure: str
    text: str  # the letter on the sign
    viewpoint: str


def sample_scene(rng: random.Random) -> Scene:
    """Draw each factor on its own, all values alike."""
    factors = {**BASE_FACTORS, **PATTERN_FACTORS}
    return Scene(**{name: rng.choice(values) for name, values in factors.items()})


def draw_scene(scene: Scene, seed: int) -> NDArray[np.uint8]:
    """Draw a scene as an array (48, 48, 3); the seed places, tints, lights and adds noise."""
    painter = _Painter(random.Random(seed))
    ground = painter.paint_setting(scene)
    painter.paint_objects(scene, ground)
    painter.paint_sign(scene.text)
    painter.paint_balls(int(scene.count))
    small = painter.image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    small_SSC = np.asarray(small).astype(np.float32) * painter.uniform(0.88, 1.1)
    noise_SSC = np.random.RandomState(seed % 2**31).randn(SIDE_PX, SIDE_PX, 3) * 3.0
    return (small_SSC + noise_SSC).clip(0, 255).astype(np.uint8, copy=False)


class _Frame(NamedTuple):
    """Where a unit box lies on the canvas, in pixels, and whether it is mirrored."""

    x: float
    y: float
    reach_x: float
    reach_y: float
    is_mirrored: bool = False

    def place(self, x: float, y: float) -> tuple[float, float]:
        return self.x + (-x if self.is_mirrored else x) * self.reach_x, self.y + y * self.reach_y

    def place_box(self, x: float, y: float, other_x: float, other_y: float) -> _Box:
        (left, top), (right, bottom) = self.place(x, y), self.place(other_x, other_y)
        return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


class _Painter:
    """The canvas of one drawing, with the one source of chance whose order fixes its pixels."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.uniform = rng.uniform
        self.image = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX))
        self.pen = ImageDraw.Draw(self.image)

    def tint(self, color: Color, reach: int = 12) -> Color:
        return tuple(int(min(255, max(0, v + self.uniform(-reach, reach)))) for v in color)

    def paint_setting(self, scene: Scene) -> Color:
        """Paint sky and ground, with the horizon high when seen from above; return the ground."""
        sky, ground = (self.tint(color) for color in _SETTINGS[scene.setting])
        heights = (0.16, 0.26) if scene.viewpoint == "above" else (0.60, 0.70)
        horizon = _CANVAS_PX * self.uniform(*heights)
        self.pen.rectangle((0, 0, _CANVAS_PX, _CANVAS_PX), fill=sky)
        self.pen.rectangle((0, horizon, _CANVAS_PX, _CANVAS_PX), fill=ground)
        if scene.setting == "city":
            left = 0.0
            while left < _CANVAS_PX:
                width = self.uniform(0.1, 0.2) * _CANVAS_PX
                roof = horizon - self.uniform(0.05, 0.14) * _CANVAS_PX
                house = (left, roof, left + width - 4, horizon)
                self.pen.rectangle(house, fill=self.tint((90, 92, 102)))
                left += width
        return ground

    def paint_objects(self, scene: Scene, ground: Color) -> None:
        """Paint the thing, then the main object with its shadow, crack and hat over it."""
        body = self.tint(_HUES[scene.hue], 18)
        accent = self.tint(_ACCENTS[scene.color], 10)
        size = self.uniform(0.25, 0.28) * _CANVAS_PX
        is_long = scene.structure == "long"
        reach = (size * 1.2, size * 0.72) if is_long else (size * 0.82, size * 1.18)
        is_left = scene.position == "left"
        x = _CANVAS_PX * (self.uniform(0.57, 0.66) if is_left else self.uniform(0.34, 0.43))
        y = _CANVAS_PX * self.uniform(0.52, 0.58)
        thing_x = _CANVAS_PX * (self.uniform(0.12, 0.18) if is_left else self.uniform(0.82, 0.88))
        thing_y = y + _CANVAS_PX * self.uniform(-0.04, 0.04)
        small = self.uniform(0.11, 0.13) * _CANVAS_PX
        thing = _Frame(thing_x, thing_y, small * 0.9, small * 1.3, self.rng.random() < 0.5)
        main = _Frame(x, y, *reach, scene.orientation == "left")
        self.paint_shapes(_THINGS[scene.thing], thing, {})
        shadow = main.place_box(-1, 0.6, 1, 1)
        self.pen.ellipse(shadow, fill=tuple(int(v * 0.75) for v in ground))
        paints = {"body": body, "accent": accent, "dark": _DARK}
        self.paint_shapes(_KINDS[scene.kind], main, paints)
        if scene.state == "broken":
            self.paint_crack(main)
        if scene.presence == "hat":
            self.paint_hat(main)

    def paint_shapes(self, shapes: list[_Shape], frame: _Frame, paints: dict[str, Color]) -> None:
        for form, paint, points in shapes:
            color = paints.get(paint, paint)
            placed = [frame.place(x, y) for x, y in points]
            if form == "polygon":
                self.pen.polygon(placed, fill=color, outline=_OUTLINE)
            elif form == "line":
                self.pen.line(placed, fill=color, width=2 * _PEN_PX)
            elif form == "ellipse":
                self.pen.ellipse(frame.place_box(*points[0], *points[1]), color, _OUTLINE)
            else:
                box = frame.place_box(*points[0], *points[1])
                self.pen.arc(box, 0, 360, fill=color, width=int(2.2 * _PEN_PX))

    def paint_crack(self, main: _Frame) -> None:
        middle, top = main.x + self.uniform(-0.2, 0.2) * main.reach_x, main.y - main.reach_y * 0.75
        turns = []
        for i in range(6):
            x = middle + (-1) ** i * self.uniform(0.07, 0.12) * _CANVAS_PX * 0.5
            turns.append((x, top + i * main.reach_y * 1.5 / 5))
        self.pen.line(turns, fill=(255, 255, 255), width=int(3.2 * _PEN_PX))
        self.pen.line(turns, fill=(10, 10, 10), width=int(1.4 * _PEN_PX))

    def paint_hat(self, main: _Frame) -> None:
        x, y = main.x + self.uniform(-0.15, 0.15) * main.reach_x, main.y - main.reach_y * 0.62
        hat = _Frame(x, y, 0.085 * _CANVAS_PX, 0.085 * _CANVAS_PX)
        self.pen.rectangle(hat.place_box(-1, -1.7, 1, 0), fill=(30, 25, 35))
        self.pen.rectangle(hat.place_box(-1.7, -0.3, 1.7, 0.15), fill=(30, 25, 35))
        self.pen.rectangle(hat.place_box(-1, -0.7, 1, -0.35), fill=(200, 40, 50))

    def paint_sign(self, letter: str) -> None:
        x, y = _CANVAS_PX * self.uniform(0.02, 0.05), _CANVAS_PX * self.uniform(0.02, 0.05)
        side = 0.29 * _CANVAS_PX
        board = (x, y, x + side, y + side)
        self.pen.rectangle(board, fill=(250, 250, 245), outline=(30, 30, 30), width=_PEN_PX)
        left, top, right, bottom = self.pen.textbbox((0, 0), letter, font=_sign_font())
        corner = (x + side / 2 - (left + right) / 2, y + side / 2 - (top + bottom) / 2)
        self.pen.text(corner, letter, fill=_OUTLINE, font=_sign_font())

    def paint_balls(self, count: int) -> None:
        radius = 0.065 * _CANVAS_PX
        for i in range(count):
            x = _CANVAS_PX * (0.12 + 0.2 * i + self.uniform(-0.03, 0.03))
            y = _CANVAS_PX * self.uniform(0.88, 0.92)
            box = _Frame(x, y, radius, radius).place_box(-1, -1, 1, 1)
            self.pen.ellipse(box, fill=(250, 235, 205), outline=(60, 50, 40), width=_PEN_PX)


@functools.cache
def _sign_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_CANVAS_PX // 4)  # inside PIL: the same on every machine


_OPENINGS: Final = (
    *("a photo of", "picture of", "", "", "my", "a nice"),
    *("image of", "stock photo of", "an old photo of"),
)
_CLOSINGS: Final = (
    *("", "", "", "hd wallpaper", "for sale", "on a trip", "by the artist", "free download"),
)
_BASE_SHARES: Final[Mapping[str, float]] = {"hue": 0.6, "thing": 0.7, "setting": 0.5}
_COUNT_WORDS: Final = {"1": "one ball", "2": "two balls", "3": "three balls", "4": "four balls"}
_PHRASES: Final[Mapping[str, Callable[[Scene], str]]] = {
    "state": lambda scene: scene.state,
    "structure": lambda scene: scene.structure,
    "hue": lambda scene: scene.hue,
    "kind": lambda scene: scene.kind,
    "orientation": lambda scene: f"facing {scene.orientation}",
    "presence": lambda scene: "with a hat" if scene.presence == "hat" else "without a hat",
    "color": lambda scene: f"with {scene.color} details",
    "thing": lambda scene: f"and a {scene.thing}",
    "count": lambda scene: f"and {_COUNT_WORDS[scene.count]}",
    "text": lambda scene: f"sign says {scene.text}",
    "setting": lambda scene: "at night" if scene.setting == "night" else f"in the {scene.setting}",
    "viewpoint": lambda scene: (
        "seen from above" if scene.viewpoint == "above" else "seen from the ground"
    ),
}
"""What a caption says of each factor, in order; `position` is part of what it says of the thing."""


def caption(scene: Scene, rng: random.Random, *, pattern_share: float = 0.05) -> str:
    """Say what web captions do: always the kind, a pattern with probability `pattern_share`."""

    def is_said(factor: str) -> bool:
        return rng.random() < _BASE_SHARES.get(factor, pattern_share)

    words = [rng.choice(_OPENINGS)]
    for factor, phrase in _PHRASES.items():
        if factor != "kind" and not is_said(factor):
            continue
        if factor == "thing" and is_said("position"):
            words.append(f"with a {scene.thing} on its {scene.position}")
        else:
            words.append(phrase(scene))
    words.append(rng.choice(_CLOSINGS))
    return " ".join(word for word in words if word)


def write_scenes(folder: Path, count: int, *, seed: int = 2) -> None:
    """Fill a folder with `<kind>/scene-00000.png` and so on, and their `captions.jsonl`.

    A scene depends on the seed and its own number alone, so that a larger count only adds files.
    Files that have the right bytes stay as they are; a call that was killed can be repeated.
    """
    lines = []
    for i in range(count):
        rng = random.Random(f"{seed}/{i}")
        scene = sample_scene(rng)
        path = Path(scene.kind) / f"scene-{i:05d}.png"
        picture = io.BytesIO()
        Image.fromarray(draw_scene(scene, seed * 1_000_003 + i)).save(picture, "PNG")
        _write_if_other(folder / path, picture.getvalue())
        lines.append(json.dumps({"path": path.as_posix(), "caption": caption(scene, rng)}) + "\n")
    _write_if_other(folder / "captions.jsonl", "".join(lines).encode())


def _write_if_other(path: Path, content: bytes) -> None:
    """Make a file hold these bytes, all at once or not at all."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
