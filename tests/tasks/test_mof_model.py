"""The whole model: it reads images among text, writes, and trains what it should."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM

from tasks.mof import MofForConditionalGeneration, MofModel
from tests.tasks.test_mof_config import (
    BOS,
    BOTH,
    CANVAS_PX,
    CLIP_ONLY,
    IMAGE,
    PAD,
    SSL_ONLY,
    TEXT,
    VISION,
    stored,
    tiny_config,
    tower,
)

MODES = ["interleaved", "append", "additive", "concat"]
MODELS = {
    **{mode: (BOTH, {"mode": mode}) for mode in MODES},
    "clip only": (CLIP_ONLY, {}),
    "ssl only": (SSL_ONLY, {}),
    "three towers": (("clip", "dinov2", "siglip"), {}),
    "normed": (("clip", tower("dinov2", feature_norm="layernorm")), {"mode": "additive"}),
    "resized": (("clip", tower("mae", image_size=98)), {"mode": "concat"}),
}
TEXTS = [[11, 12], [13, 14, 15, 16, 17], [18]]


def build(*towers, seed=0, **options):
    torch.manual_seed(seed)
    return MofForConditionalGeneration(tiny_config(*towers, **options)).eval()


def canvases(count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = (count, 3, CANVAS_PX, CANVAS_PX)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def batch(model, texts=TEXTS, images=1):
    """Rows of images, then text, padded on the left."""
    image = [IMAGE] * model.config.image_seq_length
    rows = [[BOS, *image * images, *text] for text in texts]
    length = max(map(len, rows))
    ids = torch.tensor([[PAD] * (length - len(row)) + row for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


def labels_of(inputs):
    ids = inputs["input_ids"]
    return ids.masked_fill((ids == PAD) | (ids == IMAGE), -100)


def features_of(model, pixels):
    with torch.no_grad():
        return model.model.vision_tower(pixels).hidden_states


def write(model, inputs, **options):
    options = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False, **options}
    return model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :]


def projectors(model):
    return model.model.multi_modal_projector


@pytest.mark.parametrize("name", MODELS)
def test_a_loss_reaches_every_projector(name):
    towers, options = MODELS[name]
    model = build(*towers, **options).train()
    model.set_stage("adapter")
    inputs = batch(model)

    output = model(**inputs, pixel_values=canvases(), labels=labels_of(inputs))
    output.loss.backward()

    assert torch.isfinite(output.loss)
    assert output.logits.shape == (*inputs["input_ids"].shape, TEXT["vocab_size"])
    for each, parameter in projectors(model).named_parameters():
        assert parameter.grad.abs().sum() > 0, each


@pytest.mark.parametrize("name", MODELS)
def test_stored_features_give_what_pixels_give(name):
    towers, options = MODELS[name]
    model = build(*towers, **options)
    inputs, features = batch(model), features_of(model, canvases())

    with torch.no_grad():
        expected = model(**inputs, pixel_values=canvases()).logits
        from_list = model(**inputs, image_features=list(features)).logits

    assert torch.equal(from_list, expected)
    if len({each.shape for each in features}) == 1:
        with torch.no_grad():
            stacked = model(**inputs, image_features=torch.stack(features, dim=1)).logits
        assert torch.equal(stacked, expected)


def test_a_model_without_towers_gives_what_the_one_with_them_gives():
    with_towers = build("clip", tower("dinov2", feature_norm="layernorm"))
    without = build(stored("clip"), stored("dinov2", feature_norm="layernorm"))
    weights = with_towers.state_dict()
    without.load_state_dict({name: weights[name] for name in without.state_dict()})
    inputs, features = batch(without), features_of(with_towers, canvases())

    assert not list(without.model.vision_tower.parameters())
    with torch.no_grad():
        expected = with_towers(**inputs, pixel_values=canvases()).logits
        assert torch.equal(without(**inputs, image_features=features).logits, expected)
    assert torch.equal(
        write(without, inputs, image_features=features),
        write(with_towers, inputs, pixel_values=canvases()),
    )


def test_what_an_image_shows_changes_what_is_written():
    model = build()
    inputs = batch(model)

    with torch.no_grad():
        one = model(**inputs, pixel_values=canvases(seed=0)).logits
        other = model(**inputs, pixel_values=canvases(seed=1)).logits

    assert not torch.allclose(one[:, -1], other[:, -1], atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", ["pixel_values", "image_features"])
def test_a_padded_batch_writes_what_each_row_writes_alone(mode, given):
    model = build(mode=mode, seed=3)
    pixels = canvases()
    features = features_of(model, pixels)
    inputs = batch(model)
    assert inputs["attention_mask"][0, 0] == 0, "rows are really padded"

    def images(rows):
        chosen = {"pixel_values": pixels[rows], "image_features": [each[rows] for each in features]}
        return {given: chosen[given]}

    together = write(model, inputs, **images(slice(None)))

    for row, text in enumerate(TEXTS):
        alone = write(model, batch(model, [text]), **images(slice(row, row + 1)))
        assert torch.equal(together[row], alone[0])


def test_searching_with_beams_also_works_from_features():
    model = build()
    inputs, features = batch(model), features_of(model, canvases())
    options = {"num_beams": 2, "num_return_sequences": 2}

    from_features = write(model, inputs, image_features=torch.stack(features, 1), **options)

    assert torch.equal(from_features, write(model, inputs, pixel_values=canvases(), **options))


def test_a_cache_of_fixed_size_gives_the_same_tokens():
    model = build()
    inputs = batch(model)

    fixed = write(model, inputs, pixel_values=canvases(), cache_implementation="static")

    assert torch.equal(fixed, write(model, inputs, pixel_values=canvases()))


def test_a_prompt_may_show_several_images():
    model = build()
    inputs = batch(model, [[11, 12], [13]], images=2)
    pixels = canvases(4)

    together = write(model, inputs, pixel_values=pixels)

    alone = write(model, batch(model, [[13]], images=2), pixel_values=pixels[2:])
    assert torch.equal(together[1], alone[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("images", [2, 4])
def test_as_many_placeholders_as_image_tokens_are_needed(mode, images):
    model = build(mode=mode)

    with pytest.raises(ValueError, match="Image features and image tokens do not match"):
        model(**batch(model), pixel_values=canvases(images))
    with pytest.raises(ValueError, match="Image features and image tokens do not match"):
        write(model, batch(model), pixel_values=canvases(images))


def test_text_alone_is_written_on_as_the_language_model_does():
    model = build()
    inputs = batch(model, [[11, 12, 13], [14]], images=0)
    language = AutoModelForCausalLM.from_config(model.config.text_config).eval()
    language.model.load_state_dict(model.model.language_model.state_dict())
    language.lm_head.load_state_dict(model.lm_head.state_dict())

    assert torch.equal(write(model, inputs), write(language, inputs))


@pytest.mark.parametrize("stage", ["adapter", "instruct"])
def test_text_alone_has_the_same_loss_and_keeps_the_projectors_in_the_graph(stage):
    model = build(tower("clip", feature_norm="layernorm"), tower("mae", image_size=98))
    model.set_stage(stage)
    inputs = batch(model, [[11, 12, 13], [14]], images=0)
    calm = model(**inputs, labels=labels_of(inputs)).loss

    loss = model.train()(**inputs, labels=labels_of(inputs)).loss
    loss.backward()

    assert torch.equal(loss, calm)
    for name, parameter in projectors(model).named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def test_text_given_as_vectors_keeps_the_projectors_in_the_graph():
    model = build().train()
    inputs = batch(model, [[11, 12, 13]], images=0)
    vectors = model.get_input_embeddings()(inputs["input_ids"])

    logits = model(inputs_embeds=vectors, attention_mask=inputs["attention_mask"]).logits
    logits.sum().backward()

    assert torch.equal(logits, model.eval()(**inputs).logits)
    assert all(each.grad is not None for each in projectors(model).parameters())


@pytest.mark.parametrize(
    ("stage", "trained"),
    [
        ("adapter", {"multi_modal_projector"}),
        ("instruct", {"multi_modal_projector", "language_model", "lm_head"}),
        ("full", {"multi_modal_projector", "language_model", "lm_head", "vision_tower"}),
    ],
)
def test_a_stage_trains_exactly_its_parameters(stage, trained):
    model = build()
    model.set_stage("adapter" if stage == "full" else "full")

    count = model.set_stage(stage)

    parts = {name: name.removeprefix("model.").partition(".")[0] for name in model.state_dict()}
    parameters = dict(model.named_parameters())
    assert set(parts.values()) == {
        "multi_modal_projector",
        "language_model",
        "lm_head",
        "vision_tower",
    }
    for name, parameter in parameters.items():
        assert parameter.requires_grad is (parts[name] in trained), name
    assert count == sum(each.numel() for each in parameters.values() if each.requires_grad)


def test_a_step_of_a_stage_changes_what_it_trains_and_nothing_else():
    model = build().train()
    model.set_stage("instruct")
    before = copy.deepcopy(model.state_dict())
    inputs = batch(model)
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)

    model(**inputs, pixel_values=canvases(), labels=labels_of(inputs)).loss.backward()
    optimizer.step()

    changed = {
        name for name, each in model.state_dict().items() if not torch.equal(each, before[name])
    }
    assert any("language_model" in name for name in changed)
    assert not any("vision_tower" in name for name in changed)
    projector_names = {name for name in before if "multi_modal_projector" in name}
    assert projector_names <= changed


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match="stage is 'llm', expected one of adapter, instruct, full"):
        build().set_stage("llm")


def test_frozen_towers_stay_in_evaluation_mode_through_the_stages():
    config = {**VISION["dinov2"], "hidden_dropout_prob": 0.5}
    model = build("clip", tower("dinov2", config=config)).train()

    model.set_stage("adapter")
    assert model.training
    assert not any(each.training for each in model.model.vision_tower.towers.values())
    model.set_stage("full")
    assert all(each.training for each in model.model.vision_tower.towers.values())


def test_recomputing_activations_gives_the_same_gradients():
    model = build().train()
    model.set_stage("adapter")
    inputs = batch(model)

    gradients = []
    for recompute in (False, True):
        model.zero_grad()
        if recompute:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model(**inputs, pixel_values=canvases(), labels=labels_of(inputs)).loss.backward()
        gradients.append([each.grad.clone() for each in projectors(model).parameters()])

    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(plain, recomputed, atol=1e-6)


def test_training_teaches_to_tell_images_apart():
    model = build("clip", tower("dinov2", feature_norm="layernorm")).train()
    model.set_stage("instruct")
    inputs = batch(model, [[20], [21], [22]])
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] < 20, -100)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], 3e-3)

    for _ in range(30):
        loss = model(**inputs, pixel_values=canvases(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss < 0.3, "whoever does not look is left with a guess among three: 1.1"


@pytest.mark.parametrize("call", ["forward", "generate", "get_image_features"])
def test_pixels_and_features_together_are_refused(call):
    model = build()
    inputs = {} if call == "get_image_features" else batch(model)
    both = {"pixel_values": canvases(), "image_features": features_of(model, canvases())}

    with pytest.raises(ValueError, match="found both of pixel_values and image_features"):
        getattr(model, call)(**inputs, **both)


@pytest.mark.parametrize("call", ["forward", "generate"])
def test_features_and_encoded_images_together_are_refused(call):
    model = build()
    features = features_of(model, canvases())
    images = {"image": model.get_image_features(image_features=features)}

    with pytest.raises(ValueError, match="found both of image_features and mm_encoder_outputs"):
        getattr(model, call)(**batch(model), image_features=features, mm_encoder_outputs=images)


def test_no_image_at_all_cannot_be_encoded():
    with pytest.raises(ValueError, match="found neither of pixel_values and image_features"):
        build().get_image_features()


@pytest.mark.parametrize("call", ["forward", "generate"])
def test_a_precomputed_tower_asks_for_features(call):
    model = build("clip", stored("ssl"))

    with pytest.raises(ValueError, match="tower 'ssl' is precomputed: give image_features, one"):
        getattr(model, call)(**batch(model), pixel_values=canvases())


def test_one_tensor_of_features_has_an_axis_for_towers():
    model = build("clip")

    with pytest.raises(ValueError, match=r"shape \(3, 16, 32\), expected \(images, towers"):
        model(**batch(model), image_features=features_of(model, canvases())[0])


def test_a_placeholder_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"image_token_index is 96, expected .* 96 tokens"):
        build(image_token_index=96)


def test_the_model_without_a_head_takes_features_too():
    torch.manual_seed(0)
    model = MofModel(tiny_config()).eval()
    inputs, features = batch(model), model.vision_tower(canvases()).hidden_states

    with torch.no_grad():
        expected = model(**inputs, pixel_values=canvases()).last_hidden_state
        found = model(**inputs, image_features=features).last_hidden_state

    assert torch.equal(found, expected)
