"""`mmvp status`, and the exit codes of the command line."""

import subprocess
import sys

from flows.cli import build_parser
from flows.parameters import parameters
from flows.server import ROOT
from flows.settings import Settings
from flows.status import status
from tests import pictures
from tests.flows import runs


def status_of(*options):
    values = parameters(build_parser().parse_args(["status", *options]))
    return status(Settings.read(), values)


def test_an_empty_home_has_no_tables_and_no_stages(home):
    found = status_of()

    assert found["tables"] == {}
    assert found["stages"] == {}


def test_it_tells_what_is_current_and_what_a_run_would_do(server, cluster, home, photos):
    runs.run([photos], cluster, through="report")

    before = status_of()
    pictures.draw_photo(photos / "new.png", 99)
    after = status_of()

    assert before["corpora"] == [str(photos)]
    assert {stage["state"] for stage in before["stages"].values()} == {"current"}
    assert before["tables"]["images"]["rows"] == 12
    assert after["stages"]["ingest"] == {
        "state": "would run",
        "files to open": 1,
        "files gone": 0,
    }
    assert after["stages"]["embed"] == {"state": "would follow"}


def test_wrong_usage_ends_with_code_2_and_failure_with_code_1(tmp_path):
    def code(*arguments):
        command = [sys.executable, "-m", "flows.cli", *arguments, "--home", str(tmp_path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode

    assert code("run", "--no-such-option") == 2
    assert code("run", "--corpus", str(tmp_path), "--clip-above", "3") == 2
    assert code("run", "--corpus", str(tmp_path / "nothing")) == 1
