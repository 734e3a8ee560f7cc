"""`mmvp export model`: a trained model as a folder that transformers alone can load.

Put here: choosing the model among those of the latest training, with its encoders and scores.
Keep out: making it whole and writing it (`tasks.exporting`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flows.settings import Settings
from storage import models, runs, scores
from storage.database import Database
from storage.models import ModelRow
from storage.runs import RunRow
from storage.scores import ScoreRow
from tasks.encoders import EncoderConfig, identify
from tasks.exporting.card import write_card
from tasks.exporting.folder import write_folder
from tasks.exporting.model import make_whole
from tasks.exporting.placing import check_free
from tasks.training.assignments import is_whole


class Wanted(NamedTuple):
    """A model by what it sees; what is None must follow from what there is."""

    features: str
    ssl_share: float | None
    seed: int | None


def export_model(
    settings: Settings,
    wanted: Wanted,
    to: Path,
    encoders: Mapping[str, EncoderConfig | None],
    hub: str | None = None,
) -> dict[str, Any]:
    """Write a model of the latest training to a folder; return what was written.

    Args:
        settings: The home and the store.
        wanted: Which model.
        to: The folder, not there yet, empty, or an earlier export.
        encoders: Encoders by role; those without a config are the latest run's.
        hub: A repository `org/name` on the hub to put the folder in, too.

    Raises:
        ValueError: if there is no such model, its encoders are others today, or the folder holds
            something else.
        StoreError: if the store cannot be read.
        ConnectionError: if the hub cannot be reached or refuses; the folder is written then.
    """
    to = to.expanduser().absolute()
    check_free(to)
    db = Database(settings.store)
    run = runs.latest(db, "models")
    row = _choose(_trained(db, run), wanted)
    folder = settings.home / row.folder
    if not is_whole(folder):
        message = f"the files of {row.model} are not in {folder}; run `mmvp train` again"
        raise ValueError(message)
    whole = make_whole(folder, _encoders(settings, row, run, encoders))
    record = {"model": row.model, "weights": row.weights}
    write_folder(to, whole, write_card(row, _scores(db)), record)
    found = {**record, "folder": str(to)}
    return found if hub is None else {**found, "hub": _push(to, hub)}


def _push(folder: Path, hub: str) -> str:
    """Put a folder in a repository on the hub, which is made if need be; return its address."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        api = HfApi()
        address = api.create_repo(hub, exist_ok=True, private=True)
        api.upload_folder(repo_id=hub, folder_path=folder)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        message = (
            f"the hub did not take {hub!r}: {error}; {folder} is written, so log in with "
            f"`hf auth login` where the hub can be reached and run `hf upload {hub} {folder}`"
        )
        raise ConnectionError(message) from error
    return str(address)


def _trained(db: Database, run: RunRow | None) -> list[ModelRow]:
    if run is None:
        message = "no model was trained yet; run `mmvp demo`, or `mmvp run` with --train-corpus"
        raise ValueError(message)
    return models.read(db, run.settings["figures"]["train"]["models"])


def _choose(rows: Sequence[ModelRow], wanted: Wanted) -> ModelRow:
    """Return the one model that is wanted.

    Raises:
        ValueError: if there is none or more than one; the message lists those there are.
    """
    fits = [
        row
        for row in rows
        if row.features == wanted.features
        and wanted.ssl_share in (None, row.ssl_share)
        and wanted.seed in (None, row.seed)
    ]
    fits = [row for row in fits if row.steps == max(one.steps for one in fits)]
    if len(fits) == 1:
        return fits[0]
    asked = " ".join(
        f"--{name.replace('_', '-')} {value}"
        for name, value in wanted._asdict().items()
        if value is not None
    )
    listed = ", ".join(row.model for row in (fits or rows))
    if fits:
        message = f"{asked} fits {len(fits)} models: {listed}; add --ssl-share or --seed"
    else:
        message = (
            f"the latest training left no model for {asked}; there are: {listed}; "
            f"`mmvp train` trains others"
        )
    raise ValueError(message)


def _encoders(
    settings: Settings,
    row: ModelRow,
    run: RunRow | None,
    given: Mapping[str, EncoderConfig | None],
) -> dict[str, EncoderConfig]:
    """Return the encoders by whose tokens a model learnt, by role.

    Raises:
        ValueError: if one has another name today.
    """
    recorded = run.settings.get("parameters", {}) if run is not None else {}
    found = {}
    for role, name in row.facts["encoders"].items():
        config = given.get(role)
        if config is None and role in recorded:
            config = EncoderConfig.model_validate(recorded[role])
        if config is None:
            config = EncoderConfig(spec=f"tiny:{'clip-control' if role == 'control' else role}")
        cache = settings.home / "cache" / "weights.json"
        names = [identify(config, device=kind, hash_cache=cache).name for kind in ("cpu", "cuda")]
        if name not in names:
            message = (
                f"{row.model} learnt from encoder {name!r} as {role!r}; {config.spec!r} is "
                f"{names[0]!r} today: name the right one with --{role}, or run `mmvp train` again"
            )
            raise ValueError(message)
        found[role] = config
    return found


def _scores(db: Database) -> list[ScoreRow]:
    run = runs.latest(db, "scores", mined=True)
    return [] if run is None else scores.read(db, run.mining)
