"""How many workers and threads a machine has room for."""

import psutil
import pytest

from tasks import clusters
from tasks.clusters import count_workers, decode_threads
from tasks.workers import WorkersConfig


@pytest.mark.parametrize(
    ("device", "cores", "gpus", "expected"),
    [("cpu", 16, 0, 1), ("cuda", 16, 4, 4), ("cuda", 2, 4, 1)],
)
def test_a_gpu_has_its_share_of_the_cores_to_decode_with(
    monkeypatch, device, cores, gpus, expected
):
    monkeypatch.setattr("tasks.clusters.count_gpus", lambda: gpus)
    monkeypatch.setattr("tasks.clusters._cores", lambda: cores)

    assert decode_threads(device) == expected


@pytest.mark.parametrize(
    ("cores", "gib", "expected"), [(8, 64, 8), (8, 9, 3), (1, 64, 1), (8, 1, 1)]
)
def test_there_is_a_worker_a_core_as_far_as_memory_allows(monkeypatch, cores, gib, expected):
    memory = psutil.virtual_memory()._replace(total=gib * 2**30)
    monkeypatch.setattr(clusters, "_cores", lambda: cores)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    assert count_workers() == expected


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 1, "cpu"), ("cuda", 0, "cuda")],
)
def test_a_gpu_is_used_if_there_is_one_and_nothing_else_is_asked_for(
    monkeypatch, device, gpus, expected
):
    monkeypatch.setattr("tasks.workers.count_gpus", lambda: gpus)

    assert WorkersConfig(device=device).device_kind() == expected
