"""`mmvp annotate`: serve the annotation page on loopback until it is told to stop.

Put here: from options to what is served; links, address, one server a home.
Keep out: the server itself (`flows.annotation`).
"""

import argparse
import ipaddress
import json
import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psutil
import uvicorn
from filelock import FileLock, Timeout

from flows.annotation.app import Page, Work
from flows.annotation.desk import Desk
from flows.annotation.guard import Guard
from flows.annotation.patience import Patient
from flows.annotation.people import People
from flows.annotation.works import Study, Writing
from flows.environment import apply, prefect_environment
from flows.server import running_port
from flows.settings import Settings
from flows.up import write_secret
from storage import checks, proposals, questions, runs
from storage.database import Database, StoreError
from storage.questions import MINED, QuestionRow
from storage.tables import SPECS
from tasks.annotation.material import Material
from tasks.annotation.outcome import FOLDER, checks_of, proposals_of
from tasks.annotation.pictures import Pictures
from tasks.annotation.state import Rules, State

log = logging.getLogger(__name__)

PORT: Final = 4300
CONNECTIONS: Final = 4_096
"""Open at once, if the machine allows as many files; beyond them all are answered with 503 until
some end, and the page asks again."""

OTHER_FILES: Final = 256
"""Files that are kept for the store and for images."""

SECONDS_TO_END: Final = 5
"""How long requests under way may take when the server ends."""

LOOPBACK: Final = "127.0.0.1"
CHECKS: Final = 2
LEASE_MINUTES: Final = 30
SERVING: Final = "serving.json"
WAITING: Final = "waiting"
"""Where under the page's folder suspended runs are remembered."""

SECONDS_BETWEEN_LOOKS: Final = 3.0


class Place(NamedTuple):
    """Where the page is served, and how people call it."""

    host: str
    port: int
    url: str

    @property
    def origins(self) -> list[str]:
        """What a browser may call this server, on loopback by any of its names."""
        if self.host != LOOPBACK or urlsplit(self.url).hostname != LOOPBACK:
            return [self.url]
        return [f"http://{name}:{self.port}" for name in (LOOPBACK, "localhost")]


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Serve until SIGINT or SIGTERM; return the counts.

    Raises:
        StoreError: if another page serves this home, or the port is taken.
        ValueError: if there is nothing to work on, nobody to do it, or the address is refused.
    """
    settings = Settings.read()
    folder = settings.home / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / "serving.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        message = f"another `mmvp annotate` serves {settings.home}; stop it, or use another --home"
        raise StoreError(message) from error
    with lock:
        return _serve(options, settings, folder)


def _serve(options: argparse.Namespace, settings: Settings, folder: Path) -> dict[str, Any]:
    listening = _listen(options.host or LOOPBACK, options.port, options.public_url)
    with listening:
        place = _place(options, listening)
        db = Database(settings.store)
        db.make(SPECS.values())
        people = People(folder, options.annotators, options.adjudicators, renew=options.new_links)
        make = _study if options.study else _writing
        desk, work, corpora = make(options, settings, db, folder, people)
        pictures = Pictures(db, corpora)
        cookie = f"mmvp-annotation-{place.port}"
        page = Page(desk, work, people, pictures, cookie, secure=place.url.startswith("https:"))
        _tell(folder, place, people, as_json=options.json)
        config = uvicorn.Config(
            Guard(page.app(), place.origins),
            access_log=False,
            http=Patient,
            limit_concurrency=min(CONNECTIONS, _allow_files() - OTHER_FILES),
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SECONDS_TO_END,
            ws="none",
        )
        with _ended_by_signals(), _runs_go_on(settings, db):
            uvicorn.Server(config).run(sockets=[listening])
        (folder / SERVING).unlink(missing_ok=True)
    return {"mining": desk.mining} | work.summary()


def _listen(host: str, port: int | None, public_url: str | None) -> socket.socket:
    """Take the port, before anything is told about it.

    Raises:
        ValueError: if the address is not loopback and nothing says that this is wanted.
        StoreError: if the port is taken.
    """
    if not _is_loopback(host):
        if public_url is None:
            message = (
                f"--host {host} would serve other machines, in clear text: anybody on the network "
                f"could read links and answers; leave it out, or, behind a proxy that speaks "
                f"https, say what people type with --public-url https://..."
            )
            raise ValueError(message)
        log.warning("served at %s, beyond this machine: let only the proxy reach it", host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio waits
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, PORT if port is None else port))
    except OSError as error:
        listening.close()
        message = f"cannot listen at {host}, port {port or PORT}: {error.strerror}; give a --port"
        raise StoreError(message) from error
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(options: argparse.Namespace, listening: socket.socket) -> Place:
    host, port = listening.getsockname()[:2]
    if options.public_url is None:
        shown = f"[{host}]" if ":" in host else host
        return Place(host, port, f"http://{shown}:{port}")
    parts = urlsplit(options.public_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
        message = f"--public-url {options.public_url!r} is not of the form https://example.org"
        raise ValueError(message)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        log.warning("%s sends links and answers in clear text", options.public_url)
    return Place(host, port, f"{parts.scheme}://{parts.netloc}")


Made = tuple[Desk, Work, Sequence[str]]


def _writing(
    options: argparse.Namespace, settings: Settings, db: Database, folder: Path, people: People
) -> Made:
    ended = runs.latest(db, "pairs", mined=True)
    if ended is None:
        message = f"the store {settings.store} has no mined pairs; run `mmvp mine` first"
        raise ValueError(message)
    mining, corpora = ended.mining, list(ended.settings["corpora"])
    material = Material(db, mining, corpora)
    rules = _rules(options, wanted=material.wanted, people=people)

    written: Mapping[str, Any] | None = None

    def publish(state: State) -> Callable[[], None] | None:
        items = state.items()
        if items is written:
            return None
        rows, found = proposals_of(state, mining), checks_of(state, mining)

        def write() -> None:
            nonlocal written
            proposals.upsert(db, rows)
            checks.upsert(db, found)
            written = items

        return write

    desk = Desk(db, folder, mining, material.pairs, rules, publish=publish)
    return desk, Writing(desk, material, people, options.pairs), corpora


def _rules(options: argparse.Namespace, *, wanted: int, people: People) -> Rules:
    for name, least in (("pairs", 1), ("overlap", 1), ("checks", 0), ("lease_minutes", 1)):
        found = getattr(options, name)
        if found is not None and found < least:
            message = f"--{name.replace('_', '-')} must be at least {least}, found {found}"
            raise ValueError(message)
    others = len(people.annotators) - 1
    checks = CHECKS if options.checks is None else options.checks
    if checks > others:
        log.warning("a question can be checked by %d others, not by %d", others, checks)
    return Rules(
        wanted=options.pairs or wanted,
        overlap=options.overlap or 1,
        checks=min(checks, others),
        lease_s=60 * (options.lease_minutes or LEASE_MINUTES),
    )


def _study(
    options: argparse.Namespace, settings: Settings, db: Database, folder: Path, people: People
) -> Made:
    name, corpora, rows = _asked(options.benchmark, settings, db)
    lacking = sum(not row.image for row in rows)
    if lacking:
        message = f"{lacking} of {len(rows)} questions of {name!r} have no image to show"
        raise ValueError(message)
    rules = Rules(wanted=len(rows), checks=0)
    from flows.annotation.published import publisher

    desk = Desk(db, folder, name, {}, rules, publish=publisher(settings, name, rows))
    return desk, Study(desk, rows, people), corpora


def _asked(
    place: str | None, settings: Settings, db: Database
) -> tuple[str, list[str], list[QuestionRow]]:
    """Return the questions to take: those mined last, or a published benchmark's."""
    if place is None:
        ended = runs.latest(db, "questions", mined=True)
        rows = questions.read(db, ended.mining, benchmark=MINED) if ended is not None else []
        if ended is None or not rows:
            message = f"the store {settings.store} has no questions; run `mmvp questions` first"
            raise ValueError(message)
        return ended.mining, list(ended.settings["corpora"]), rows
    from tasks.evaluation.benchmark import images_folder, read_benchmark
    from tasks.evaluation.rows import set_name

    found = read_benchmark(Path(place).expanduser())
    images = images_folder(found)
    rows = questions.read(db, set_name(found))
    if images is None or not rows:
        message = (
            f"the store {settings.store} has not read {place!r} with its images yet; run "
            f"`mmvp evaluate --benchmark {place}` once"
        )
        raise ValueError(message)
    return set_name(found), [str(images.resolve())], rows


