"""A small training for tests: drawn squares, what is said of them, and a model to learn it."""

import os
import time
from pathlib import Path

import torch

from tasks.exporting.model import make_processor
from tasks.mof import MofForConditionalGeneration
from tasks.training.conversation import IMAGE_PLACE, Conversation, encode
from tasks.training.large import StageJob, TrainingData
from tasks.training.settings import StageSettings
from tasks.training.words import BEGIN, END, IMAGE, PAD, make_tokenizer
from tests import lessons
from tests.tasks.test_mof_config import CANVAS_PX, TEXT, tiny_config

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
CALM = "MMVP_TEST_CALM"
"""Names a file; once it is there `Dangerous` does no more harm."""


class Squares:
    """Pictures of a square, by number; of four rows one is text alone."""

    def __init__(self, processor, image_tokens, rows=24, texts=True, fatal=None):
        self.tokenizer, self.image_tokens, self.fatal = processor.tokenizer, image_tokens, fatal
        self.has_image = [not texts or number % 4 != 3 for number in range(rows)]
        self.lengths = [len(Squares.__getitem__(self, n)["input_ids"]) for n in range(rows)]

    def __len__(self):
        return len(self.has_image)

    def __getitem__(self, number):
        colour = list(COLOURS)[number % 3]
        turns = [("what is the main object ?", "car"), ("is there a hat on it ?", "no")]
        turns = turns[: 1 + number % 2]
        if not self.has_image[number]:
            found = encode(Conversation((), tuple(turns)), self.tokenizer, self.image_tokens)
            return {"input_ids": found.ids, "labels": found.labels}
        turns = ((IMAGE_PLACE + turns[0][0], "red" if colour == "red" else "duck"), *turns[1:])
        found = encode(Conversation(("a",), turns), self.tokenizer, self.image_tokens)
        canvas = torch.full((1, 3, CANVAS_PX, CANVAS_PX), 200, dtype=torch.uint8)
        place = 8 * (number % 5)
        canvas[0, :, place : place + 20, 10:40] = torch.tensor(COLOURS[colour])[:, None, None]
        return {"input_ids": found.ids, "labels": found.labels, "pixel_values": canvas}


class Dangerous(Squares):
    """Squares that are slow to read; who reads row `fatal` a second time ends, but once only."""

    read = 0

    def __getitem__(self, number):
        time.sleep(0.02)
        calm = Path(os.environ[CALM])
        self.read += number == self.fatal
        if self.read == 2 and not calm.exists():
            calm.touch()
            os._exit(17)
        return super().__getitem__(number)


def write_model(folder, **options):
    """Write a small model of CLIP and DINOv2 with random weights, and its processor."""
    tokenizer = make_tokenizer(lessons.examples_of(12))
    text = {**TEXT, "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": PAD}
    torch.manual_seed(0)
    config = tiny_config(text=text, image_token_index=IMAGE, **options)
    MofForConditionalGeneration(config).save_pretrained(folder)
    make_processor(config, tokenizer).save_pretrained(folder)
    return folder


def settings(stage="instruct", **changes):
    """Return settings of a few steps."""
    return StageSettings(
        **{
            "stage": stage,
            "steps": 7,
            "batch": 4,
            "rate": 2e-3,
            "order": "alike",
            "save_every": 2,
            "tell_every": 1,
            **changes,
        }
    )


def job(model, out, how=None, make="tests.drills:Squares", **arguments):
    """Return a stage on squares."""
    data = TrainingData(make=make, arguments=arguments)
    return StageJob(model=model, data=data, settings=how or settings(), out=out)
