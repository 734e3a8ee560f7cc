"""Forecasts come to what was published, and to what can be counted."""

import pytest

from tasks.mof import MofConfig
from tasks.training.forecast import DEVICES, Rows, forecast, size_of
from tasks.training.settings import Lora, StageSettings
from tests.tasks.test_mof_config import tiny_config
from tests.tasks.test_mof_model import build

A100 = DEVICES["a100"]
WIDTHS = {"7B": (4096, 11008, 32, 32), "13B": (5120, 13824, 40, 40)}
CLIP_336 = {
    "name": "clip",
    "config": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    },
    "image_size": 336,
}
PUBLISHED = [
    # size, stage, rows, text tokens, batch, share of the peak, TFLOP a row, hours on eight A100
    ("7B", "adapter", 558_000, 35, 256, 0.30, 16.7, 3.5),
    ("7B", "instruct", 665_000, 250, 128, 0.25, 33.7, 10),
    ("13B", "adapter", 558_000, 35, 256, 0.36, 32.1, 5.5),
    ("13B", "instruct", 665_000, 250, 128, 0.24, 64.9, 20),
]


def llava(name):
    width, inner, layers, heads = WIDTHS[name]
    text = {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": 32_064,
    }
    vision = {"canvas_size": 336, "towers": [CLIP_336]}
    return MofConfig(vision_config=vision, text_config=text, image_token_index=32_000)


def stage(name="instruct", **changes):
    return StageSettings(**{"stage": name, "epochs": 1, "batch": 128, "rate": 1e-3, **changes})


@pytest.mark.parametrize("published", PUBLISHED)
def test_the_published_hours_of_llava_come_out(published):
    name, kind, rows, text, batch, share, tera, hours = published
    how, rows = stage(kind, batch=batch), Rows(rows, text_tokens=text)

    found = forecast(llava(name), how, rows, A100, processes=8, share=share)

    assert found.flop_per_row / 1e12 == pytest.approx(tera, rel=0.05)
    assert found.seconds / 3600 == pytest.approx(hours, rel=0.06)


def test_the_states_of_a_full_training_are_sixteen_bytes_a_number():
    config = llava("7B")
    whole, parted, low = (
        forecast(config, stage(bfloat16=True, **changes), Rows(1000), A100, processes=8)
        for changes in ({}, {"sharded": True}, {"lora": Lora()})
    )

    assert whole.state_bytes == pytest.approx(16 * 6.76e9, rel=0.02)
    assert parted.state_bytes == whole.state_bytes / 8
    assert low.state_bytes < whole.state_bytes / 6
    assert not whole.fits
    assert "more than its device has" in whole.told()


def test_checkpointing_saves_memory_and_half_a_micro_batch_halves_it():
    config = llava("7B")
    plain, saving, half = (
        forecast(config, stage(bfloat16=True, **changes), Rows(1000), A100).activation_bytes
        for changes in ({}, {"checkpointing": True}, {"micro_batch": 64})
    )

    assert saving < plain / 5
    assert half == plain / 2


def test_numbers_are_counted_as_they_are():
    size = size_of(tiny_config())
    model = build()

    whole = sum(parameter.numel() for parameter in model.parameters())
    assert size.language + size.head + size.words + size.projectors + size.towers == whole


def test_money_and_time_follow_from_the_processes():
    config, rows = tiny_config(), Rows(1280)
    one, four = (
        forecast(config, stage(), rows, A100._replace(price=2.0), processes=n) for n in (1, 4)
    )

    assert one.steps == four.steps == 10
    assert four.seconds == pytest.approx(one.seconds / 4)
    assert four.cost == pytest.approx(one.cost)
    assert one.cost == pytest.approx(2.0 * one.seconds / 3600)


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share of the peak is"):
        forecast(tiny_config(), stage(), Rows(10), A100, share=share)
