"""Say which vision towers a Mixture-of-Features model has, and how it mixes them.

Put here: the two configs, with every default filled in and every field checked when they are made.
Keep out: one tower's fields (`towers`), modules and tensors.

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features (MoF) for MLLM": Additive MoF
(`additive`), Interleaved MoF (`interleaved`). `append` and `concat` are the plain alternatives:
one tower's tokens after the other's, and both towers' features of a patch in one token.
"""

from typing import Any, Final

from transformers import AutoConfig, LlavaConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from .towers import PAPER_TOWERS, Tower, complete, hf_config, is_count, refuse

MODES: Final = ("interleaved", "append", "additive", "concat")
SEQUENCE_MODES: Final = ("interleaved", "append")
"""Modes in which every tower contributes tokens of its own."""


class MofVisionConfig(PreTrainedConfig):  # type: ignore[misc] # transformers has no types
    """Vision towers that look at one canvas.

    Raises:
        ValueError: if a field is wrong; the message names it, what was found, what was expected.
    """

    model_type = "mof_vision"
    base_config_key = "vision_config"

    towers: list[Tower] | None = None
    """Plain dicts, whose fields `tasks.mof.towers` describes; the paper's two if not given."""

    canvas_size: int = 224
    """Side of the square image the processor delivers, in pixels (224 in the paper)."""

    grid_size: int | None = None
    """Side of the token grid that all towers are brought to; the first tower's if not given."""

    reference_pixels: str | None = None
    """The tower whose mean and standard deviation all towers get, as in the paper's released code,
    which shows DINOv2 pixels that are normalised for CLIP; if not given, each has its own."""

    def __post_init__(self, **kwargs: Any) -> None:
        """Complete the towers and check them."""
        super().__post_init__(**kwargs)
        if not is_count(self.canvas_size):
            refuse("canvas_size", self.canvas_size, "a number of pixels")
        given = PAPER_TOWERS if self.towers is None else self.towers
        if not isinstance(given, (list, tuple)) or not given:
            refuse("towers", given, "a list of one tower or more")
        self.towers = [complete(tower, i, self.canvas_size) for i, tower in enumerate(given)]
        names = self.tower_names
        if len(set(names)) < len(names):
            refuse("towers", names, "names that differ, in the towers' field 'name'")
        if self.grid_size is None:
            self.grid_size = self.towers[0]["grid_size"]
        if not is_count(self.grid_size):
            refuse("grid_size", self.grid_size, "a number of tokens along one side")
        if self.reference_pixels is not None:
            self._share_pixels()

    def _share_pixels(self) -> None:
        towers = {tower["name"]: tower for tower in self.towers or [] if tower["config"]}
        if self.reference_pixels not in towers:
            expected = f"a tower with a config: {', '.join(towers) or 'there is none'}"
            refuse("reference_pixels", self.reference_pixels, expected)
        reference = towers[self.reference_pixels]
        for tower in towers.values():
            tower |= {"mean": list(reference["mean"]), "std": list(reference["std"])}

    @property
    def tower_names(self) -> list[str]:
        """The towers' names, in their order."""
        return [tower["name"] for tower in self.towers or []]

    @property
    def precomputed(self) -> list[str]:
        """The names of the towers that have no module."""
        return [tower["name"] for tower in self.towers or [] if tower["config"] is None]

    def tower_config(self, name: str) -> PreTrainedConfig:
        """Return the transformers config of the tower called `name`.

        Raises:
            ValueError: if there is no such tower, or it is precomputed.
        """
        configs = {tower["name"]: tower["config"] for tower in self.towers or []}
        live = [each for each, config in configs.items() if config is not None]
        if name not in live:
            refuse("tower", name, f"one with a config: {', '.join(live) or 'there is none'}")
        return hf_config(configs[name], name)


class MofConfig(LlavaConfig):  # type: ignore[misc] # transformers has no types
    """A LLaVA whose images are seen by several towers.

    With one tower every mode is the same: a CLIP-only or a self-supervised-only model.

    Raises:
        ValueError: if a field is wrong; the message names it, what was found, what was expected.
    """

    model_type = "mof"
    sub_configs_defaults = {  # noqa: RUF012 # transformers wants a plain class attribute
        "vision_config": SubConfigSpec(config_class=MofVisionConfig),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    mode: str = "interleaved"
    """`interleaved`, `append`, `additive` or `concat`."""

    ssl_share: float = 0.5
    """Additive only: the share in [0, 1] of all towers after the first, evenly among them.

    The paper's formula weighs CLIP with a and DINOv2 with 1 - a; its table lists the DINOv2 share,
    and so does this.
    """

    projector_layers: int = 2
    """Linear layers of an adapter, `projector_hidden_act` in between: 2 with gelu in LLaVA-1.5."""

    image_seq_length: int = 0
    """Tokens of an image in the language model. It follows from the rest; 0 fills it in."""

    vision_feature_layer: int | list[int] = -1
    """Of LLaVA and unused: each tower has its own `feature_layer`."""

    vision_feature_select_strategy: str = "full"
    """Tells LLaVA's processor that no placeholder stands for a class token."""

    def __post_init__(self, **kwargs: Any) -> None:
        """Check the fields and derive the number of tokens an image takes."""
        super().__post_init__(**kwargs)
        if self.mode not in MODES:
            refuse("mode", self.mode, f"one of {', '.join(MODES)}")
        if isinstance(self.ssl_share, bool) or not isinstance(self.ssl_share, (int, float)):
            refuse("ssl_share", self.ssl_share, "a number in [0, 1]")
        if not 0 <= self.ssl_share <= 1:
            refuse("ssl_share", self.ssl_share, "a number in [0, 1]")
        if not is_count(self.projector_layers):
            refuse("projector_layers", self.projector_layers, "a number of layers, 1 or more")
        self._check_activation()
        self._check_widths()
        self._set_image_tokens()

    def _check_activation(self) -> None:
        from transformers.activations import ACT2FN  # imports torch, which a config can do without

        if self.projector_hidden_act not in ACT2FN:
            known = ", ".join(sorted(ACT2FN))
            refuse("projector_hidden_act", self.projector_hidden_act, f"one of {known}")

    def _check_widths(self) -> None:
        widths = {tower["name"]: tower["hidden_size"] for tower in self.vision_config.towers}
        if self.mode == "additive" and len(set(widths.values())) > 1:
            expected = "one width for all towers, because mode 'additive' sums their features"
            refuse("hidden_size", widths, expected)

    def _set_image_tokens(self) -> None:
        vision = self.vision_config
        sequences = len(vision.towers) if self.mode in SEQUENCE_MODES else 1
        tokens = sequences * vision.grid_size**2
        if self.image_seq_length not in {0, tokens}:
            made_of = f"{tokens} for grid_size {vision.grid_size} and {sequences} tokens a patch"
            refuse("image_seq_length", self.image_seq_length, made_of)
        self.image_seq_length = tokens

    @property
    def mixing_weights(self) -> list[float]:
        """Each tower's weight in mode `additive`, in order; they add up to 1."""
        others = len(self.vision_config.towers) - 1
        if not others:
            return [1.0]
        return [1.0 - self.ssl_share] + [self.ssl_share / others] * others
