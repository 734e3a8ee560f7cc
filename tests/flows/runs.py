"""Run the pipeline, in this process or in one of its own, and read what it left."""

import json
import os
import subprocess
import sys

import lancedb
import numpy as np
import psutil

from flows.child import PARENT
from flows.mmvp import mmvp
from flows.server import ROOT, record_path
from flows.settings import Settings
from flows.show import rows_of
from tasks.workers import WorkersConfig
from tests import session

NO_WORKERS = WorkersConfig(scheduler="tcp://127.0.0.1:9")
"""For runs that have nothing to compute."""


def run(corpora, workers, *, through="pairs", **options):
    """Run the flow `mmvp` in this process; return its stages' entries."""
    folders = [str(folder) for folder in corpora]
    return mmvp(folders, through=through, workers=workers, **options)["stages"]


def states(stages):
    """Return each stage's state."""
    return {name: stage["state"] for name, stage in stages.items()}


def shown(table, home=None):
    """Return what `mmvp show TABLE` prints, of the current home or of another."""
    settings = Settings.read()
    if home is not None:
        settings = Settings(home=home, store=str(home / "store"))
    return list(rows_of(settings, table)[1])


def stored(home, table):
    """Return the rows of a table as plain LanceDB reads them, sorted."""
    return sorted(
        lancedb.connect(home / "store").open_table(table).to_arrow().to_pylist(),
        key=lambda row: list(map(str, row.values())),
    )


def vectors(home, stages):
    """Return the stored vectors by role and image, read with plain LanceDB."""
    tables = {role: stages["embed"]["receipts"][role]["table"] for role in ("clip", "ssl")}
    return {
        role: {row["image"]: row["vector"] for row in stored(home, table)}
        for role, table in tables.items()
    }


def brute_force(vectors_by_role, clip_above=0.95, ssl_below=0.6):
    """Return the blind pairs by the definition: every cosine in float64, both inequalities."""
    images = sorted(vectors_by_role["clip"])
    cosines = {}
    for role, by_image in vectors_by_role.items():
        unit = np.array([by_image[image] for image in images], dtype=np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        cosines[role] = unit @ unit.T
    return {
        (a, b): (cosines["clip"][i, j], cosines["ssl"][i, j])
        for i, a in enumerate(images)
        for j, b in enumerate(images[i + 1 :], start=i + 1)
        if cosines["clip"][i, j] > clip_above and cosines["ssl"][i, j] < ssl_below
    }


def borrow_server(home):
    """Let processes that run with this home talk to the session's Prefect server."""
    record = record_path(home)
    record.parent.mkdir(parents=True, exist_ok=True)
    secret = session.VARIABLES["PREFECT_API_AUTH_STRING"].removeprefix("mmvp:")
    (record.parent / "token").write_text(secret)
    record.write_text(json.dumps({"port": session.PORT, "pid": os.getpid()}))


def start(*arguments, home, root=ROOT, packages=()):
    """Start `mmvp` in a process group of its own, with the code that lies at `root`.

    `packages` are folders in which other packages are installed.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *map(str, arguments), "--home", str(home), "--json"],
        cwd=root,
        env=_environment(root, *packages),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _environment(*places):
    """Return this process's variables without Prefect's and ours; its end ends the children."""
    me = psutil.Process()
    others = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MMVP_"))}
    return others | {
        PARENT: f"{me.pid}:{me.create_time()}",
        "PYTHONPATH": os.pathsep.join(map(str, places)),
    }


def code_of(root):
    """Return the file that `start` runs for the code at `root`."""
    command = [sys.executable, "-c", "import flows.cli; print(flows.cli.__file__)"]
    done = subprocess.run(
        command, cwd=root, env=_environment(root), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def finish(process):
    """Wait for a started `mmvp`; return its exit code, the JSON it ended with, and its messages."""
    out, errors = process.communicate(timeout=300)
    lines = out.strip().splitlines()
    return process.returncode, json.loads(lines[-1]) if lines else None, errors
