"""What a user decides of a training by recipe: which one, on which conversations, where.

Put here: the settings of a large training.
Keep out: recipes (`recipe`); carrying it out (`tasks.training.large_stage`).
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class LargeConfig(BaseModel):
    """A recipe, the conversations that its stages learn from, and the processes that train."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    recipe: str
    """One that comes with mmvp, like llava15-7b or llava15-7b/released, or a JSON file."""

    mixes: Mapping[str, str]
    """By stage (adapter, instruct) the mix to learn from: its name, or that of its file. Mixes are
    what `mmvp conversations` has read."""

    overrides: Mapping[str, Any] = {}
    """Single values of the recipe by path, like {"stages.instruct.settings.rate": 1e-5}."""

    places: Mapping[str, str] = {}
    """Folders or hub names of parts to take instead, by clip, ssl, control or language."""

    processes: int | None = Field(default=None, ge=1)
    """Processes that train together; empty: one a GPU, one without."""

    allow_pickle: bool = False
    """Read parts that have no safetensors, with torch.load(weights_only=True)."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights that are written at the end."""

    tensorboard: bool = False
    """Write curves for TensorBoard too."""

    gpu: Literal["a100", "h100", "h200"] | None = None
    """What each process has, for the forecast of hours and memory."""

    gpu_price: float = Field(default=0, ge=0)
    """What one costs an hour, for the forecast."""

    idle_s: float = Field(default=3600, gt=0)
    """Most seconds between two lines of metrics; then a process hangs."""

    grace_s: float = Field(default=600, gt=0)
    """Seconds to save in when the training is stopped."""

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide a bit of a model, as JSON, beside recipe and parts."""
        return {"processes": self.processes, "dtype": self.dtype}
