"""Who is asked, and in which ways.

Put here: encoders with a text tower, models that were trained here, folders, hub names, servers.
Keep out: what is missing and what is stored (`stage`), scores (`scoring`), beside this file.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import Field, field_validator, model_validator

from storage.models import ModelRow
from tasks.backends.terms import Terms
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig, EncoderIdentity, has_texts, identify_texts
from tasks.encoders.specs import Device
from tasks.evaluation.asking import FREE, MMVP_VLM, OPTION_LOGPROB
from tasks.evaluation.places import find_model
from tasks.evaluation.servers import Server
from tasks.evaluation.ways import CONTROLS, OTHER_IMAGE, SWAPPED_OPTIONS, Way, way_named

log = logging.getLogger(__name__)

LETTER: Final = "letter"
CLIP_ROLES: Final[Mapping[str, str | None]] = {"clip": None, "control": "clip-control"}
"""Encoders that are asked by their text towers, and what their scores call their features."""

READS_TOKENS: Final = {OPTION_LOGPROB, FREE}
TOKEN_CONTROLS: Final = {None, OTHER_IMAGE, SWAPPED_OPTIONS}
"""What a model of the miniature can be asked: it knows few words, and always sees an image."""


class EvaluateConfig(Terms):
    """How models are asked; CLIPs are asked by the rule of MMVP-VLM."""

    protocols: tuple[str, ...] | None = None
    """Names of protocols (docs/evaluate.md). None: option-logprob and free for models of our own
    mined benchmarks, letter for models on a server and for published benchmarks."""

    controls: tuple[str, ...] = ()
    """What is changed on purpose, each as a further run: text-only, blank-image, other-image,
    swapped-options, numbered."""

    repeats: int = Field(default=1, ge=1, le=100)
    """How often each question is asked."""

    models: tuple[str, ...] = ()
    """Other multimodal models to ask: folders, names on the hub, openai:NAME, openai:NAME@URL,
    anthropic:NAME, gemini:NAME."""

    trust_remote_code: bool = False
    """Run code that comes with these models."""

    allow_incomplete: bool = False
    """Score a model although calls have failed; questions without an answer count as wrong."""

    @field_validator("protocols", "controls")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _ways_exist(self) -> "EvaluateConfig":
        ways(self, self.protocols or ())
        if unknown := set(self.controls) - CONTROLS.keys():
            message = f"no control is called {sorted(unknown)}; known: {', '.join(CONTROLS)}"
            raise ValueError(message)
        return self


class Candidate(NamedTuple):
    """A model asked in one way, and how its scores name it.

    `way` is the name of a way to ask. `weights` is the hash of all that its replies depend on
    beside the question. A model that sees pixels has a `folder`; one that was trained here has a
    `row`; one on a server has a `server`; an encoder has none of them.
    """

    model: str
    way: str
    features: str | None
    weights: str
    row: ModelRow | None = None
    folder: Path | None = None
    server: Server | None = None


def ways(config: EvaluateConfig, protocols: Sequence[str]) -> list[Way]:
    """Return the ways to ask: every protocol, plain and under each control, each time.

    Raises:
        ValueError: if there is no such protocol.
    """
    return [
        way_named(protocol)._replace(control=control, repeat=repeat)
        for protocol in protocols
        for control in (None, *config.controls)
        for repeat in range(1, config.repeats + 1)
    ]


def clips(
    encoders: EmbedConfig,
    found: Mapping[str, EncoderIdentity],
    device: Device,
    hash_cache: Path,
) -> list[Candidate]:
    """Return the encoders that can match texts to images; others are told of, and not asked."""
    held: dict[str, Candidate] = {}
    for role, features in CLIP_ROLES.items():
        if role not in found or found[role].name in held:  # one that plays both is asked once
            continue
        played: EncoderConfig = encoders.roles()[role]
        if not has_texts(played):
            continue
        try:
            both = identify_texts(played, device=device, hash_cache=hash_cache)
        except ValueError as error:
            log.warning("the %s encoder is not asked: %s", role, error)
            continue
        held[both.name] = Candidate(both.name, MMVP_VLM, features, both.fingerprint)
    return list(held.values())


def trained_here(
    config: EvaluateConfig,
    rows: Sequence[ModelRow],
    found: Mapping[str, EncoderIdentity],
    home: Path,
) -> list[Candidate]:
    """Return models that were trained here.

    Raises:
        ValueError: if a model was trained on another encoder's tokens.
    """
    wanted = ways(config, config.protocols or (OPTION_LOGPROB, FREE))
    candidates = []
    for row in rows:
        _check_encoders(row, found)
        sees_pixels = not row.facts["encoders"]
        able = wanted if sees_pixels else [way for way in wanted if _reads(way)]
        if len(able) < len(wanted):
            log.info("%s knows few words: asked %d of %d ways", row.model, len(able), len(wanted))
        folder = home / row.folder if sees_pixels else None
        candidates += [
            Candidate(row.model, way.name, row.features, row.weights, row, folder) for way in able
        ]
    return candidates


def _reads(way: Way) -> bool:
    return way.protocol.name in READS_TOKENS and way.control in TOKEN_CONTROLS and way.repeat == 1


def others(config: EvaluateConfig, hash_cache: Path, *, published: bool) -> list[Candidate]:
    """Return models from elsewhere, each once.

    Raises:
        ValueError: if one is not to be had, or a server cannot be asked in a way.
    """
    candidates: dict[tuple[str, str], Candidate] = {}
    for place in config.models:
        server = Server.parse(place)
        if server is not None:
            made: dict[str, Any] = {"model": server.label, "weights": "", "server": server}
            default: tuple[str, ...] = (LETTER,)
        else:
            found = find_model(
                place, trust_remote_code=config.trust_remote_code, hash_cache=hash_cache
            )
            made = {"model": found.name, "weights": found.weights, "folder": found.folder}
            default = (OPTION_LOGPROB, LETTER) if published else (OPTION_LOGPROB, FREE)
        for way in ways(config, config.protocols or default):
            own = server is not None and config.own_decoding
            one = Candidate(way=way._replace(own=own).name, features=None, **made)
            candidates[one.model, one.way] = one
    return list(candidates.values())


def _check_encoders(row: ModelRow, found: Mapping[str, EncoderIdentity]) -> None:
    for role, name in row.facts["encoders"].items():
        here = found[role].name if role in found else None
        if here != name:
            message = (
                f"model {row.model!r} was trained on tokens of the {role} encoder {name!r}, found "
                f"{here!r}; give the encoders and device of its training, or run `mmvp train`"
            )
            raise ValueError(message)
