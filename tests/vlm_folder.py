"""A drawn benchmark in the layout of MMVP-VLM: scenes that differ in one pattern, a text each."""

import dataclasses
import random

from PIL import Image

from tasks.benchmarks.statements import TYPES
from tasks.scenes import FACTORS, draw_scene, scene_at, statement


def draw_benchmark(folder, *, pairs=2, patterns=tuple(TYPES.values())):
    """Draw so many pairs of each pattern; return the statement of each image by its number."""
    lines, said = ["Question ID,Type,Statement"], {}
    rng = random.Random(4)
    for written, pattern in TYPES.items():
        for _ in range(pairs if pattern in patterns else 0):
            base, chance = scene_at(7, len(said))[0], scene_at(7, len(said))[-1]
            for value in rng.sample(FACTORS[pattern], 2):
                number = len(said) + 1
                scene = dataclasses.replace(base, **{pattern: value})
                said[number] = statement(scene, pattern)
                lines.append(f"{number},{written},{said[number]}")
                place = folder / "MLLM_VLM Images" / written / f"{number}.jpg"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw_scene(scene, chance)).save(place, quality=95)
    (folder / "Questions.csv").write_text("\n".join(lines) + "\n")
    return said
