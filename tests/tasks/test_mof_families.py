"""CLIP goes together with a tower of any family in every mode."""

import pytest
import torch

from tests.tasks.test_mof_config import FAMILIES, VISION, tower
from tests.tasks.test_mof_model import MODES, TEXTS, batch, build, canvases, write


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", MODES)
def test_clip_is_mixed_with_a_tower_of_any_family_in_every_mode(mode, family):
    other = {**FAMILIES[family], "name": "other", "feature_norm": "layernorm"}
    clip = {**tower("clip"), "config": {**VISION["clip"], "hidden_size": width_of(other)}}
    model = build(clip, other, mode=mode)
    inputs, pixels = batch(model), canvases()

    together = write(model, inputs, pixel_values=pixels)

    for row, text in enumerate(TEXTS):
        alone = write(model, batch(model, [text]), pixel_values=pixels[row : row + 1])
        assert torch.equal(together[row], alone[0])


def width_of(described):
    config = described["config"]
    return config.get("hidden_size") or config["num_features"]
