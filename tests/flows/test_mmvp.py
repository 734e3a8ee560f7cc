"""The pipeline from a folder of images to a report, run again and again."""

from flows.mmvp import mmvp
from tasks.workers import WorkersConfig

ONE_WORKER = WorkersConfig(workers=1)


def test_a_second_run_does_nothing(server, home, photos):
    first = mmvp([str(photos)], workers=ONE_WORKER)["stages"]

    second = mmvp([str(photos)], workers=ONE_WORKER)["stages"]

    assert [stage["state"] for stage in first.values()] == ["done"] * 4
    assert [stage["state"] for stage in second.values()] == ["current"] * 4
    assert first["ingest"]["new"] == first["embed"]["new"] == 12
    assert {name: stage["receipts"] for name, stage in second.items()} == {
        name: stage["receipts"] for name, stage in first.items()
    }