def _tell(folder: Path, place: Place, people: People, *, as_json: bool) -> None:
    """Say where the page is, and the link of everybody who has none yet."""
    record = {"url": place.url, "port": place.port, "pid": os.getpid(), "since": time.time()}
    write_secret(folder / SERVING, json.dumps(record))
    for name in people.names:
        token = people.tokens.get(name)
        known = "has a link already; --new-links makes new ones"
        link = f"{place.url}/#{token}" if token is not None else known
        print(json.dumps({"name": name, "link": link}) if as_json else f"{name}\t{link}")
    log.info("ready: %s (stop with Ctrl-C)", place.url)


@contextmanager
def _runs_go_on(settings: Settings, db: Database) -> Iterator[None]:
    """Resume suspended runs of `mmvp up`'s server once people are done, for as long as this lasts.

    What `mmvp up` finds done when it starts, it resumes itself.
    """
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            port = running_port(settings.home) if is_waited_for(settings.home) else None
            if port is not None:
                apply(prefect_environment(settings.home, settings.store, port))
                from flows.waiting import resume_done

                try:
                    resume_done(db, settings.home)
                except Exception as error:  # the server may have gone; the page goes on
                    log.warning("runs that wait for people cannot be resumed yet: %s", error)

    looker = threading.Thread(target=look, name="resume", daemon=True)
    looker.start()
    try:
        yield
    finally:
        stop.set()
        looker.join(SECONDS_TO_END)


def is_waited_for(home: Path) -> bool:
    """Say whether a suspended run waits for people."""
    return any((home / FOLDER / WAITING).glob("*.json"))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the server alone: it raises them again once it has ended."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _allow_files() -> int:
    """Let this process open as many files as it may; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def served(home: Path) -> str | None:
    """Return where a home's page is served now; None if it is not, or its server was killed."""
    try:
        record: Mapping[str, Any] = json.loads((home / FOLDER / SERVING).read_text())
        begun = psutil.Process(record["pid"]).create_time()
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    return str(record["url"]) if begun <= record["since"] else None
