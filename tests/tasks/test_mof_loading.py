"""Weights come back bit for bit, or not at all; models are assembled from pretrained parts."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    LlamaConfig,
    ViTMAEConfig,
)

from tasks.mof import MofForConditionalGeneration, MofModel
from tests.tasks.test_mof_config import IMAGE, TEXT, VISION, stored, tiny_config, tower
from tests.tasks.test_mof_model import batch, build, canvases, features_of, write

ADAPTER = "model.multi_modal_projector.projectors"


def same_weights(left, right):
    ours, theirs = left.state_dict(), right.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def edit_weights(folder, change):
    """Apply a function to the tensors of a saved model."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def llama(**changes):
    fields = {key: TEXT[key] for key in TEXT if key != "model_type"}
    return AutoModelForCausalLM.from_config(LlamaConfig(**{**fields, **changes}))


def vision_part(name):
    return AutoModel.from_config(tiny_config(name).vision_config.tower_config(name))


@pytest.fixture
def folder(tmp_path):
    """A saved model of CLIP and DINOv2, interleaved."""
    build().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("towers", "options"),
    [
        (tuple(VISION), {"mode": "interleaved"}),
        (("clip", "dinov2"), {"mode": "additive", "ssl_share": 0.75}),
        (("clip", stored("ssl", hidden_size=24, feature_norm="layernorm")), {"mode": "concat"}),
        (("clip", "mae"), {"mode": "append", "text": {**TEXT, "tie_word_embeddings": True}}),
    ],
    ids=["all families", "additive", "precomputed", "tied head"],
)
def test_a_model_comes_back_bit_for_bit(tmp_path, towers, options):
    model = build(*towers, **options)

    model.save_pretrained(tmp_path)
    read, found = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)

    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    assert type(read) is MofForConditionalGeneration
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert same_weights(model, read)
    assert read.config.vision_config.towers == model.config.vision_config.towers
    assert (read.config.mode, read.config.ssl_share) == (model.config.mode, model.config.ssl_share)
    tied = read.lm_head.weight is read.get_input_embeddings().weight
    assert tied is model.config.tie_word_embeddings


def test_a_model_read_anew_writes_the_same(folder):
    model, read = build(), MofForConditionalGeneration.from_pretrained(folder)
    inputs = batch(model)

    with torch.no_grad():
        expected = model(**inputs, pixel_values=canvases()).logits
        assert torch.equal(read(**inputs, pixel_values=canvases()).logits, expected)
    assert torch.equal(
        write(read, inputs, pixel_values=canvases()), write(model, inputs, pixel_values=canvases())
    )


def test_dtype_and_attention_reach_every_tower(folder):
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.bfloat16, attn_implementation="eager"
    )
    towers = model.model.vision_tower.towers

    assert {each.dtype for each in model.parameters()} == {torch.bfloat16}
    assert {each.config._attn_implementation for each in towers.values()} == {"eager"}
    assert torch.isfinite(model(**batch(model), pixel_values=canvases()).logits).all()


def test_a_tower_has_the_models_dtype_whatever_it_was_saved_with(tmp_path):
    config = {**VISION["clip"], "dtype": "float16"}
    build(tower("clip", config=config)).save_pretrained(tmp_path)

    model = MofForConditionalGeneration.from_pretrained(tmp_path)

    assert {each.dtype for each in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "read", [AutoModelForImageTextToText, MofForConditionalGeneration, MofModel]
)
@pytest.mark.parametrize(
    "lost",
    [f"{ADAPTER}.dinov2.2.weight", "model.vision_tower.towers.clip.embeddings.class_embedding"],
)
def test_missing_weights_are_an_error(folder, read, lost):
    edit_weights(folder, lambda tensors: tensors.pop(lost))

    with pytest.raises(ValueError, match="do not fit the model; missing: ") as refused:
        read.from_pretrained(folder)

    assert lost.removeprefix("model.") in str(refused.value)
    assert str(folder) in str(refused.value)


def test_a_missing_head_is_an_error(folder):
    edit_weights(folder, lambda tensors: tensors.pop("lm_head.weight"))

    with pytest.raises(ValueError, match=r"missing: lm_head\.weight"):
        MofForConditionalGeneration.from_pretrained(folder)


def test_weights_of_another_shape_are_an_error(folder):
    def cut(tensors):
        tensors[f"{ADAPTER}.clip.0.weight"] = tensors[f"{ADAPTER}.clip.0.weight"][:, :16].clone()

    edit_weights(folder, cut)

    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        MofForConditionalGeneration.from_pretrained(folder)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (tiny_config(mode="additive"), "it has one adapter for both"),
        (tiny_config("clip"), "one adapter would be left over"),
        (tiny_config("clip", {**tower("dinov2"), "name": "ssl"}), "the adapter is dinov2's"),
    ],
)
def test_an_adapter_is_not_read_into_another_model(folder, config, why):
    with pytest.raises(ValueError, match="do not fit the model"):
        MofForConditionalGeneration.from_pretrained(folder, config=config)


def test_towers_may_change_places_and_keep_their_weights(folder):
    config = tiny_config("dinov2", "clip")

    turned = MofForConditionalGeneration.from_pretrained(folder, config=config)

    ours, theirs = turned.state_dict(), build().state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_towers_can_be_left_behind_when_features_are_stored(folder):
    model = build()
    config = tiny_config(stored("clip"), stored("dinov2"))

    light = MofForConditionalGeneration.from_pretrained(folder, config=config)

    assert not list(light.model.vision_tower.parameters())
    with torch.no_grad():
        expected = model(**batch(model), pixel_values=canvases()).logits
        found = light(**batch(model), image_features=features_of(model, canvases())).logits
    assert torch.equal(found, expected)


