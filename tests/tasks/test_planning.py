"""What a run would take: rates are measured, and the arithmetic from them is plain."""

import json

import pytest

from flows.cli import main
from tasks.embed import EmbedConfig
from tasks.mining.thresholds import MineConfig
from tasks.planning import Rates, in_words, measure, needs

RATES = Rates(
    decode=0.002,
    models={"clip": 0.01, "ssl": 0.005},
    code=1e-5,
    pair=1e-9,
    store=0.001,
    widths={"clip": 768, "ssl": 1024},
    device="cpu",
)


def test_on_a_cpu_parts_share_the_cores_and_on_a_gpu_the_slower_counts():
    cpu = needs(RATES, 1_000_000, workers=2, tile_images=65_536)
    gpu = needs(RATES._replace(device="cuda"), 1_000_000, workers=2, tile_images=65_536)

    assert cpu.embed_seconds == pytest.approx(1e6 * 0.018 / 2)
    assert gpu.embed_seconds == pytest.approx(1e6 * 0.015 / 2)
    assert cpu.mine_seconds == pytest.approx((5e11 * 1e-9 + 1e6 * 1e-5) / 2, rel=1e-5)


def test_vectors_take_two_bytes_a_number_on_disk_and_a_tile_is_in_memory():
    few = needs(RATES, 1_000, workers=1, tile_images=65_536)
    more = needs(RATES, 1_000_000, workers=1, tile_images=65_536)
    most = needs(RATES, 2_000_000, workers=1, tile_images=65_536)

    assert more.disk_bytes == 1_000 * few.disk_bytes > 1e6 * 2 * (768 + 1024)
    assert few.worker_bytes < more.worker_bytes == most.worker_bytes
    assert most.mine_seconds > 3.9 * more.mine_seconds


def test_rates_are_measured_for_every_encoder():
    rates = measure(EmbedConfig().roles(), MineConfig())

    assert rates.models.keys() == rates.widths.keys() == {"clip", "ssl"}
    assert all(rate > 0 for rate in (rates.decode, rates.code, rates.pair, rates.store))
    assert all(rate > 0 for rate in rates.models.values())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1.25, "1.2 s"), (100, "1.7 min"), (7_200, "2.0 h"), (864_000, "10.0 d")],
)
def test_durations_are_said_in_words(seconds, words):
    assert in_words(seconds) == words


def test_the_command_plans_for_the_numbers_asked_for(home, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--images", "1e6", "5e6", "--workers", "4", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert [one["images"] for one in found["needs"]] == [1_000_000, 5_000_000]
    assert found["workers"] == 4
