"""Encoders by name: the grammar of specs, what a fingerprint covers, what is refused."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from tasks.encoders import EncoderConfig, identify, load
from tasks.encoders.files import sha256_of
from tasks.encoders.specs import parse_spec
from tasks.encoders.tiny import SHIPPED
from tasks.scenes import draw_scene, scene_at


def config(spec, **options):
    return EncoderConfig(spec=spec, **options)


def fingerprint(spec, **options):
    return identify(config(spec, **options)).fingerprint


@pytest.fixture
def clip_file(tmp_path):
    return shutil.copy(SHIPPED / "tiny-clip.safetensors", tmp_path / "copy.safetensors")


@pytest.mark.parametrize(
    ("text", "library", "model", "is_random", "file"),
    [
        ("open_clip:ViT-L-14/openai", "open_clip", "ViT-L-14/openai", False, None),
        ("open_clip:ViT-B-32/random", "open_clip", "ViT-B-32", True, None),
        ("hf:facebook/dinov2-large", "hf", "facebook/dinov2-large", False, None),
        ("hf:/models/a/random", "hf", "/models/a", True, None),
        ("hf:/models/random/", "hf", "/models/random/", False, None),
        ("timm:vit_base_patch16_224.mae", "timm", "vit_base_patch16_224.mae", False, None),
        ("tiny:clip@w.safetensors", "tiny", "clip", False, "w.safetensors"),
        ("tiny:clip@/a@b/c@d.pt", "tiny", "clip", False, "/a@b/c@d.pt"),
        ("tiny:clip@./w", "tiny", "clip", False, "w"),
        ("hf:/models@v2/a", "hf", "/models@v2/a", False, None),
        ("hf:/models@v2/a@/w/x.bin", "hf", "/models@v2/a", False, "/w/x.bin"),
        ("hf:/models@v2/a@x.safetensors", "hf", "/models@v2/a", False, "x.safetensors"),
        ("timm:odd@name", "timm", "odd@name", False, None),
        ("open_clip:local-dir:/a/b", "open_clip", "local-dir:/a/b", False, None),
    ],
)
def test_a_spec_is_taken_apart(text, library, model, is_random, file):
    spec = parse_spec(text)

    assert (spec.library, spec.model, spec.is_random) == (library, model, is_random)
    assert spec.file == (None if file is None else Path(file))


@pytest.mark.parametrize("text", ["", "tiny", ":clip", "tiny:", "tiny:@/w.safetensors"])
def test_a_spec_without_library_or_model_is_refused(text):
    with pytest.raises(ValidationError, match="library:model"):
        config(text)


def test_random_weights_and_a_file_exclude_each_other():
    with pytest.raises(ValidationError, match="random weights and for a file"):
        config("tiny:clip/random@/w.safetensors")


def test_the_fields_of_a_config_explain_themselves():
    properties = EncoderConfig.model_json_schema()["properties"]

    assert all(field["description"] for field in properties.values())


def test_looking_up_a_config_imports_no_model_library():
    heavy = ("torch", "open_clip", "transformers", "timm", "PIL", "prefect", "lancedb")
    code = f"import sys, tasks.encoders; print([m for m in {heavy} if m in sys.modules])"

    found = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert found.strip() == "[]"


def test_identifying_a_shipped_encoder_imports_no_torch():
    code = (
        "import sys; from tasks.encoders import *;"
        "identify(EncoderConfig(spec='tiny:ssl')); print('torch' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_name_fits_a_table_and_a_process():
    identity = identify(config("tiny:clip"))

    assert identity.name == f"tiny-clip-{identity.fingerprint[:12]}"
    assert len(identity.fingerprint) == 64
    assert pickle.loads(pickle.dumps(identity)) == identity
    assert json.loads(json.dumps(identity.facts)) == identity.facts


@pytest.mark.parametrize(
    "options",
    [{"dtype": "float16"}, {"batch_images": 8}, {"backend": "openvino"}],
)
def test_every_option_that_decides_a_bit_changes_the_name(options):
    assert fingerprint("tiny:clip", **options) != fingerprint("tiny:clip")


def test_the_device_changes_the_name():
    on_gpu = identify(config("tiny:clip"), device="cuda")

    assert on_gpu.fingerprint != fingerprint("tiny:clip")


def test_options_that_decide_no_bit_leave_the_name():
    assert fingerprint("tiny:clip", allow_pickle=True) == fingerprint("tiny:clip")


def test_the_same_weights_elsewhere_have_the_same_name(clip_file):
    assert identify(config(f"tiny:clip@{clip_file}")) == identify(config("tiny:clip"))


def test_one_changed_weight_changes_the_name(clip_file):
    state = load_file(clip_file)
    state["visual.proj"][0, 0] += 1
    save_file(state, clip_file)

    assert fingerprint(f"tiny:clip@{clip_file}") != fingerprint("tiny:clip")


def test_no_path_is_in_the_facts(clip_file):
    facts = json.dumps(identify(config(f"tiny:clip@{clip_file}")).facts)

    assert str(clip_file.parent) not in facts


def test_a_loaded_encoder_has_the_name_it_was_identified_by():
    assert load(config("tiny:clip")).identity == identify(config("tiny:clip"))


def test_hashes_are_remembered_until_the_file_changes(tmp_path):
    file, cache = tmp_path / "w", tmp_path / "home" / "hashes.json"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    first = sha256_of(file, cache)
    (key,) = json.loads(cache.read_text())

    cache.write_text(json.dumps({key: [3, 10**9, "remembered"]}))
    assert sha256_of(file, cache) == "remembered"

    os.utime(file, (2, 2))
    assert sha256_of(file, cache) == first


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"%s": "x"}', '{"%s": [3, null, "x"]}'])
def test_a_damaged_hash_cache_is_ignored(tmp_path, damage):
    file, cache = tmp_path / "w", tmp_path / "hashes.json"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    cache.write_text(damage % file if "%s" in damage else damage)

    assert sha256_of(file, cache) == sha256_of(file)
    assert str(file) in json.loads(cache.read_text())


def test_a_file_that_is_still_being_written_is_not_remembered(tmp_path):
    file, cache = tmp_path / "w", tmp_path / "hashes.json"
    file.write_bytes(b"one")

    sha256_of(file, cache)

    assert not cache.exists()


def test_random_weights_are_the_same_in_every_process_and_leave_the_callers_numbers_alone():
    code = (
        "import numpy as np, torch; from tasks.encoders import *; torch.rand(7);"
        "e = load(EncoderConfig(spec='tiny:ssl/random'));"
        "image = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3);"
        "print(e.embed([image]).tobytes().hex(), e.identity.name)"
    )
    there = subprocess.check_output([sys.executable, "-c", code], text=True).split()

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    here = load(config("tiny:ssl/random"))

    assert torch.equal(torch.rand(3), expected)
    image = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
    assert [here.embed([image]).tobytes().hex(), here.identity.name] == there


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("opn_clip:ViT-L-14/openai", "did you mean 'open_clip'"),
        ("tiny:clp", "no tiny encoder is called 'clp'; did you mean 'clip'"),
        ("open_clip:ViT-L14/openai", "did you mean 'ViT-L-14'"),
        ("open_clip:ViT-L-14/openia", "did you mean 'openai'"),
        ("open_clip:ViT-L-14", "names no weights; add a tag, for instance"),
        ("timm:resnet_18", "did you mean 'resnet18'"),
        ("timm:resnet18.a1_in1", "did you mean 'a1_in1k'"),
        ("timm:resnet18/a1_in1k", "no timm model is called 'resnet18/a1_in1k'"),
        ("hf:dinov2-large", "neither org/name on the hub nor a folder"),
        ("hf:/nowhere", "no config.json"),
        ("open_clip:local-dir:/nowhere", "no open_clip_config.json"),
        ("tiny:clip@/nowhere/w.safetensors", "is not there"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_near(spec, words):
    with pytest.raises(ValueError, match=words):
        identify(config(spec))


@pytest.mark.parametrize(
    "spec",
    [
        "hf:facebook/dinov2-large",
        "hf:no-such-organisation/no-such-model/random",
        "timm:resnet18.a1_in1k",
        "open_clip:ViT-L-14/openai",
        "open_clip:hf-hub:org/name",
    ],
)
def test_weights_that_only_the_hub_has_say_what_to_put_where(spec, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ValueError, match=r"HF_HUB_OFFLINE is set; .*@/path/to/weights"):
        identify(config(spec))


def test_a_pickle_is_refused_unless_allowed(clip_file):
    pickled = clip_file.with_suffix(".pt")
    torch.save({"state_dict": load_file(clip_file)}, pickled)
    image = np.full((48, 48, 3), 90, np.uint8)

    with pytest.raises(ValueError, match="set allow_pickle"):
        identify(config(f"tiny:clip@{pickled}"))
    allowed = load(config(f"tiny:clip@{pickled}", allow_pickle=True))

    assert np.array_equal(allowed.embed([image]), load(config("tiny:clip")).embed([image]))


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_pickle_that_runs_code_is_refused_even_when_allowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Harmful()}, tmp_path / "w.pt")

    with pytest.raises(ValueError, match="damaged, or holds more than tensors"):
        load(config(f"tiny:clip@{tmp_path}/w.pt", allow_pickle=True))
    assert not (tmp_path / "harm").exists()


def test_a_damaged_file_is_refused(clip_file):
    clip_file.write_bytes(clip_file.read_bytes()[:1000])

    with pytest.raises(ValueError, match=r"'copy.safetensors' of encoder .* is damaged"):
        load(config(f"tiny:clip@{clip_file}"))


def test_weights_must_fit_and_some_that_do_not_are_named(clip_file):
    state = load_file(clip_file)
    del state["visual.ln_post.weight"]
    state["visual.extra"] = torch.zeros(1)
    state["visual.proj"] = torch.zeros(2)
    save_file(state, clip_file)

    words = "missing: ln_post.weight; unexpected: extra; of another shape: proj"
    with pytest.raises(ValueError, match=words):
        load(config(f"tiny:clip@{clip_file}"))


def test_the_text_tower_may_be_missing(clip_file):
    state = load_file(clip_file)
    save_file({k: v for k, v in state.items() if k.startswith("visual.")}, clip_file)

    assert load(config(f"tiny:clip@{clip_file}")).width == 96


def test_self_supervised_weights_need_their_mean(tmp_path):
    state = load_file(SHIPPED / "tiny-ssl.safetensors")
    del state["embedding_mean"]
    save_file(state, tmp_path / "w.safetensors")

    with pytest.raises(ValueError, match="missing: embedding_mean"):
        load(config(f"tiny:ssl@{tmp_path}/w.safetensors"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(ValueError, match="torch finds no GPU; use 'cpu'"):
        load(config("tiny:clip"), device="cuda")


def test_the_shipped_encoders_disagree_at_the_papers_thresholds():
    scenes = [scene_at(2, number) for number in range(400)]
    images = [draw_scene(scene, drawing_seed) for scene, _, drawing_seed in scenes]

    clip, ssl = (load(config(f"tiny:{name}")).embed(images) for name in ("clip", "ssl"))

    pairs = np.triu_indices(len(images), 1)
    blind = ((clip @ clip.T)[pairs] > 0.95) & ((ssl @ ssl.T)[pairs] < 0.6)
    assert 0.003 < blind.mean() < 0.008  # 0.0052 of the pairs of 4,000 scenes


PLUGIN = """
import numpy as np
from tasks.encoders.registry import Source
from tasks.encoders.tiny import RECIPE

def find(spec, config):
    def build(device):
        return lambda pixels: pixels.reshape(len(pixels), -1)[:, :5] + 3
    return Source(
        label=spec.model, facts={"model": spec.model}, recipe=RECIPE, files=[],
        packages=["pillow"], build=build,
    )
"""


def test_another_package_can_add_a_library(tmp_path, monkeypatch):
    (tmp_path / "mmvp_test_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("mine", "mmvp_test_plugin:find", "mmvp.encoders")
    monkeypatch.setattr("tasks.plugins._points", lambda group: (point,))

    encoder = load(config("mine:five"))

    assert encoder.identity.name.startswith("mine-five-")
    assert encoder.embed([np.zeros((9, 9, 3), np.uint8)]).shape == (1, 5)


def test_another_package_cannot_take_a_librarys_name(monkeypatch):
    point = EntryPoint("tiny", "mmvp_test_plugin:find", "mmvp.encoders")
    monkeypatch.setattr("tasks.plugins._points", lambda group: (point,))

    with pytest.raises(ValueError, match="rename its entry point"):
        identify(config("tiny:clip"))
