"""Ask a benchmark's 300 questions: all at once against one by one, and a server at its own pace.

Run it with `OMP_NUM_THREADS=1 python -m benchmarks.evaluate`; it needs the tests beside it, whose
tiny models and stub server it takes.

Local: a tiny model of each family named, its replies read both ways and compared.

Server: a stub on loopback takes so long for a call, takes so many calls at once, and so many a
second; all above is a 429 with Retry-After. Our pace finds out how hard to ask; the rivals ask a
fixed number at once and wait as told too.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import asyncio
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import interleaved, parser_of, read_options, show
from tasks.backends import OpenAIServer, Pacing, ask_all
from tasks.backends import Reply as Answer
from tasks.evaluation.asking import GREEDY, LIKELIER, Asked, Reply
from tasks.evaluation.local import ROWS, LocalModel
from tests.tasks.backends.asked import images, requests
from tests.tasks.backends.server import completion, serve
from tests.vlms import FAMILIES, save

QUESTION = "Is there a hat on it?"
ENDINGS = ("", " Or on the other one?", " Say yes or no.")
OPTIONS = ("yes", "no")
ANEW = "1, and one option"


def draw_questions(count: int) -> tuple[list[Asked], dict[str, Any]]:
    """Return questions of some lengths, and their pictures."""
    lot = np.random.default_rng(0)
    pictures = {str(n): lot.integers(0, 256, (64, 80, 3), np.uint8) for n in range(count)}
    asked = [Asked(n, n, (), QUESTION + ENDINGS[int(n) % len(ENDINGS)], OPTIONS) for n in pictures]
    return asked, pictures


def local(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each family, protocol and number of rows at once."""
    found = []
    for family in options.family:
        with tempfile.TemporaryDirectory() as place:
            save(family, Path(place))
            models = {str(n): LocalModel(Path(place), rows=n) for n in (1, *options.rows)}
            anew = LocalModel(Path(place), rows=1, goes_on=False)
        for protocol in (LIKELIER, GREEDY):
            named = {"model": family, "protocol": protocol}
            ways = {ANEW: anew, **models} if protocol == LIKELIER else models
            found += [named | row for row in ask_each_way(ways, protocol, options)]
    return found


def ask_each_way(
    models: Mapping[str, LocalModel], protocol: str, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return the CPU seconds of each way, and how many replies are those of one by one."""
    asked, pictures = draw_questions(options.questions)
    said: dict[str, list[Any]] = {}

    def ask_with(rows: str) -> None:
        if rows == ANEW:
            said[rows] = ask_each_option(models[rows], asked, pictures)
        else:
            said[rows] = models[rows].ask(protocol, asked, pictures)

    works = {rows: partial(ask_with, rows) for rows in models}
    seconds = interleaved(works, rounds=options.rounds)
    first = next(iter(models))
    return [
        {
            "questions at once": rows,
            "CPU-s": taken,
            "against the first": seconds[first] / taken,
            "same replies": sum(
                one[:3] == other[:3] for one, other in zip(said[first], said[rows], strict=True)
            ),
        }
        for rows, taken in seconds.items()
    ]


def ask_each_option(
    model: LocalModel, asked: Sequence[Asked], pictures: Mapping[str, Any]
) -> list[Reply]:
    """Return what is found likelier if each option is read in a pass of its own."""
    single = [one._replace(options=(option,)) for one in asked for option in one.options]
    found = model.ask(LIKELIER, single, pictures)
    replies = []
    for one, *each in zip(asked, found[::2], found[1::2], strict=True):
        likelier = max(each, key=lambda reply: reply.scores or ())
        replies.append(likelier._replace(question_id=one.question_id))
    return replies


class Limits:
    """A server's limits: calls a second, as a bucket of a second, and calls at once."""

    def __init__(self, *, a_second: int, at_once: int, takes_s: float) -> None:
        self.a_second, self.at_once, self.takes_s = a_second, at_once, takes_s
        self.lock = threading.Lock()
        self.begun: deque[float] = deque()
        self.inside = self.refused = 0

    def script(self, number: int, body: Mapping[str, Any]) -> tuple[int, Any, dict[str, str]]:
        """Answer a call, or send it away for as long as the limit asks."""
        with self.lock:
            now = time.monotonic()
            while self.begun and self.begun[0] <= now - 1:
                self.begun.popleft()
            if len(self.begun) >= self.a_second or self.inside >= self.at_once:
                self.refused += 1
                full = len(self.begun) >= self.a_second
                wait = self.begun[0] + 1 - now if full else self.takes_s
                return 429, {"error": {"message": "slow down"}}, {"Retry-After": f"{wait:.3f}"}
            self.begun.append(now)
            self.inside += 1
        time.sleep(self.takes_s)
        with self.lock:
            self.inside -= 1
        return 200, completion(), {}


def pacings(most: int) -> dict[str, Pacing]:
    """Return ours, which changes its number of calls at once, and some that cannot."""
    fixed = {f"fixed {n}": n for n in (1, 4, 16, most)}
    rivals = {
        name: Pacing(start=n, most=n, tries=50, first_wait=0.1, failures_in_a_row=1000)
        for name, n in fixed.items()
    }
    return {"ours": Pacing(start=4, most=most, tries=50, first_wait=0.1), **rivals}


def served(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each server and pace; wall seconds, as all of it is waiting."""
    servers = {
        "100 a second": Limits(a_second=100, at_once=1000, takes_s=0.1),
        "8 at once": Limits(a_second=10_000, at_once=8, takes_s=0.1),
        "no limit": Limits(a_second=10_000, at_once=1000, takes_s=0.1),
    }
    found = []
    for name, limits in servers.items():
        for pace, pacing in pacings(options.most).items():
            limits.refused = 0
            limits.begun.clear()
            begun = time.perf_counter()
            answered = ask(limits, pacing, options.questions)
            taken = time.perf_counter() - begun
            found.append(
                {
                    "server": name,
                    "pace": pace,
                    "seconds": taken,
                    "questions/s": options.questions / taken,
                    "sent away": limits.refused,
                    "answered": answered,
                }
            )
    return found


def ask(limits: Limits, pacing: Pacing, count: int) -> int:
    """Ask so many questions and return how many were answered."""
    outcomes = []

    async def run(url: str) -> None:
        async with OpenAIServer(url, images=images) as server:
            await ask_all(
                server, requests(count), lambda _, outcome: outcomes.append(outcome), pacing=pacing
            )

    with serve(limits.script) as stub:
        asyncio.run(run(stub.url))
    return sum(isinstance(outcome, Answer) for outcome in outcomes)


def main() -> None:
    """Print a table of each part."""
    parser = parser_of(__doc__, questions=300, rounds=2, most=64)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[ROWS // 2, ROWS, 2 * ROWS], metavar="N"
    )
    parser.add_argument("--family", nargs="*", choices=sorted(FAMILIES), default=["llava"])
    options = read_options(parser)
    torch.set_num_threads(1)
    if options.family:
        show(f"{options.questions} questions, locally", local(options), options)
    show(f"{options.questions} questions to a server", served(options), options)


if __name__ == "__main__":
    main()
