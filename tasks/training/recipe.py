"""Which models are trained, and how.

Put here: the settings of training and the list of models that they ask for.
Keep out: the training itself (`loop`), data (`material`), the stage (`stage`), beside this file.
Source: Tong et al. 2024, arXiv 2401.06209, section 4; Liu et al. 2023, arXiv 2304.08485, for the
two stages.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.recipes.large import LargeConfig
from tasks.training.settings import StageSettings

Features = Literal["clip", "ssl", "additive", "interleaved", "clip-clip", "clip-control"]

TOWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "clip": ("clip",),
    "ssl": ("ssl",),
    "additive": ("clip", "ssl"),
    "interleaved": ("clip", "ssl"),
    "clip-clip": ("clip", "clip-again"),
    "clip-control": ("control",),
}
"""The towers of a model. A tower is called by the role of its encoder, `-again` if it is the second
with that encoder: CLIP interleaved with itself has as many tokens and adapters as CLIP with SSL."""

LAYERS: Final[Mapping[str, int]] = {"clip": -2, "control": -2, "ssl": -1}
"""The block whose tokens are taken: LLaVA's choice for CLIP, the last of the others."""


AGAIN: Final = "-again"
WARM_UP_STEPS: Final = 20
REST: Final = 0.02
BETAS: Final = (0.9, 0.98)
TOLD_STEPS: Final = 100


def role_of(tower: str) -> str:
    """Return the role of a tower's encoder."""
    return tower.removesuffix(AGAIN)


def roles_of(features: str) -> tuple[str, ...]:
    """Return the roles of the encoders whose tokens a model with these `Features` sees."""
    return tuple(dict.fromkeys(map(role_of, TOWERS[features])))


class TrainConfig(BaseModel):
    """Which models are trained, and how; the defaults fit the drawn scenes and a laptop."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    features: tuple[Features, ...] = ("clip", "ssl", "additive", "interleaved", "clip-control")
    """What the language models see: CLIP's tokens, the SSL encoder's, their sum, both in turn; and
    those of the control encoder, where there is one. Not by itself: clip-clip,
    CLIP's tokens twice in turn."""

    ssl_shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.25, 0.5, 0.75)
    """The SSL encoder's shares of the additive mixture; a model each."""

    seeds: tuple[int, ...] = (0,)
    """Each model is trained once a seed."""

    steps: int = Field(default=600, ge=1)
    """Steps of the instruction stage: adapters and language model."""

    score_at: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Steps of the instruction stage after which a copy of the model is kept, to be scored too."""

    adapter_steps: int = Field(default=60, ge=1)
    """Steps of the adapter stage: captions, adapters alone."""

    language_steps: int = Field(default=100, ge=1)
    """Steps before both on text alone, shared by the models of a seed."""

    batch: int = Field(default=32, ge=1)
    """Conversations a step; twice as many texts before the adapter stage."""

    turns: int = Field(default=8, ge=1)
    """Questions in a conversation, at most."""

    caption_share: float = Field(default=0.1, ge=0, le=1)
    """Conversations of the instruction stage that ask for the caption instead."""

    adapter_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of the adapter stage and of the text before."""

    rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of the instruction stage."""

    decay: float = Field(default=0.01, ge=0)
    """Weight decay of the instruction stage."""

    width: int = Field(default=64, ge=8)
    """Width of the language model."""

    layers: int = Field(default=2, ge=1)
    """Its blocks."""

    heads: int = Field(default=2, ge=1)
    """Its attention heads."""

    large: LargeConfig | None = None
    """A recipe for large models instead; of the settings here those of models and seeds hold."""

    images: int | None = Field(default=None, ge=1)
    """At most so many images to learn from, by id; empty: all."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width % (2 * self.heads):
            message = (
                f"width is {self.width} and heads is {self.heads}; expected a width that is a "
                f"multiple of twice the heads"
            )
            raise ValueError(message)
        late = [step for step in self.score_at if step > self.steps]
        if late:
            message = f"score_at has step {late[0]}; expected steps up to the last, {self.steps}"
            raise ValueError(message)
        return self

    def kept_steps(self) -> list[int]:
        """Return the steps after which a model is kept, the last of them the end."""
        return sorted({*self.score_at, self.steps})

    def stage(self, kind: Literal["language", "adapter", "instruct"]) -> StageSettings:
        """Return the settings of a stage."""
        steps = {
            "language": self.language_steps,
            "adapter": self.adapter_steps,
            "instruct": self.steps,
        }
        return StageSettings(
            stage=kind,
            steps=steps[kind],
            batch=self.batch * (2 if kind == "language" else 1),
            rate=self.rate if kind == "instruct" else self.adapter_rate,
            decay=0.0 if kind == "adapter" else self.decay,
            warm_up=WARM_UP_STEPS,
            rest=REST,
            betas=BETAS,
            tell_every=TOLD_STEPS,
        )

    def of_each_model(self) -> dict[str, Any]:
        """Return what decides a model's bits, as JSON: not which others are trained."""
        lists = {"features", "ssl_shares", "seeds", "images", "score_at", "large"}
        return self.model_dump(mode="json", exclude=lists)


class Variant(NamedTuple):
    """One model to train."""

    features: Features
    ssl_share: float | None
    seed: int

    @property
    def label(self) -> str:
        """What people call it."""
        share = "" if self.ssl_share is None else f"-{self.ssl_share:g}"
        return f"mof-{self.features}{share}-seed{self.seed}"


def variants(config: TrainConfig, roles: Sequence[str]) -> list[Variant]:
    """Return the models that are asked for and whose encoders there are, seed by seed."""
    wanted = [f for f in config.features if set(roles_of(f)) <= set(roles)]
    every = [
        Variant(features, share, seed)
        for seed in config.seeds
        for features in wanted
        for share in (config.ssl_shares if features == "additive" else (None,))
    ]
    return list(dict.fromkeys(every))
