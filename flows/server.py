"""The Prefect server that a run talks to: the one of `mmvp up`, or a private one of its own.

Put here: finding and starting a server.
Keep out: workers and deployments (`flows.up`).

Prefect's own temporary server outlives a run that is killed; ours is tied to it.
"""

import json
import logging
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flows.child import start_child, stop_child

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
SECONDS_TO_START = 120.0
SECONDS_TO_REVIVE = 60.0


def record_path(home: Path) -> Path:
    """Return the file in which `mmvp up` says where its server listens."""
    return home / "prefect" / "up.json"


def running_port(home: Path) -> int | None:
    """Return the port of this home's `mmvp up`, if its server answers, else None."""
    try:
        port = int(json.loads(record_path(home).read_text())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port if answers(port) else None


def answers(port: int) -> bool:
    """Say whether a Prefect server answers at this port of the loopback."""
    try:
        url = f"http://127.0.0.1:{port}/api/health"
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


def wait_for_answer(port: int, seconds: float = SECONDS_TO_REVIVE) -> bool:
    """Wait for a server that was lost; return whether it has come back."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(port):
            return True
        time.sleep(0.2)
    return False


def free_port() -> int:
    """Return a port of the loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(
    port: int,
    environment: Mapping[str, str],
    home: Path,
    *,
    private: bool,
    meanwhile: Callable[[], object] = lambda: None,
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers; a private one has no page and no schedules.

    `meanwhile` is called while it starts, which takes seconds.

    Raises:
        RuntimeError: if it ends, or does not answer in two minutes.
    """
    log = home / "prefect" / "server.log"
    variables = dict(environment)
    if private:
        variables |= {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
    command = ["uvicorn", "--factory", "flows.web:create_app", "--host=127.0.0.1"]
    options = [f"--port={port}", "--log-level=warning", "--lifespan=on"]
    server = start_child([*command, *options], variables, log=log, cwd=ROOT)
    try:
        meanwhile()
        _wait_until_ready(server, port, log)
    except BaseException:
        stop_child(server)
        raise
    return server


@contextmanager
def serve_run(
    port: int,
    environment: Mapping[str, str],
    home: Path,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Hold a server at `port`: the one that answers there, else a private one for this block.

    `meanwhile` is called while a private one starts.

    A private server that is killed is started again, and the run goes on: what it knew is on disk,
    and Prefect's client asks again for some time.
    """
    if answers(port):
        yield
        return
    server = start_server(port, environment, home, private=True, meanwhile=meanwhile)
    stop = threading.Event()

    def revive() -> None:
        nonlocal server
        while not stop.wait(0.5):
            if server.poll() is not None:
                log.warning("the Prefect server ended; it is started again")
                server = start_server(port, environment, home, private=True)

    keeper = threading.Thread(target=revive, name="server", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        stop_child(server)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not answers(port):
        if server.poll() is not None or time.monotonic() > deadline:
            what = "ended" if server.poll() is not None else "does not answer"
            message = f"the Prefect server {what}; its last words are in {log}"
            raise RuntimeError(message)
        time.sleep(0.1)
