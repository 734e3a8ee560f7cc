"""What docs/extending.md says, done as it says: a file alone, and two packages of twenty lines."""

import csv
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flows.cli import build_parser, main
from flows.mmvp import mmvp
from flows.parameters import of_verb
from tasks import plugins
from tests.flows import runs
from tests.pictures import draw_photo

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()


def blocks(language):
    """The page's blocks of code in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder in which the page's packages are installed as pip installs them."""
    place = tmp_path / "site"
    for code, project in zip(blocks("python"), blocks("toml"), strict=True):
        told = tomllib.loads(project)["project"]
        name, version = told["name"], told["version"]
        info = place / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (place / f"{name}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            line
            for group, points in told["entry-points"].items()
            for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(place)
    plugins.forget()
    yield place
    plugins.forget()


def run(home, *arguments, packages=()):
    runs.borrow_server(home)
    options = ("--workers", 1, "--device", "cpu")
    code, result, errors = runs.finish(
        runs.start("run", *arguments, *options, home=home, packages=packages)
    )
    assert code == 0, errors
    return result["stages"]


def printed(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--json"])
    out = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0, out
    return json.loads(out[-1])


@pytest.mark.parametrize("code", blocks("python"), ids=["lamps", "parrot"])
def test_a_package_has_at_most_twenty_lines(code):
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 20


@pytest.mark.slow
def test_packages_of_twenty_lines_run_from_a_folder_to_a_report(
    server, home, packages, tmp_path, capsys
):
    for number in range(12):
        kind, state = ("desk", "floor")[number % 2], ("on", "off")[number // 2 % 2]
        draw_photo(tmp_path / "photos" / f"{kind}-{state}-{number:04}.png", number)
    (tmp_path / "photos" / "notes.txt").write_text("no lamp")

    stages = run(
        home,
        *("--corpus", f"lamps:{tmp_path}/photos", "--clip", "colours:mean"),
        *("--clip-above-quantile", 0.5, "--ssl-below-quantile", 0.5),
        *("--model", "parrot:on", "--protocol", "one-word"),
        packages=[packages],
    )

    assert stages["ingest"]["rows"] == 12
    (table,) = {stages["embed"]["receipts"]["clip"]["table"]}
    assert table.startswith("embeddings_colours-mean-")
    assert stages["questions"]["rows"] > 0
    page = Path(stages["report"]["figures"]["page"])
    report = json.loads(page.with_name("report.json").read_text())
    (scored,) = (
        row for row in report["scores"] if row["benchmark"] == "mined" and row["pattern"] is None
    )
    assert (scored["model"], scored["protocol"]) == ("parrot:on", "one-word")
    asked = [row for row in runs.shown("questions", home) if row["benchmark"] == "mined"]
    about_state = [row for row in asked if "on" in row["options"]]
    assert about_state
    assert scored["question_accuracy"] == len(about_state) / 2 / len(asked)
    found = printed(capsys, "grade", "--grader", "strictly", "--to", tmp_path / "differ.csv")
    rules, strict = (row for row in found["graders"] if row["benchmark"] == "mined")
    assert rules["question_accuracy"] == scored["question_accuracy"]
    assert (strict["grader"], strict["question_accuracy"]) == ("strictly", 0)
    assert strict["share"] == 1 - len(about_state) / len(asked)
    with (tmp_path / "differ.csv").open() as file:
        differing = [row for row in csv.DictReader(file) if row["question_id"] in ids_of(asked)]
    assert {row["reply"] for row in differing} == {"on, I say"}
    assert len(differing) >= len(about_state)


def ids_of(rows):
    return {row["question_id"] for row in rows}


def test_a_file_alone_adds_a_dataset(server, cluster, home, tmp_path, capsys):
    lines = ["file,species,pose,lic,link"]
    for number in range(12):
        draw_photo(tmp_path / "photos" / f"{number}.png", number)
        pose = ("perched", "flying")[number // 2 % 2]
        licence = "CC0-1.0" if number < 11 else ""
        lines.append(f"{number}.png,{number % 2},{pose},{licence},https://example.org/{number}")
    (tmp_path / "photos" / "annotations.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "birds.yaml").write_text(blocks("yaml")[0])

    options = build_parser().parse_args(["run", "--config", str(tmp_path / "birds.yaml")])
    stages = mmvp(**of_verb(options) | {"workers": cluster})["stages"]

    assert stages["ingest"]["rows"] == 12
    assert Path(stages["report"]["figures"]["page"]).is_file()
    answers = {row["answer"] for row in runs.shown("questions", home)}
    assert {"flying", "perched"} <= answers <= {"flying", "perched", "finch", "owl"}
    record = printed(capsys, "export", "dataset", "--licences", "CC0-1.0", "--to", tmp_path / "out")
    assert set(record["licences"]) == {"CC0-1.0"}
    with (tmp_path / "out" / "sources.csv").open() as file:
        for row in csv.DictReader(file):
            number = Path(row["path"]).stem
            assert row["source"] == f"https://example.org/{number}"
            assert row["attribution"] == "the photographers of birds.example.org"
    example = ROOT / "examples" / "read_store.py"
    assert len(example.read_text().splitlines()) <= 20
    done = subprocess.run(
        [sys.executable, example, home / "store"], capture_output=True, text=True, check=True
    )
    assert "perched" in done.stdout
    assert re.search(r"^benchmark +pattern", done.stdout, re.M)
