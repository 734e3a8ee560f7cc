"""Ask a model about pictures: the batched evaluator against one question at a time.

Run it with `OMP_NUM_THREADS=1 python -m benchmarks.generate`; on a GPU with `--device cuda`.

The model is that of `benchmarks.train`, with random weights, saved to a folder and loaded as any
other; questions are of different lengths. Answers are greedy and 64 tokens long, because random
weights do not end one. Both ways do all that the evaluation does: prompts, pictures, padding,
reading.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import interleaved, parser_of, read_options, show
from benchmarks.train import WORDS, make_config
from tasks.evaluation.asking import GREEDY, LIKELIER, Asked
from tasks.evaluation.local import LocalModel
from tasks.exporting.model import make_processor
from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.training.material import Example
from tasks.training.words import CHAT_TEMPLATE, IMAGE, make_tokenizer

ASKED = (
    "Is it red?",
    "What is to be seen on the left of the large red car?",
    "How many, and where?",
)
OPTIONS = ("yes", "no, there are two of them")


def save_model(device: str, folder: Path) -> None:
    """Write a model with random weights and its processor."""
    example = Example(image="", paths=(), caption=None, turns=((ASKED[1], OPTIONS[1]),))
    fields = make_config(device).to_dict()
    config = MofConfig.from_dict({**fields, "image_token_index": IMAGE})
    torch.manual_seed(0)
    model = MofForConditionalGeneration(config)
    model = model.to(torch.bfloat16 if device == "cuda" else torch.float32)
    model.save_pretrained(folder)
    make_processor(config, make_tokenizer([example]), CHAT_TEMPLATE).save_pretrained(folder)


def draw_questions(count: int) -> tuple[list[Asked], dict[str, Any]]:
    """Return questions of several lengths, and their pictures."""
    lot = np.random.default_rng(0)
    pictures = {str(n): lot.integers(0, 256, (160, 200, 3), np.uint8) for n in range(count)}
    asked = [Asked(n, n, (), ASKED[int(n) % len(ASKED)], OPTIONS) for n in pictures]
    return asked, pictures


def seconds_on_gpu(works: Mapping[str, Any]) -> dict[str, float]:
    """Return the least seconds of each work, taking turns, after one run that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(4):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            torch.cuda.synchronize()
            if round_:
                taken[name].append(time.perf_counter() - begun)
    return {name: min(seconds) for name, seconds in taken.items()}


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each protocol and way."""
    asked, pictures = draw_questions(options.questions)
    models = {rows: LocalModel(folder, device=options.device, rows=rows) for rows in options.rows}
    clock = seconds_on_gpu if options.device == "cuda" else interleaved
    found = []
    for protocol, answers in ((LIKELIER, len(OPTIONS)), (GREEDY, GREEDY.decoding.most_tokens)):
        works = {
            str(rows): lambda model=model, protocol=protocol: model.ask(protocol, asked, pictures)
            for rows, model in models.items()
        }
        seconds = clock(works)
        single = seconds[str(options.rows[0])]
        for rows, taken in seconds.items():
            found.append(
                {
                    "protocol": protocol.asks,
                    "rows at once": int(rows),
                    "questions/s": len(asked) / taken,
                    "options/s" if protocol == LIKELIER else "new tokens/s": (
                        answers * len(asked) / taken
                    ),
                    "against one by one": single / taken,
                }
            )
    return found


def main() -> None:
    """Print a table a protocol."""
    parser = parser_of(__doc__, questions=24)
    parser.add_argument("--device", choices=sorted(WORDS), default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16], metavar="N")
    options = read_options(parser)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        save_model(options.device, Path(place))
        rows = measure(options, Path(place))
    for protocol in (LIKELIER, GREEDY):
        own = [row for row in rows if row["protocol"] == protocol.asks]
        show(f"asking on {options.device}: {protocol.asks}", own, options)


if __name__ == "__main__":
    main()
