"""A folder of scenes, a corpus like any other: pictures, and what is known of each.

Put here: which scene a number stands for, writing pictures and their metadata.
Keep out: reading corpora (`tasks.corpora`).
"""

import dataclasses
import io
import json
import random
import shutil
from pathlib import Path

from PIL import Image

from tasks.files import write_whole
from tasks.fingerprints import code_digest
from tasks.scenes.captions import caption
from tasks.scenes.drawing import draw_scene
from tasks.scenes.factors import Scene, sample_scene


def scene_at(seed: int, number: int) -> tuple[Scene, random.Random, int]:
    """Return scene `number` of a seed, the chance that words its caption, and its drawing's seed.

    It depends on these two numbers alone, so that a larger corpus only adds scenes.
    """
    rng = random.Random(f"{seed}/{number}")
    return sample_scene(rng), rng, seed * 1_000_003 + number


def write_scenes(folder: Path, count: int, *, seed: int) -> None:
    """Fill a folder with `<kind>/scene-00000.png` and so on, and their `metadata.jsonl`.

    Files that are there stay as they are; a folder of another seed, or that another version of the
    drawing filled, is emptied first. A call that was killed can be repeated.
    """
    mark, version = folder / ".drawn-by", f"{seed} {code_digest('tasks.scenes.drawing')}"
    if not mark.is_file() or mark.read_text() != version:
        shutil.rmtree(folder, ignore_errors=True)
        write_whole(mark, version.encode())
    lines = []
    for number in range(count):
        scene, rng, drawing_seed = scene_at(seed, number)
        name = f"{scene.kind}/scene-{number:05d}.png"
        if not (folder / name).exists():
            picture = io.BytesIO()
            Image.fromarray(draw_scene(scene, drawing_seed)).save(picture, "PNG")
            write_whole(folder / name, picture.getvalue())
        row = {"file_name": name, "caption": caption(scene, rng), **dataclasses.asdict(scene)}
        lines.append(json.dumps(row) + "\n")
    metadata = "".join(lines).encode()
    path = folder / "metadata.jsonl"
    if not path.is_file() or path.read_bytes() != metadata:
        write_whole(path, metadata)
