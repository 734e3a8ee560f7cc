"""The embedded world: small drawn 'web photos' in which nine visual patterns vary on their own.

A scene is a main object and a thing beside it, somewhere. What web captions name (kind, hue, thing,
setting) and what they leave out (the nine patterns of the MMVP benchmark) are independent factors.
"""

from tasks.scenes.captions import caption, caption_words, statement
from tasks.scenes.corpus import scene_at, write_scenes
from tasks.scenes.drawing import SIDE_PX, draw_scene
from tasks.scenes.factors import BASE_FACTORS, FACTORS, PATTERN_FACTORS, Scene, sample_scene

__all__ = [
    "BASE_FACTORS",
    "FACTORS",
    "PATTERN_FACTORS",
    "SIDE_PX",
    "Scene",
    "caption",
    "caption_words",
    "draw_scene",
    "sample_scene",
    "scene_at",
    "statement",
    "write_scenes",
]
