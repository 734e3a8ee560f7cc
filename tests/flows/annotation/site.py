"""A home with mined pairs, and `mmvp annotate` as a process of its own that serves them."""

import json
import os
import signal
import subprocess
import sys
import uuid

import httpx

from flows.server import ROOT
from storage import embeddings, minings, pairs, paths, questions, runs
from storage.database import Database
from storage.minings import MiningRow
from storage.pairs import PairRow, pair_id
from storage.paths import PathRow
from storage.questions import MINED, QuestionRow, question_id
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.tables import SPECS
from tasks.annotation.journal import read_all
from tasks.images import image_id
from tests import pictures

MINING = "mining-of-tests"
ENCODER = "clip-of-tests"
SECONDS_TO_START = 60


def make_home(home, folder, *, count=8, questions_too=False):
    """Draw `2 * count` pictures and store them as that many pairs; return the store.

    Of each pair image a is called odd and image b even by the corpus.
    """
    db = Database(str(home / "store"))
    db.make(SPECS.values())
    rows = mine(db, folder, range(count))
    if questions_too:
        questions.replace(db, MINING, [q for row in rows for q in _questions(row)])
    return db


def mine(db, folder, numbers, *, mining=MINING):
    """Make the pairs of pictures 2n and 2n + 1 all that a mining has, and record the run."""
    corpus = str(folder)
    drawn = [each for n in numbers for each in (2 * n, 2 * n + 1)]
    files = {n: pictures.draw_photo(folder / f"{n:03}.png", n) for n in drawn}
    ids = {n: image_id(file.read_bytes()) for n, file in files.items()}
    paths.upsert(db, [path_row(corpus, files[n], ids[n], n) for n in drawn])
    rows = [_pair(mining, *sorted((ids[2 * n], ids[2 * n + 1])), 2 * n) for n in numbers]
    pairs.replace(db, mining, _table(rows))
    minings.write(
        db,
        MiningRow(
            mining=mining,
            made_by="tests",
            clip=embeddings.PREFIX + ENCODER,
            ssl="none",
            clip_above=0.95,
            ssl_below=0.6,
            found=len(rows),
            alike=0,
            images=sorted(ids.values()),
        ),
    )
    add_run(db, corpus, mining)
    return rows


def add_run(db, corpus, mining=MINING):
    """Record a run that mined these pairs, after those before."""
    receipt = Receipt(table="pairs", version=1, rows=1, digest="0")
    figures = {"mine": {"mining": mining}}
    before = len(runs.read(db))
    runs.add(
        db,
        RunRow(
            run=f"run {before}",
            finished=1_700_000_000.0 + before,
            flow="mmvp",
            state="done",
            settings={"corpora": [corpus], "figures": figures},
            receipts=dict.fromkeys(("pairs", "questions", "images", "paths"), receipt),
        ),
    )


def caption_of(number):
    """A caption as a web page may have it."""
    return f"picture {number} <img src=x onerror=alert(1)>"


def path_row(corpus, file, image, number):
    return PathRow(
        corpus=corpus,
        path=str(file),
        image=image,
        label=None,
        caption=caption_of(number),
        attributes=paths.attributes_json({"place": "left" if number % 2 else "right"}),
        size_bytes=1,
        mtime_ns=1,
        made_by="tests",
    )


def _pair(mining, image_a, image_b, number):
    return PairRow(
        mining=mining,
        pair_id=pair_id(image_a, image_b),
        image_a=image_a,
        image_b=image_b,
        clip_cosine=0.99 - number / 1000,
        ssl_cosine=0.4,
        selected=True,
        left_out=None,
        attribute=None,
    )


def _table(rows):
    import pyarrow as pa

    values = [{name: getattr(row, name) for name in pairs.SPEC.schema.names} for row in rows]
    return pa.Table.from_pylist(values, schema=pairs.SPEC.schema)


def _questions(row):
    for image, answer in ((row.image_a, "odd"), (row.image_b, "even")):
        told = {"question": "Odd or even?", "options": ("odd", "even"), "answer": answer}
        names = {"pair_id": row.pair_id, "image": image, "key": "metadata"}
        yield QuestionRow(
            mining=MINING,
            benchmark=MINED,
            question_id=question_id(**names, **told),
            attribute="parity",
            statement=None,
            pattern="Text",
            source="attribute",
            **names,
            **told,
        )


class Site:
    """`mmvp annotate` of a home, started, stopped, killed; `links` are the tokens it told."""

    def __init__(self, home, *options):
        self.home, self.options = home, list(map(str, options))
        self.tokens, self.process, self.port = {}, None, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Start the server, at the same port as before, and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "flows.cli",
            "annotate",
            "--home",
            str(self.home),
            "--json",
        ]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("MMVP_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = []
        for line in self.process.stderr:
            said.append(line)
            if " ready: " in line:
                break
        else:
            raise AssertionError("".join(said))
        self.said = said
        record = json.loads((self.home / "annotation" / "serving.json").read_text())
        self.port = record["port"]
        with httpx.Client(transport=httpx.HTTPTransport(retries=50)) as client:
            client.get(self.url, timeout=SECONDS_TO_START)

    def read_links(self):
        """Return the token of each person who was told one; call it before the server ends."""
        names = self.names()
        for _ in names:
            one = json.loads(self.process.stdout.readline())
            if "#" in one["link"]:
                self.tokens[one["name"]] = one["link"].partition("#")[2]
        return self.tokens

    def names(self):
        """The people of the options."""
        names, take = [], False
        for option in self.options:
            if option.startswith("--"):
                take = option in {"--annotators", "--adjudicators"}
            elif take:
                names.append(option)
        return list(dict.fromkeys(names))

    def link(self, who):
        """Where a person enters."""
        return f"{self.url}/#{self.tokens[who]}"

    def client(self, who=None, **headers):
        """A client that sends what the page of a person sends."""
        cookies = {f"mmvp-annotation-{self.port}": self.tokens[who]} if who else {}
        return httpx.Client(
            base_url=self.url, cookies=cookies, headers={"Origin": self.url} | headers, timeout=30
        )

    def stop(self):
        """Stop it as Ctrl-C does; return the JSON object that it ends with."""
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        self.errors = errors
        return json.loads(out.strip().splitlines()[-1])

    def kill(self):
        """End it at once, as a crash does."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def given(client, mode="write", **options):
    answer = client.post("/api/next", json={"mode": mode, **options})
    answer.raise_for_status()
    return answer.json()


def act(kind, subject, event_id=None, **body):
    return {
        "event_id": event_id or uuid.uuid4().hex,
        "kind": kind,
        "subject": subject,
        "body": body,
    }


def send(client, who, *acts):
    return client.post("/api/acts", json={"who": who, "mining": MINING, "acts": acts})


def events_of(site):
    db = Database(str(site.home / "store"))
    return {event.event_id: event for event in read_all(db, site.home / "annotation", MINING)}


def post_head(site, who, *lines):
    head = [
        "POST /api/acts HTTP/1.1",
        f"Host: 127.0.0.1:{site.port}",
        f"Origin: {site.url}",
        "Content-Type: application/json",
        *lines,
    ]
    if who:
        head.append(f"Cookie: mmvp-annotation-{site.port}={site.tokens[who]}")
    return ("\r\n".join(head) + "\r\n\r\n").encode()
