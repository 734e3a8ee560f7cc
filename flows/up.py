"""`mmvp up`: Prefect server, worker and all deployments, on loopback, until it is told to stop.

Put here: what is started, in which order, how it stops, and what a crash left behind.
Keep out: children that end with their parent (`flows.child`); `flows.deployments`.

Runs whose processes are gone are marked Crashed before the worker starts, else their slots would
stay taken until a lease ends. At the end the runs that the worker takes down are marked too.
"""

import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from flows.child import start_child, stop_child
from flows.environment import apply, prefect_environment
from flows.server import ROOT, answers, record_path, start_server
from flows.settings import Settings
from storage.database import StoreError

log = logging.getLogger(__name__)


def up(settings: Settings, port: int, corpus: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM; with a corpus, `mmvp/full` runs on it by schedule.

    Raises:
        StoreError: if another `mmvp up` serves this home, or the port is taken.
        RuntimeError: if the server, the worker or a deployment fails.
    """
    (settings.home / "prefect").mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "prefect" / "up.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        message = f"another `mmvp up` serves {settings.home}; stop it, or use another --home"
        raise StoreError(message) from error
    if answers(port):
        message = f"a server answers at port {port} already; stop it, or give another --port"
        raise StoreError(message)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    with lock:
        _serve(settings, port, corpus, stop)


def _serve(settings: Settings, port: int, corpus: Sequence[str], stop: threading.Event) -> None:
    begun = time.monotonic()
    environment = prefect_environment(settings.home, settings.store, port)
    apply(environment)
    from flows import deployments

    children: list[subprocess.Popen[bytes]] = []
    logs = settings.home / "prefect"
    try:
        children.append(start_server(port, environment, settings.home, private=False))
        deployments.mark_crashed()
        deployments.deploy(settings.home)
        deployments.limit_gpus()
        if corpus:
            deployments.schedule_corpora(corpus)
        worker = ["prefect", "worker", "start", "--pool", deployments.POOL, "--type", "process"]
        children.append(start_child(worker, environment, log=logs / "worker.log", cwd=ROOT))
        _tell(settings, port, environment, time.monotonic() - begun)
        deployments.tell_schedule()
        _go_on(settings)
        while not stop.wait(0.5):
            if any(child.poll() is not None for child in children):
                message = f"the Prefect server or worker ended; see {logs}/*.log"
                raise RuntimeError(message)
    finally:
        _forget(settings)
        for child in reversed(children):
            if child is children[0] and child.poll() is None:
                deployments.mark_crashed()
            stop_child(child)
        log.info("stopped")


def _go_on(settings: Settings) -> None:
    """Resume runs that waited for people who are done since."""
    from flows.annotate import is_waited_for
    from flows.waiting import resume_done
    from storage.database import Database

    if is_waited_for(settings.home):
        resume_done(Database(settings.store), settings.home)


def _tell(settings: Settings, port: int, environment: Mapping[str, str], seconds: float) -> None:
    """Let people, `mmvp run` and Prefect's own command find the server."""
    write_secret(record_path(settings.home), json.dumps({"port": port, "pid": os.getpid()}))
    toml = ROOT / "prefect.toml"
    address = environment["PREFECT_API_URL"]
    secret = environment["PREFECT_API_AUTH_STRING"]
    write_secret(toml, f'[api]\nurl = "{address}"\nauth_string = "{secret}"\n')
    log.info("ready after %.0f s: http://127.0.0.1:%d (stop with Ctrl-C)", seconds, port)
    log.info("the page asks for the secret in %s", settings.home / "prefect" / "login")
    write_secret(settings.home / "prefect" / "login", secret + "\n")
    log.info("in another shell, in %s: prefect deployment run mmvp/demo --watch", ROOT)


def _forget(settings: Settings) -> None:
    record_path(settings.home).unlink(missing_ok=True)
    (ROOT / "prefect.toml").unlink(missing_ok=True)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
