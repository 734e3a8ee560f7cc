"""The drawing of a scene: setting, objects, sign and balls, placed and lit by chance.

Put here: colours and places.
Keep out: the shapes of objects (`tasks.scenes.shapes`); what a scene is (`tasks.scenes.factors`).
Shapes: S the side of a drawing, C its channels red, green, blue.

The shipped encoders were trained on these drawings: a change of a shape, a colour or the order in
which random numbers are drawn asks for training them anew.
"""

import functools
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.scenes.factors import Scene
from tasks.scenes.shapes import KINDS, THINGS, Shape

Color = tuple[int, ...]
_Box = tuple[float, float, float, float]

SIDE_PX: Final = 192
_CANVAS_PX: Final = 2 * SIDE_PX
"""Drawn twice as large, then averaged: PIL's own edges are not smooth."""
_PEN_PX: Final = 8
_OUTLINE_PX: Final = 2

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


def draw_scene(scene: Scene, seed: int) -> NDArray[np.uint8]:
    """Draw a scene as an array (192, 192, 3); the seed places, tints and lights it."""
    painter = _Painter(random.Random(seed))
    ground = painter.paint_setting(scene)
    painter.paint_objects(scene, ground)
    painter.paint_sign(scene.text)
    painter.paint_balls(int(scene.count))
    small = painter.image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    light, tilt = painter.uniform(0.88, 1.1), painter.uniform(-0.06, 0.06)
    light_S = np.linspace(light - tilt, light + tilt, SIDE_PX, dtype=np.float32)[:, None, None]
    return (np.asarray(small) * light_S).clip(0, 255).astype(np.uint8)


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
                house = (left, roof, left + width - _PEN_PX, horizon)
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
        self.paint_shapes(THINGS[scene.thing], thing, {})
        shadow = main.place_box(-1, 0.6, 1, 1)
        self.pen.ellipse(shadow, fill=tuple(int(v * 0.75) for v in ground))
        paints = {"body": body, "accent": accent, "dark": _DARK}
        self.paint_shapes(KINDS[scene.kind], main, paints)
        if scene.state == "broken":
            self.paint_crack(main)
        if scene.presence == "hat":
            self.paint_hat(main)

    def paint_shapes(self, shapes: list[Shape], frame: _Frame, paints: dict[str, Color]) -> None:
        for form, paint, points in shapes:
            color = paints.get(paint, paint)
            placed = [frame.place(x, y) for x, y in points]
            if form == "polygon":
                self.pen.polygon(placed, color, _OUTLINE, _OUTLINE_PX)
            elif form == "line":
                self.pen.line(placed, fill=color, width=2 * _PEN_PX)
            elif form == "ellipse":
                box = frame.place_box(*points[0], *points[1])
                self.pen.ellipse(box, color, _OUTLINE, _OUTLINE_PX)
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
