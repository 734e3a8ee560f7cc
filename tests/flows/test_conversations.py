"""`mmvp conversations`, from the command line to the rows that it shows."""

import json

import pytest

from flows.conversations import conversations
from tests import pictures
from tests.flows import runs
from tests.flows.runs import NO_WORKERS

SAID = [{"from": "human", "value": "<image>\nIs it?"}, {"from": "gpt", "value": "Yes."}]


@pytest.fixture
def mix(tmp_path):
    """A file about two pictures, one that is missing, and none."""
    for number in range(2):
        pictures.draw_photo(tmp_path / f"coco/{number}.png", number)
    rows = [{"id": n, "image": f"coco/{n}.png", "conversations": SAID} for n in range(3)]
    rows.append({"messages": [{"role": "user", "content": "Hi?"}]})
    rows[-1]["messages"].append({"role": "assistant", "content": "Hi."})
    (tmp_path / "mix.json").write_text(json.dumps(rows))
    return tmp_path / "mix.json"


@pytest.mark.slow
def test_a_file_and_its_images_become_rows_once(server, home, mix):
    runs.borrow_server(home)
    words = ("conversations", "--file", mix, "--images", mix.parent / "coco", "--workers", 1)

    first, again = (runs.finish(runs.start(*words, home=home)) for _ in range(2))

    code, result, errors = first
    assert code == 0, errors
    stage = result["stages"]["conversations"]
    assert (stage["state"], stage["new"], stage["rows"]) == ("done", 3, 3)
    assert stage["reasons"] == {"image-missing": 1}
    assert result["stages"]["conversations-ingest"]["rows"] == 2
    assert runs.states(again[1]["stages"]) == {
        "conversations-ingest": "current",
        "conversations": "current",
    }
    shown = runs.shown("conversations", home)
    assert [len(row["images"]) for row in shown] == [1, 1, 0]
    held = {row["path"]: row["image"] for row in runs.stored(home, "paths")}
    assert shown[1]["images"] == (held[str(mix.parent / "coco/1.png")],)
    (bad,) = runs.stored(home, "refused")
    assert (bad["reason"], bad["path"]) == ("image-missing", f"{mix}!/000000002")


def test_the_corpora_of_conversations_are_not_those_of_the_latest_run(server, cluster, home, mix):
    conversations(mix, [str(mix.parent / "coco")], workers=cluster)
    (run,) = runs.stored(home, "runs")

    assert "corpora" not in json.loads(run["settings"])
    assert runs.shown("refused", home) == []
    assert (
        conversations(mix, [str(mix.parent / "coco")], workers=NO_WORKERS)["stages"][
            "conversations"
        ]["state"]
        == "current"
    )


def test_a_file_or_a_corpus_that_is_not_there_is_an_error(server, home, mix):
    with pytest.raises(ValueError, match=r"conversations '.*none\.json' cannot be read"):
        conversations(mix.parent / "none.json", workers=NO_WORKERS)
    with pytest.raises(ValueError, match=r"corpus '.*none' must be a folder of images"):
        conversations(mix, [str(mix.parent / "none")], workers=NO_WORKERS)
