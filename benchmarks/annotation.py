"""Time the annotation page's answers over HTTP, with few mined pairs and with many.

Run it with `python -m benchmarks.annotation`; it needs the tests beside it, which start the page.

Five people have written about some of the pairs, typed drafts and checked each other; then each
takes a pair, types, saves, looks at the progress and checks, one request after the other. Times are
of requests as a browser on this machine sees them; the first of each kind do not count.
"""

import hashlib
import io
import itertools
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow as pa
from PIL import Image

from benchmarks.measuring import parser_of, read_options, show
from storage import embeddings, events, minings, pairs, paths
from storage.database import Database
from storage.events import EventRow
from storage.minings import MiningRow
from storage.pairs import pair_id
from storage.tables import SPECS
from tasks.annotation.acts import NO_PATTERN, Draft
from tasks.annotation.state import proposal_of
from tests.flows.annotation.site import MINING, Site, add_run, path_row

PEOPLE: Final = ("ada", "grace", "joan", "kay", "lin")
ENCODER: Final = "clip-of-benchmarks"
WIDTH: Final = 768
SEED: Final = 0

Times = dict[str, list[float]]


def fill(home: Path, folder: Path, count: int, written: int) -> int:
    """Write pictures, pairs, vectors and what people did before; return how many events."""
    rng = np.random.default_rng(SEED)
    folder.mkdir(parents=True)
    files = dict(_draw(folder, rng) for _ in range(2 * count))
    ids = sorted(files)
    db = Database(str(home / "store"))
    db.make(SPECS.values())
    rows = [path_row(str(folder), files[one], one, n) for n, one in enumerate(ids)]
    paths.upsert(db, rows)
    twos = [(ids[n], ids[n + 1]) for n in range(0, 2 * count, 2)]
    pairs.replace(db, MINING, _pairs(twos, rng))
    minings.write(
        db,
        MiningRow(
            mining=MINING,
            made_by="benchmark",
            clip=embeddings.PREFIX + ENCODER,
            ssl="none",
            clip_above=0.95,
            ssl_below=0.6,
            found=count,
            alike=0,
            images=ids,
        ),
    )
    vectors_ND = rng.normal(size=(len(ids), WIDTH)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    vectors = embeddings.write(db.uri, ENCODER, WIDTH, [(ids, vectors_ND)])
    embeddings.append(db, ENCODER, [vectors], {}, read_version=0)
    add_run(db, str(folder))
    before = list(_work_before(twos[:written]))
    events.add(db, before)
    return len(before)


def _draw(folder: Path, rng: np.random.Generator) -> tuple[str, Path]:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    name = hashlib.sha256(file.getvalue()).hexdigest()
    (folder / f"{name}.png").write_bytes(file.getvalue())
    return name, folder / f"{name}.png"


def _pairs(twos: list[tuple[str, str]], rng: np.random.Generator) -> pa.Table:
    rows = [
        {
            "mining": MINING,
            "pair_id": pair_id(*two),
            "image_a": two[0],
            "image_b": two[1],
            "clip_cosine": 0.95 + 0.05 * rng.random(),
            "ssl_cosine": 0.6 * rng.random(),
            "selected": True,
            "left_out": None,
            "attribute": None,
        }
        for two in twos
    ]
    return pa.Table.from_pylist(rows, schema=pairs.SPEC.schema)


def _work_before(twos: list[tuple[str, str]]) -> Iterator[EventRow]:
    """Yield events of an hour ago: each pair is written about by one and checked by two others."""
    start = time.time_ns() // 1000 - 3_600 * 1_000_000
    at = itertools.count(start)

    def act(who: str, kind: str, subject: str, **body: Any) -> EventRow:
        names = {"event_id": uuid.uuid4().hex, "mining": MINING, "at": next(at)}
        return EventRow(**names, who=who, kind=kind, subject=subject, body=body)

    for number, two in enumerate(twos):
        writer, *others = (PEOPLE[(number + n) % len(PEOPLE)] for n in range(3))
        draft = _draft(f"What is it that number {number} shows?")
        yield act(writer, "opened", pair_id(*two), mode="write")
        for length in range(0, len(draft.question), 8):
            typed = draft.model_copy(update={"question": draft.question[:length]})
            yield act(writer, "draft", pair_id(*two), **typed.model_dump())
        yield act(writer, "written", pair_id(*two), **draft.model_dump())
        name = proposal_of(MINING, writer, pair_id(*two), two, draft).proposal_id
        for place, who in enumerate(others[: number % 4]):
            yield act(who, "opened", name, mode="check")
            for choice, image in enumerate(two, start=1):
                yield act(who, "answered", name, image=image, choice=choice)
            verdict = "ambiguous" if number % 10 == 0 and place == 0 else "clear"
            yield act(who, "judged", name, verdict=verdict, note="")


def _draft(question: str) -> Draft:
    return Draft(
        difference="They differ.",
        question=question,
        option_1="One thing",
        option_2="Another",
        answer_a=1,
        pattern=NO_PATTERN,
    )


class Person:
    """Someone who writes and checks; keeps how long each kind of request took."""

    def __init__(self, site: Site, who: str, times: Times) -> None:
        self.who, self.client, self.times = who, site.client(who), times

    def ask(self, what: str, method: str, path: str, body: Any = None) -> Any:
        """Send a request, keep its time, and return what is answered."""
        begun = time.perf_counter()
        answer = self.client.request(method, path, json=body)
        self.times[what].append(time.perf_counter() - begun)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert not found.get("refused"), found
        return found

    def save(self, kind: str, subject: str, **body: Any) -> None:
        """Save an act."""
        act = {"event_id": uuid.uuid4().hex, "kind": kind, "subject": subject, "body": body}
        told = {"who": self.who, "mining": MINING, "acts": [act]}
        self.ask("save", "POST", "/api/acts", told)

    def turn(self, number: int) -> None:
        """Write about a pair, look at the progress, check something."""
        subject = self.ask("next pair", "POST", "/api/next", {"mode": "write"})["subject"]
        draft = _draft(f"What does {self.who} see, {number}?")
        self.ask("told", "GET", f"/api/told/{subject}")
        for length in (2, 6, 12):
            cut = draft.model_copy(update={"question": draft.question[:length]})
            self.save("draft", subject, **cut.model_dump())
        self.save("written", subject, **draft.model_dump())
        self.ask("counts", "GET", "/api/progress")
        self.ask("progress", "GET", "/api/progress?whole")
        item = self.ask("next check", "POST", "/api/next", {"mode": "check"})
        if item.get("image"):
            self.save("answered", item["subject"], image=item["image"], choice=1)
        elif item["mode"]:
            self.save("judged", item["subject"], verdict="clear", note="")


def work(site: Site, rounds: int) -> Times:
    """Let each person take turns; return seconds by kind of request."""
    times: Times = defaultdict(list)
    people = [Person(site, who, times) for who in PEOPLE]
    for number in range(rounds):
        for person in people:
            person.turn(number)
    return times


def measure(count: int, written: int, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each kind of request to a page with so many pairs."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place, "home")
        before = fill(home, Path(place, "photos"), count, written)
        site = Site(home, "--annotators", *PEOPLE)
        begun = time.perf_counter()
        with site:
            ready_s = time.perf_counter() - begun
            site.read_links()
            times = work(site, rounds)
            memory = psutil.Process(site.process.pid).memory_info().rss
    names = {"pairs": count, "events before": before}
    rows = [
        names | {"request": what, "p50, ms": _ms(found, 50), "p95, ms": _ms(found, 95)}
        for what, found in sorted(times.items())
    ]
    return [*rows, names | {"request": f"ready after {ready_s:.1f} s, {memory / 2**20:.0f} MiB"}]


def _ms(seconds: list[float], percent: int) -> float:
    return float(1_000 * np.percentile(seconds[len(PEOPLE) :], percent))


def main() -> None:
    """Print the times with few pairs and with many."""
    parser = parser_of(__doc__, few=100, many=10_000, written=1_700, rounds=8)
    options = read_options(parser)
    found = [
        *measure(options.few, options.few // 2, options.rounds),
        *measure(options.many, options.written, options.rounds),
    ]
    show("The annotation page", found, options)


if __name__ == "__main__":
    main()
