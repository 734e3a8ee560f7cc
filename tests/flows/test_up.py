"""`mmvp up` as people use it: a second shell, the page in a browser, a crash of everything."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from flows.server import ROOT, free_port
from tests import pictures

SECONDS_TO_START = 120
SECONDS_TO_END = 20
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOOPBACK = {"127.0.0.1", "::1"}


class Up:
    """`mmvp up` of a copy of the project, so that a person's own stays untouched."""

    def __init__(self, place):
        self.root, self.home, self.port = place / "project", place / "home", free_port()
        for layer in ("flows", "tasks", "storage"):
            shutil.copytree(
                ROOT / layer, self.root / layer, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "prefect.yaml", self.root)
        self.process = None

    def start(self, *options):
        command = [sys.executable, "-m", "flows.cli", "up", "--home", str(self.home)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *map(str, options)],
            cwd=self.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "mmvp/full: schedule" in line:
                return said
        raise AssertionError("".join(said))

    def family(self):
        return [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]

    def stop(self):
        family = self.family()
        self.process.terminate()
        self.process.wait(60)
        assert left_alive(family) == []

    def prefect(self, *arguments):
        """Type Prefect's command in a second shell in the project, with nothing exported."""
        return subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=self.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def ask(self, path, body=None, **headers):
        secret = (self.home / "prefect" / "login").read_bytes().strip()
        headers = {"Authorization": f"Basic {base64.b64encode(secret).decode()}"} | headers
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers |= {"Content-Type": "application/json"} | self._csrf(headers)
        request = urllib.request.Request(self.url + "/api" + path, data, headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def _csrf(self, headers):
        given = urllib.request.Request(self.url + "/api/csrf-token?client=tests", headers=headers)
        with urllib.request.urlopen(given, timeout=30) as reply:
            token = json.load(reply)["token"]
        return {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "tests"}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _environment(self):
        others = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MMVP_"))}
        return others | {"PYTHONPATH": str(self.root)}


def left_alive(processes):
    _, left = psutil.wait_procs(processes, timeout=SECONDS_TO_END)
    return [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def status_of(request):
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """A serving `mmvp up`; tests come in order, the last kills it."""
    served = Up(tmp_path_factory.mktemp("up"))
    served.start()
    yield served
    if served.process.poll() is None:
        served.stop()


def test_a_second_shell_runs_the_demo_with_nothing_exported(up):
    done = up.prefect(
        *("deployment", "run", "mmvp/demo", "--watch"),
        *("--param", 'corpus=["scenes:60"]', "--param", "train_corpus=[]"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    artifacts = up.ask("/artifacts/latest/filter", {})
    keys = {artifact["key"]: artifact for artifact in artifacts}
    assert {"report", "page", "receipts", "reasons"} <= set(keys)
    assert {"ingest-progress", "embed-progress"} <= set(keys)
    assert "data:image/png;base64," in keys["report"]["data"]


def test_a_folder_is_a_parameter_of_the_full_deployment(up, tmp_path):
    for seed in range(6):
        pictures.draw_photo(tmp_path / "photos" / f"{seed}.png", seed)

    done = up.prefect(
        "deployment", "run", "mmvp/full", "--watch",
        "--params", json.dumps({"corpus": [str(tmp_path / "photos")], "through": "pairs"}),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schedule_ships_paused(up):
    full = up.ask("/deployments/name/mmvp/full")

    assert [schedule["active"] for schedule in full["schedules"]] == [False]
    assert full["parameters"] == {"corpus": []}


def test_everything_listens_on_loopback_only(up):
    listening = []
    for process in up.family():
        with contextlib.suppress(psutil.NoSuchProcess):  # a run's own, which has ended since
            listening += [
                connection.laddr.ip
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN
            ]

    assert listening
    assert set(listening) <= LOOPBACK


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no secret"),
        ({"Authorization": "Basic " + base64.b64encode(b"mmvp:guess").decode()}, "a wrong secret"),
    ],
)
def test_the_server_asks_for_the_secret(up, headers, why):
    request = urllib.request.Request(
        up.url + "/api/flows/filter", b"{}", {"Content-Type": "application/json"} | headers
    )

    assert status_of(request) in {401, 403}, why


def test_a_page_of_another_origin_is_refused(up):
    preflight = urllib.request.Request(
        up.url + "/api/flows/filter",
        headers={"Origin": "http://other.example", "Access-Control-Request-Method": "POST"},
        method="OPTIONS",
    )

    assert status_of(preflight) == 400


def test_only_its_owner_can_read_the_files_that_hold_the_secret(up):
    for path in (
        up.root / "prefect.toml",
        up.home / "prefect" / "login",
        up.home / "prefect" / "token",
    ):
        assert path.stat().st_mode & 0o077 == 0, path
    logs = "".join(path.read_text() for path in (up.home / "prefect").glob("*.log"))
    assert (up.home / "prefect" / "token").read_text().strip() not in logs


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_page_shows_the_report_and_calls_no_other_host(up):
    from playwright.sync_api import sync_playwright

    (report,) = up.ask("/artifacts/latest/filter", {"artifacts": {"key": {"any_": ["report"]}}})
    hosts = set()
    with sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update"]
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*options, "--disable-sync"]
        )
        page = browser.new_page()
        page.on("requestfinished", lambda request: hosts.add(request.url.split("/")[2]))
        page.on("requestfailed", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(up.url)
        page.fill("input", (up.home / "prefect" / "login").read_text().strip())
        page.keyboard.press("Enter")
        page.wait_for_url("**/dashboard*")
        page.goto(f"{up.url}/v2/artifacts/artifact/{report['latest_id']}")
        page.wait_for_selector("h1:has-text('CLIP-blind pairs')")
        pictures_there = report["data"].count("data:image/png;base64,")
        assert pictures_there >= 4, "results, pairs, plane, probes"
        page.wait_for_function(  # a large page draws its pictures after its words
            "n => [...document.querySelectorAll('img')]"
            ".filter(i => i.naturalWidth > 400).length == n",
            arg=pictures_there,
        )
        browser.close()

    assert hosts == {f"127.0.0.1:{up.port}"}


def test_after_a_crash_of_everything_the_next_run_waits_for_no_slot(up):
    watching = subprocess.Popen(
        [sys.executable, "-m", "prefect", "deployment", "run", "mmvp/full",
         "--param", 'corpus=["scenes:4000"]'],
        cwd=up.root, env=up._environment(), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    watching.wait(60)
    wait_for_shards(up.home)
    family = up.family()

    for process in up.process, *psutil.Process(up.process.pid).children():
        os.kill(process.pid, signal.SIGKILL)
    up.process.wait()
    assert left_alive(family) == []
    said = up.start()
    done = up.prefect(
        "deployment", "run", "mmvp/full", "--param", 'corpus=["scenes:60"]', "--watch"
    )

    assert any("is marked Crashed" in line for line in said)
    assert done.returncode == 0, done.stdout + done.stderr


def wait_for_shards(home):
    """Wait until the run under way has read some of its files."""
    import lancedb

    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        paths = lancedb.connect(home / "store").open_table("paths")
        if paths.count_rows("corpus like '%scenes-4000'"):
            return
        time.sleep(0.1)
    message = "the run has read no file in two minutes"
    raise TimeoutError(message)


def test_a_corpus_switches_the_schedule_on(up, tmp_path):
    up.stop()
    pictures.draw_photo(tmp_path / "photos" / "1.png", 1)

    said = up.start("--corpus", tmp_path / "photos")

    full = up.ask("/deployments/name/mmvp/full")
    assert "schedule on" in said[-1]
    assert full["parameters"]["corpus"] == [str(tmp_path / "photos")]
    assert [schedule["active"] for schedule in full["schedules"]] == [True]


def test_a_second_up_of_the_same_home_is_refused(up):
    command = [sys.executable, "-m", "flows.cli", "up", "--home", str(up.home), "--port", "0"]

    second = subprocess.run(
        command, cwd=up.root, env=up._environment(), capture_output=True, text=True, check=False
    )

    assert second.returncode == 1
    assert "another `mmvp up` serves" in second.stderr
    assert Path(up.root / "prefect.toml").exists()
