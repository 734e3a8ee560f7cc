"""`mmvp run` on archives, from the command line to the rows that it shows."""

import pytest

from storage import corpus_shards
from storage.database import Database
from tests.flows import runs
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import pictures


@pytest.mark.slow
def test_a_folder_of_tars_and_a_table_go_through_to_the_pairs(server, home, tmp_path):
    builders.write_tar(tmp_path / "tars/00000.tar", pictures(3))
    builders.write_parquet(tmp_path / "a.parquet", pictures(4, 2))
    runs.borrow_server(home)
    corpora = ("--corpus", tmp_path / "tars", "--corpus", f"parquet:{tmp_path}/a.parquet")

    code, result, errors = runs.finish(
        runs.start(
            *("run", *corpora, "--through", "pairs", "--workers", 1, "--device", "cpu"),
            *("--label-column", "fur", "--clip-above", 0.5, "--ssl-below", 0.99),
            home=home,
        )
    )

    assert code == 0, errors
    assert result["stages"]["ingest"]["rows"] == result["stages"]["embed"]["rows"] == 6
    assert result["stages"]["ingest"]["reasons"] == {"duplicate": 1}
    assert {row["path"].rpartition("/")[2] for row in runs.shown("paths", home)} == {
        *(f"{number:09d}.png" for number in range(3)),
        *(f"{number:09d}" for number in range(4)),
    }
    assert {row["label"] for row in runs.shown("paths", home)} == {"black", "white"}
    pairs = runs.shown("pairs", home)
    assert pairs
    assert all("!/" in pair["path_a"] and "!/" in pair["path_b"] for pair in pairs)
    assert len(corpus_shards.read(Database(str(home / "store")), f"{tmp_path}/tars")) == 1
