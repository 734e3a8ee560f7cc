"""A real Prefect server and a real Dask cluster for the flows' tests, started when asked for."""

import json
import time

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.child import start_child, stop_child
from flows.server import ROOT, serve_run
from tasks.workers import WorkersConfig
from tests import session


@pytest.fixture(scope="session")
def server():
    """The address of the server that all flows of the session talk to."""
    (session.HOME / "prefect").mkdir(parents=True, exist_ok=True)
    # To stop its heartbeat takes each flow up to a second.
    quick = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with serve_run(session.PORT, session.VARIABLES, session.HOME), quick:
        yield f"http://127.0.0.1:{session.PORT}/api"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Dask scheduler with one worker that outlives runs, so that only the first imports torch."""
    place = tmp_path_factory.mktemp("dask")
    local = [
        "--host",
        "127.0.0.1",
        "--dashboard-address",
        "127.0.0.1:0",
        "--scheduler-file",
        str(place / "address"),
    ]
    children = []
    try:
        for name, options in (
            ("scheduler", ["--port", "0"]),
            ("worker", ["--nthreads", "1", "--local-directory", str(place)]),
        ):
            command = [f"distributed.cli.dask_{name}", *local, *options]
            children.append(start_child(command, {}, log=place / f"{name}.log", cwd=ROOT))
        yield WorkersConfig(scheduler=_address(place / "address"))
    finally:
        for child in reversed(children):
            stop_child(child)


def _address(path):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return json.loads(path.read_text())["address"]
        except (OSError, ValueError):
            time.sleep(0.1)
    message = f"no Dask scheduler has written {path}"
    raise TimeoutError(message)
