"""Starting the page again, and the study of a published benchmark, over real HTTP."""

import json
import uuid

import pytest

from flows.annotation.people import People
from flows.cli import build_parser
from flows.settings import Settings
from flows.site import hold_store
from storage import answers, paths, questions, scores
from tasks.annotation.outcome import read_state
from tasks.evaluation.benchmark import images_folder, read_benchmark
from tasks.evaluation.rows import rows_of, set_name
from tasks.images import image_id
from tests import pictures
from tests.flows.annotation.site import MINING, Site, make_home, path_row


def test_a_page_that_is_started_again_knows_its_people_their_roles_and_their_links(tmp_path):
    home = tmp_path / "home"
    make_home(home, tmp_path / "photos", count=2)
    site = Site(home, "--annotators", "ada", "grace", "joan", "--adjudicators", "judy", "ada")
    with site:
        tokens = dict(site.read_links())
        modes = {who: modes_of(site, who) for who in tokens}
    site.options = []
    with site:
        assert {who: modes_of(site, who) for who in tokens} == modes
        told = [json.loads(site.process.stdout.readline()) for _ in tokens]
    assert all("has a link already" in one["link"] for one in told)
    assert modes["ada"] == ["write", "check", "adjudicate"]
    assert modes["grace"] == ["write", "check"]
    assert modes["judy"] == ["adjudicate"]
    rules = read_state_rules(home)
    assert (rules.wanted, rules.overlap, rules.checks) == (2, 1, 2)


def test_new_links_end_old_ones_and_who_is_not_named_does_not_enter(tmp_path):
    first = People(tmp_path, ["ada", "grace"])
    again = People(tmp_path, ["ada"])
    renewed = People(tmp_path, ["ada"], renew=True)

    assert [again.whose(first.tokens[who]) for who in ("ada", "grace")] == ["ada", None]
    assert again.tokens == {}
    assert renewed.whose(first.tokens["ada"]) is None
    assert renewed.whose(renewed.tokens["ada"]) == "ada"
    assert People(tmp_path, ["ada", "grace"]).whose(first.tokens["grace"]) == "grace"


def read_state_rules(home):
    from storage.database import Database

    return read_state(Database(str(home / "store")), home, MINING).rules


def modes_of(site, who):
    with site.client(who) as client:
        return client.get("/api/about").json()["modes"]


@pytest.fixture
def doors(tmp_path):
    """A home whose store has read a published benchmark of two pairs, and its folder."""
    place = tmp_path / "doors"
    place.mkdir()
    lines = [
        f"{n},Is door {(n + 1) // 2} open?,(a) Open (b) Closed,({'ab'[(n - 1) % 2]})\n"
        for n in range(1, 5)
    ]
    (place / "Questions.csv").write_text("lndex,Question,Options,Correct Answer\n" + "".join(lines))
    files = [pictures.draw_photo(place / "MMVP Images" / f"{n}.png", n) for n in range(1, 5)]
    db = make_home(tmp_path / "home", tmp_path / "photos", count=1)
    found = read_benchmark(place)
    images = {n: image_id(file.read_bytes()) for n, file in enumerate(files, start=1)}
    corpus = str(images_folder(found).resolve())
    paths.upsert(db, [path_row(corpus, f, images[n], n) for n, f in enumerate(files, start=1)])
    questions.replace(db, set_name(found), rows_of(found, images))
    return db, tmp_path / "home", place


def test_people_take_a_published_benchmark_and_wait_for_a_run_to_end(doors):
    db, home, place = doors
    mining = set_name(read_benchmark(place))
    with Site(home, "--study", "--benchmark", place, "--annotators", "kay") as site:
        site.read_links()
        with site.client("kay") as client, hold_store(Settings(home=home, store=db.uri), "a run"):
            for item in iter(lambda: next_of(client), None):
                assert client.get(f"/images/{item['image']}").status_code == 200
                act = {
                    "event_id": uuid.uuid4().hex,
                    "kind": "chosen",
                    "subject": item["subject"],
                    "body": {"choice": 1},
                }
                told = {"who": "kay", "mining": mining, "acts": [act]}
                assert client.post("/api/acts", json=told).json() == {"refused": []}
            told = {"mode": "study", "subject": "of another benchmark"}
            assert client.post("/api/next", json=told).status_code == 403
            assert answers.read(db) == [], "a run works on the store"
        assert site.stop()["people"] == {"kay": 4}

    assert [(row.model, row.choice) for row in answers.read(db)] == [("people:kay", "Open")] * 4
    overall = {row.key: row for row in scores.read(db, mining) if row.pattern is None}
    assert overall["original"].pairs == 2
    assert overall["original"].question_accuracy == 0.5
    assert {row.model for row in overall.values()} == {"people:kay"}
    assert read_state_rules(home) is None, "a study has no rules of its own for the mined pairs"


def next_of(client):
    item = client.post("/api/next", json={"mode": "study"}).json()
    return item if item["mode"] else None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--study"], "has no questions"),
        (["--study", "--benchmark", "DOORS"], "has not read"),
    ],
)
def test_a_study_of_what_the_store_does_not_have_says_what_to_run(
    doors, monkeypatch, options, words
):
    from flows.annotate import run

    db, home, place = doors
    questions.replace(db, set_name(read_benchmark(place)), [])
    monkeypatch.setenv("MMVP_HOME", str(home))
    monkeypatch.delenv("MMVP_STORE", raising=False)
    given = [str(place) if option == "DOORS" else option for option in options]
    parsed = build_parser().parse_args(["annotate", "--port", "0", "--annotators", "a", *given])

    with pytest.raises(ValueError, match=words):
        run(parsed)
