"""The flow `grid` from the command line's settings to its table and figure."""

from pathlib import Path

import pytest

from flows.grid import grid, print_grid
from flows.mine import mine
from tasks.encoders import EncoderConfig
from tasks.mining.thresholds import MineConfig
from tests.flows import runs

SPECS = ("tiny:clip", "tiny:ssl", "tiny:clip-control")
QUANTILES = MineConfig(clip_above_quantile=0.8, ssl_below_quantile=0.5)


def test_a_grid_shows_who_is_blind_and_its_minings_are_current_afterwards(
    server, cluster, home, photos, capsys
):
    encoders = [EncoderConfig(spec=spec) for spec in SPECS]
    found = grid([str(photos)], encoders, mine=QUANTILES, workers=cluster)
    again = grid([str(photos)], encoders, mine=QUANTILES, workers=runs.NO_WORKERS)
    single = mine(
        [str(photos)], encoders[2], encoders[1], config=QUANTILES, workers=runs.NO_WORKERS
    )["stages"]["mine"]
    print_grid(found)

    assert runs.states(again["stages"]) == dict.fromkeys(("ingest", "embed", "grid"), "current")
    assert again["table"] == found["table"]
    assert [row["blind"] for row in found["table"]] == list(SPECS)
    assert found["table"][2]["tiny:ssl"] == single["rows"] > 0
    assert single["figures"]["compared_anew"] == 0
    assert Path(found["figure"]).is_file()
    assert capsys.readouterr().out.splitlines()[0].split("\t")[1:] == list(SPECS)


def test_one_encoder_is_no_grid(server, home, photos):
    with pytest.raises(ValueError, match="a grid needs two encoders or more, found 1"):
        grid([str(photos)], [EncoderConfig(spec="tiny:clip")], workers=runs.NO_WORKERS)
