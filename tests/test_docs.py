"""What the docs promise is there: paths, pages that follow from the code, deployments."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from flows.cli import STAGES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CATALOGUE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
KNOWN = {
    "name",
    "entrypoint",
    "description",
    "tags",
    "parameters",
    "concurrency_limit",
    "schedules",
    "work_pool",
}


def load_generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["tables.md", "cli.md"])
def test_generated_pages_are_those_of_the_code(page, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    expected = load_generator().PAGES[page]()

    assert (ROOT / "docs" / page).read_text() == expected, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


def test_the_readme_names_only_verbs_that_exist():
    from flows.cli import build_parser

    parser = build_parser()
    commands = re.findall(
        r"^\.venv/bin/mmvp (.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(), re.M
    )

    assert commands
    for command in commands:
        parser.parse_args(command.removesuffix("\\").split())


@pytest.mark.parametrize("entry", CATALOGUE["deployments"], ids=lambda entry: entry["name"])
def test_a_deployment_has_only_keys_and_parameters_that_prefect_reads(entry, monkeypatch):
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(entry["entrypoint"])
    parameters = entry.get("parameters", {})

    assert set(entry) <= KNOWN, "Prefect passes over a misspelt key without a word"
    assert set(entry["work_pool"]) <= {"name", "work_queue_name", "job_variables"}
    assert set(parameters) <= set(flow.parameters.properties)
    flow.validate_parameters(parameters)


def test_every_stage_has_a_deployment_and_the_schedule_ships_paused():
    names = {entry["name"] for entry in CATALOGUE["deployments"]}
    schedules = [s for entry in CATALOGUE["deployments"] for s in entry.get("schedules", [])]

    assert names == {
        *("full", "demo", "paper", "grid", "zoo", "encoders", "study", "sweep", "conversations"),
        *("benchmark", "benchmark-report"),
        *STAGES,
    }
    assert [schedule["active"] for schedule in schedules] == [False]


def test_every_parameter_is_described_in_the_form():
    from flows.embed import embed
    from flows.ingest import ingest
    from flows.mine import mine
    from flows.mmvp import mmvp
    from flows.report import report

    for flow in (ingest, embed, mine, report, mmvp):
        undescribed = [
            name
            for name, schema in flow.parameters.properties.items()
            if not schema.get("description")
            and not flow.parameters.definitions.get(schema.get("$ref", "").split("/")[-1], {}).get(
                "description"
            )
        ]
        assert undescribed == [], flow.name
