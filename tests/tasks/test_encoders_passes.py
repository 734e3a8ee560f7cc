"""Passes through a model: of any size that memory allows, with the same bits whatever the size."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tasks.encoders import EncoderConfig, batch_sizes, identify, load
from tasks.encoders.batch_sizes import REFERENCE, BatchSizes
from tasks.encoders.passes import Passes
from tasks.encoders.tiny import RECIPE

SIDE = RECIPE.crop_px
CONFIGS = {
    "torch": {"spec": "tiny:clip"},
    "bfloat16": {"spec": "tiny:clip", "dtype": "bfloat16"},
    "ssl": {"spec": "tiny:ssl"},
    "convnet": {"spec": "timm:test_resnet/random"},
    "vit": {"spec": "timm:test_vit/random", "dtype": "bfloat16"},
    "openvino": {"spec": "tiny:clip", "backend": "openvino"},
    "openvino bfloat16": {"spec": "tiny:ssl", "backend": "openvino", "dtype": "bfloat16"},
}


def draw(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8))


def config(name, **options):
    if "openvino" in name:
        pytest.importorskip("openvino", reason="needs the extra openvino")
    return EncoderConfig(**CONFIGS[name] | options)


class Model:
    """The mean colour of an image; takes `seconds` a pass, no more than `most` images at once."""

    def __init__(self, most=10**6, seconds=0.0, strange_from=10**6):
        self.most, self.seconds, self.strange_from = most, seconds, strange_from
        self.passes = []

    def __call__(self, pixels):
        self.passes.append(len(pixels))
        if len(pixels) > self.most:
            raise MemoryError
        time.sleep(self.seconds)
        rows = pixels.astype(np.float32).mean((1, 2))
        return rows + np.float32(len(pixels) >= self.strange_from) * np.float32(1e-3)


def passes_of(model, reference=4):
    return Passes(model, RECIPE, BatchSizes(reference, may_grow=True))


def feed(passes, images):
    """Send images on as the pipeline does: as many as are wanted at once."""
    rows = []
    while images:
        count = passes.sizes.wanted
        rows.append(passes.finish(passes.start(images[:count])))
        images = images[count:]
    return np.concatenate(rows)


def expected(images):
    return np.array([image.astype(np.float32).mean((0, 1)) for image in images])


def test_a_pass_grows_while_that_is_faster():
    model, images = Model(seconds=0.02), draw(100)
    passes = passes_of(model)

    rows = feed(passes, images)

    np.testing.assert_array_equal(rows, expected(images))
    assert passes.sizes.current >= 16


def test_a_pass_does_not_grow_when_its_rows_get_other_bits():
    model, images = Model(seconds=0.02, strange_from=16), draw(100)
    passes = passes_of(model)

    rows = feed(passes, images)

    np.testing.assert_array_equal(rows, expected(images))
    assert passes.sizes.current == 8
    assert sum(size >= 16 for size in model.passes) == 2, "tried, and not again"


def test_a_slow_model_is_not_slowed_further_by_trials(monkeypatch):
    monkeypatch.setattr("tasks.encoders.passes.TRIAL_SECONDS", 0.01)
    model = Model(seconds=0.02)
    passes = passes_of(model)

    feed(passes, draw(40))

    assert set(model.passes) == {4}


def test_a_trial_that_memory_does_not_suffice_for_is_the_last():
    model, images = Model(seconds=0.02, most=8), draw(100)
    passes = passes_of(model)

    rows = feed(passes, images)

    np.testing.assert_array_equal(rows, expected(images))
    assert passes.sizes.current == 8
    assert model.passes.count(16) == 1


def test_a_pass_is_halved_when_memory_gets_short_and_no_row_is_lost():
    model, images = Model(seconds=0.02), draw(60)
    passes = passes_of(model)
    feed(passes, images)
    assert passes.sizes.current >= 16
    model.most = 4

    rows = feed(passes, images)

    np.testing.assert_array_equal(rows, expected(images))
    assert passes.sizes.current == passes.sizes.wanted == 4


def test_below_the_reference_size_lack_of_memory_is_said_with_what_to_do():
    with pytest.raises(MemoryError, match="a pass of 4 images; set batch_images to a smaller"):
        feed(passes_of(Model(most=3)), draw(4))


def test_a_pass_is_filled_to_the_smallest_known_size():
    model = Model(seconds=0.02)
    passes = passes_of(model)
    feed(passes, draw(100))
    model.passes.clear()

    rows = passes.finish(passes.start(draw(3)))

    assert len(rows) == 3
    assert model.passes == [4]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_vector_has_the_same_bits_whatever_the_batch_and_its_neighbours(name, monkeypatch):
    monkeypatch.setattr(batch_sizes, "GAIN", 0)  # any size with the same bits is taken
    images = draw(5 * REFERENCE["cpu"])
    fixed = load(config(name, batch_images=REFERENCE["cpu"]))
    automatic = load(config(name))
    fitted = list(map(automatic.fit, images))

    vectors_ND = fixed.embed(images)
    alone_D = fixed.embed(images[7:8])[0]
    grown_ND = automatic.unit(feed(automatic.passes, fitted))

    assert automatic.identity == fixed.identity
    np.testing.assert_array_equal(grown_ND, vectors_ND)
    np.testing.assert_array_equal(alone_D, vectors_ND[7])
    np.testing.assert_array_equal(fixed.embed(images[::-1]), vectors_ND[::-1])


def test_the_shipped_encoders_do_grow_where_any_gain_is_taken(monkeypatch):
    monkeypatch.setattr(batch_sizes, "GAIN", 0)
    encoder = load(config("torch"))

    feed(encoder.passes, list(map(encoder.fit, draw(60))))

    assert encoder.passes.sizes.current > REFERENCE["cpu"]


@pytest.mark.parametrize(
    ("name", "near"), [("openvino", 1e-5), ("openvino bfloat16", 0.02), ("bfloat16", 0.02)]
)
def test_other_ways_to_compute_give_nearly_the_same_vectors_under_another_name(name, near):
    images = draw(9)
    plain = config(name, backend="torch", dtype="float32")

    other_ND, plain_ND = load(config(name)).embed(images), load(plain).embed(images)

    assert identify(config(name)).name != identify(plain).name
    assert 1 - (other_ND * plain_ND).sum(1).min() < near
    assert not np.array_equal(other_ND, plain_ND)


def test_the_version_of_openvino_is_in_the_name():
    pytest.importorskip("openvino", reason="needs the extra openvino")

    assert "openvino" in identify(config("openvino")).facts["versions"]
    assert "openvino" not in identify(config("torch")).facts["versions"]


def test_openvino_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("tasks.encoders.identity._version", lambda _: "1")

    with pytest.raises(ValueError, match=r"openvino.*not installed: .*\[openvino\]"):
        load(EncoderConfig(spec="tiny:clip", backend="openvino"))


SIGNALLED = """
import faulthandler, gc, os, signal
from tasks.encoders import EncoderConfig, load

faulthandler.enable()  # its stack for signals is what must stay
encoders = [load(EncoderConfig(spec="tiny:clip", backend="openvino")) for _ in range(2)]
while encoders:
    encoders.pop(0)
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_are_handled_after_encoders_by_openvino_are_gone():
    pytest.importorskip("openvino", reason="needs the extra openvino")
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_a_precision_that_openvino_lacks_is_refused():
    with pytest.raises(ValueError, match="cannot have dtype 'float16' with backend 'openvino'"):
        load(EncoderConfig(spec="tiny:clip", backend="openvino", dtype="float16"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU: `make gpu`")
def test_on_a_gpu_bits_do_not_depend_on_the_batch_and_lack_of_memory_is_survived():
    images = draw(5 * REFERENCE["cuda"])
    fixed = load(config("torch", batch_images=REFERENCE["cuda"]), device="cuda")
    automatic = load(config("torch"), device="cuda")

    vectors_ND = fixed.embed(images)
    grown_ND = automatic.unit(feed(automatic.passes, list(map(automatic.fit, images))))

    np.testing.assert_array_equal(grown_ND, vectors_ND)
    np.testing.assert_array_equal(fixed.embed(images[7:8])[0], vectors_ND[7])