def test_a_model_is_assembled_from_modules_without_copying_them():
    language, clip = llama(), vision_part("clip")
    config = tiny_config("clip", stored("ssl"))
    torch.manual_seed(1)

    model = MofForConditionalGeneration.from_parts(config, language, [clip, None])

    assert not any(each.is_meta for each in [*model.parameters(), *model.buffers()])
    assert not model.training
    assert model.model.vision_tower.towers["clip"] is clip
    assert model.model.language_model is language.model
    assert model.lm_head is language.lm_head
    adapter = model.get_parameter(f"{ADAPTER}.ssl.0.weight")
    assert 0.01 < adapter.std() < 0.03
    assert not model.get_parameter(f"{ADAPTER}.ssl.0.bias").any()


def test_a_model_is_assembled_from_folders_and_read_again(tmp_path):
    clip = CLIPModel(CLIPConfig(text_config={"num_hidden_layers": 1}, vision_config=VISION["clip"]))
    parts = {"whole-clip": clip, "mae": vision_part("mae"), "language": llama()}
    for name, part in parts.items():
        part.save_pretrained(tmp_path / name)
    folders = {name: str(tmp_path / name) for name in parts}

    model = MofForConditionalGeneration.from_parts(
        tiny_config("clip", "mae"), folders["language"], [folders["whole-clip"], folders["mae"]]
    )

    towers = model.model.vision_tower.towers
    assert same_weights(towers["clip"], clip.vision_model)
    assert same_weights(towers["mae"], parts["mae"])
    assert torch.isfinite(model(**batch(model), pixel_values=canvases()).logits).all()
    model.save_pretrained(tmp_path / "model")
    read = AutoModelForImageTextToText.from_pretrained(tmp_path / "model")
    assert same_weights(model, read)
    inputs = batch(model)
    assert torch.equal(
        write(model, inputs, pixel_values=canvases()), write(read, inputs, pixel_values=canvases())
    )


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_gets_room_for_the_placeholder(tmp_path, tied):
    language = llama(vocab_size=90, tie_word_embeddings=tied)
    config = tiny_config("clip", image_token_index=90, text={**TEXT, "vocab_size": 90})

    model = MofForConditionalGeneration.from_parts(
        config, language, [vision_part("clip")], vocabulary=91
    )

    assert config.text_config.vocab_size == 90, "what was given is left as it was"
    assert model.config.text_config.vocab_size == model.lm_head.out_features == 128
    assert (model.lm_head.weight is model.get_input_embeddings().weight) is tied
    model.save_pretrained(tmp_path)
    assert same_weights(model, MofForConditionalGeneration.from_pretrained(tmp_path))


def test_parts_keep_their_dtype_and_the_projectors_get_the_language_models(tmp_path):
    for name, part in {"clip": vision_part("clip"), "language": llama()}.items():
        part.save_pretrained(tmp_path / name)

    model = MofForConditionalGeneration.from_parts(
        tiny_config("clip"),
        str(tmp_path / "language"),
        [str(tmp_path / "clip")],
        dtype=torch.bfloat16,
    )

    assert {each.dtype for each in model.parameters()} == {torch.bfloat16}


def test_a_masked_tower_that_is_given_stops_masking():
    mae = AutoModel.from_config(ViTMAEConfig(**VISION["mae"], mask_ratio=0.75))

    model = MofForConditionalGeneration.from_parts(tiny_config("mae"), llama(), [mae])

    assert features_of(model, canvases())[0].shape == (3, 16, 32)
    assert torch.equal(features_of(model, canvases())[0], features_of(model, canvases())[0])


@pytest.mark.parametrize(
    ("towers", "message"),
    [
        ([], "towers holds 0 parts, expected 2: clip, ssl"),
        ([None, None], "tower 'clip': found no part, expected a model or its folder"),
        (["x", "y"], "tower 'ssl': found a part, expected none, because it is precomputed"),
    ],
)
def test_parts_that_are_not_the_configs_are_refused(towers, message):
    config = tiny_config("clip", stored("ssl"))

    with pytest.raises(ValueError, match=message):
        MofForConditionalGeneration.from_parts(config, llama(), towers)


def test_another_tower_than_the_configs_is_refused():
    config = tiny_config("clip", grid_size=4)
    finer = AutoModel.from_config(CLIPVisionConfig(**{**VISION["clip"], "patch_size": 7}))

    with pytest.raises(ValueError, match="tower 'clip': patch_size is 14, expected 7"):
        MofForConditionalGeneration.from_parts(config, llama(), [finer])


def test_parts_with_missing_weights_are_refused(tmp_path):
    vision_part("clip").save_pretrained(tmp_path)
    edit_weights(tmp_path, lambda tensors: tensors.pop("embeddings.class_embedding"))

    with pytest.raises(ValueError, match=r"missing: embeddings\.class_embedding"):
        MofForConditionalGeneration.from_parts(tiny_config("clip"), llama(), [str(tmp_path)])


def test_a_placeholder_without_room_is_refused():
    config = tiny_config("clip", image_token_index=IMAGE)
    config.image_token_index = 96

    with pytest.raises(ValueError, match="image_token_index is 96"):
        MofForConditionalGeneration.from_parts(config, llama(), [vision_part("clip")])
