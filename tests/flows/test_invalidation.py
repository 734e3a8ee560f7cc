"""What is computed again when one thing changes: all that depends on it, and nothing else."""

import shutil

import pytest
import safetensors.numpy

from flows.server import ROOT
from tasks.encoders import EncoderConfig
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.reporting import ReportConfig
from tests import pictures
from tests.flows import runs

STAGES = ("ingest", "embed", "mine", "report")
SETTINGS = {
    "clip": EncoderConfig(spec="tiny:clip"),
    "ssl": EncoderConfig(spec="timm:test_vit/random"),
    "reading": IngestConfig(),
    "mine": MineConfig(clip_above_quantile=0.5, ssl_below_quantile=0.5),
    "report": ReportConfig(),
}


def changed(setting, **fields):
    """Return the settings with some fields of one of them changed."""
    return SETTINGS | {setting: SETTINGS[setting].model_copy(update=fields)}


@pytest.fixture(scope="module")
def base(server, cluster, tmp_path_factory):
    """A corpus, a home, and the stages of a first run with `SETTINGS`."""
    place = tmp_path_factory.mktemp("invalidation")
    for seed in range(12):
        pictures.draw_photo(place / "photos" / f"{seed:02}.png", seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMVP_HOME", str(place / "home"))
        patch.delenv("MMVP_STORE", raising=False)
        stages = runs.run([place / "photos"], cluster, through="report", **SETTINGS)
        assert set(runs.states(stages).values()) == {"done"}
        yield place / "photos", stages


@pytest.mark.parametrize(
    ("settings", "again"),
    [
        pytest.param(changed("reading", max_pixels=10_000), ["ingest"], id="ingest config"),
        pytest.param(changed("clip", dtype="bfloat16"), STAGES[1:], id="dtype"),
        pytest.param(changed("ssl", image_px=96), STAGES[1:], id="preprocessing"),
        pytest.param(changed("ssl", pooling="mean"), STAGES[1:], id="pooling"),
        pytest.param(changed("mine", clip_above_quantile=0.4), STAGES[2:], id="threshold"),
        pytest.param(changed("mine", benchmark_pairs=1), STAGES[2:], id="benchmark"),
        pytest.param(changed("report", cards=1), STAGES[3:], id="report config"),
    ],
)
def test_a_changed_setting_recomputes_the_stages_that_depend_on_it(base, cluster, settings, again):
    photos, _ = base
    first = runs.run([photos], cluster, through="report", **SETTINGS)

    stages = runs.run([photos], cluster, through="report", **settings)

    assert runs.states(stages) == {name: "done" if name in again else "current" for name in STAGES}
    assert stages["embed"]["new"] == (12 if "embed" in again else 0)
    for role in ("clip", "ssl"):
        same = stages["embed"]["receipts"][role] == first["embed"]["receipts"][role]
        assert same == (settings[role] == SETTINGS[role])


def test_where_shards_run_and_their_size_recompute_nothing(base, cluster):
    photos, _ = base
    runs.run([photos], cluster, through="report", **SETTINGS)
    elsewhere = cluster.model_copy(update={"scheduler": None, "workers": 2, "shard_images": 3})

    stages = runs.run([photos], elsewhere, through="report", **SETTINGS)

    assert set(runs.states(stages).values()) == {"current"}


def test_one_changed_weight_is_another_encoder_and_a_moved_file_is_the_same(
    base, cluster, tmp_path
):
    photos, first = base
    shipped = ROOT / "tasks" / "encoders" / "shipped" / "tiny-clip.safetensors"
    moved, nudged = tmp_path / "moved.safetensors", tmp_path / "nudged.safetensors"
    shutil.copy(shipped, moved)
    weights = safetensors.numpy.load_file(shipped)
    weights["visual.class_embedding"][0] += 1e-3
    safetensors.numpy.save_file(weights, nudged)

    stages = {
        file: runs.run([photos], cluster, **changed("clip", spec=f"tiny:clip@{file}"))
        for file in (moved, nudged)
    }

    assert set(runs.states(stages[moved]).values()) == {"current"}
    assert runs.states(stages[nudged]) == {"ingest": "current", "embed": "done", "mine": "done"}
    assert stages[nudged]["embed"]["new"] == 12
    assert stages[nudged]["embed"]["receipts"]["ssl"] == first["embed"]["receipts"]["ssl"]


def test_settings_changed_back_find_their_rows_again(base, cluster):
    photos, first = base
    table = first["mine"]["receipts"]["pairs"]["table"]
    home = photos.parent / "home"
    mined = _selected(home, table, first)
    runs.run([photos], cluster, **changed("mine", benchmark_pairs=2))
    assert _selected(home, table, first) != mined

    stages = runs.run([photos], cluster, **SETTINGS)

    assert runs.states(stages)["embed"] == "current"
    assert _selected(home, table, first) == mined


def _selected(home, table, stages):
    """Return the benchmark of a mining as anyone reads it with plain LanceDB: the latest rows."""
    mining = stages["mine"]["figures"]["mining"]
    rows = runs.stored(home, table)
    return {row["pair_id"] for row in rows if row["mining"] == mining and row["selected"]}


@pytest.fixture
def copied_code(tmp_path):
    """A copy of the code, and a function that appends a line to one of its modules."""
    root = tmp_path / "code"
    for layer in ("flows", "tasks", "storage"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / layer, root / layer, ignore=skipped)

    def edit(module):
        with (root / f"{module}.py").open("a") as file:
            file.write("\nADDED_BY_A_TEST = True\n")

    return root, edit


def test_changed_code_recomputes_the_stages_that_import_it_at_any_depth(
    server, home, photos, copied_code
):
    root, edit = copied_code
    runs.borrow_server(home)

    def run():
        code, result, errors = runs.finish(
            runs.start("run", "--corpus", photos, "--workers", 1, home=home, root=root)
        )
        assert code == 0, errors
        return result["stages"]

    first = run()
    states = {}
    for module in ("tasks/report/figures", "tasks/mining/search", "tasks/encoders/recipes"):
        edit(module)
        states[module] = runs.states(run())

    assert runs.code_of(root) == str(root / "flows" / "cli.py")
    assert set(runs.states(first).values()) == {"done"}
    assert set(first) == {*STAGES, "questions", "probe", "evaluate"}
    assert states == {
        module: {name: "done" if name in done else "current" for name in first}
        for module, done in {
            "tasks/report/figures": {"report"},
            "tasks/mining/search": {"mine", "questions", "report"},
            "tasks/encoders/recipes": {*first} - {"ingest"},
        }.items()
    }
