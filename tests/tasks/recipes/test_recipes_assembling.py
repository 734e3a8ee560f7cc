"""A recipe's parts become one model, from folders of one's own."""

import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoModelForCausalLM

from tasks.recipes import load_recipe
from tasks.recipes.assembling import assemble
from tasks.training.conversation import Collator, Conversation, encode
from tests.tasks.recipes import parts

SMALL = {"canvas_px": 56}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of a Llama, a CLIP and a DINOv2."""
    place = tmp_path_factory.mktemp("parts")
    return {
        "language": parts.save_language(place / "language"),
        "clip": parts.save_clip(place / "clip"),
        "ssl": parts.save_dinov2(place / "ssl"),
    }


@pytest.mark.parametrize(
    ("features", "tokens", "towers"),
    [
        ("interleaved", 32, ["clip", "ssl"]),
        ("additive", 16, ["clip", "ssl"]),
        ("clip", 16, ["clip"]),
        ("ssl", 16, ["ssl"]),
        ("clip-clip", 32, ["clip", "clip-again"]),
    ],
)
def test_parts_in_folders_become_a_model_that_learns_and_answers(places, features, tokens, towers):
    whole = assemble(load_recipe("llava15-7b", SMALL), features, ssl_share=0.75, places=places)

    config = whole.model.config
    assert config.vision_config.tower_names == towers
    assert config.image_seq_length == tokens
    assert config.image_token_index == whole.tokenizer.convert_tokens_to_ids("<image>")
    assert config.projector_layers == 2
    assert config.ssl_share == 0.75 or features != "additive"
    said = Conversation(("a",), (("<image>\nWhat colour?", "red"),))
    ids, labels = encode(said, whole.tokenizer, tokens, template=whole.processor.chat_template)
    canvas = whole.processor.image_processor(Image.new("RGB", (80, 60)), return_tensors="pt")
    row = {"input_ids": ids, "labels": labels, **canvas}
    whole.model.set_stage("adapter")
    loss = whole.model(**Collator(whole.tokenizer.pad_token_id)([row])).loss
    loss.backward()
    trained = [name for name, one in whole.model.named_parameters() if one.grad is not None]
    assert trained
    assert all("multi_modal_projector" in name for name in trained)


def test_parts_keep_their_weights_and_adapters_follow_the_seed(places):
    recipe = load_recipe("llava15-7b", SMALL)
    before = torch.random.get_rng_state()
    one, again, other = (assemble(recipe, places=places, seed=seed).model for seed in (0, 0, 1))

    assert torch.equal(before, torch.random.get_rng_state())
    adapters = [model.model.multi_modal_projector.state_dict() for model in (one, again, other)]
    assert all(torch.equal(adapters[0][name], adapters[1][name]) for name in adapters[0])
    assert any(not torch.equal(adapters[0][name], adapters[2][name]) for name in adapters[0])
    clip = AutoModel.from_pretrained(places["clip"]).state_dict()
    ours = one.model.vision_tower.towers["clip"].state_dict()
    assert all(torch.equal(clip[name], ours[name]) for name in ours)
    language = AutoModelForCausalLM.from_pretrained(places["language"])
    known = language.get_input_embeddings().weight
    assert torch.equal(one.get_input_embeddings().weight[: len(known)], known)


def test_the_released_recipe_feeds_dinov2_what_clip_sees(places):
    apart = assemble(load_recipe("llava15-7b", SMALL), places=places).model
    same = assemble(load_recipe("llava15-7b/released", SMALL), places=places).model

    clip, ssl = apart.config.vision_config.towers
    assert clip["mean"] != ssl["mean"]
    clip, ssl = same.config.vision_config.towers
    assert clip["mean"] == ssl["mean"]
    assert clip["std"] == ssl["std"]


def test_towers_of_other_patches_meet_on_one_grid(places, tmp_path):
    clip = parts.save_clip(tmp_path / "clip16", patch_px=16)
    recipe = load_recipe("small", {"canvas_px": 64, "towers.ssl.image_px": 56})
    language = parts.save_language(tmp_path / "language", chatml=True)

    whole = assemble(recipe, places={**places, "clip": clip, "language": language})

    assert whole.model.config.image_seq_length == 2 * 4 * 4
    assert "<|im_start|>" in whole.processor.chat_template
    assert whole.tokenizer.image_token == "<image>"


def test_a_saved_processor_pads_and_knows_images_as_the_recipe_says(places, tmp_path):
    from transformers import AutoProcessor

    whole = assemble(load_recipe("llava15-7b", SMALL), places=places)
    whole.processor.save_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)

    asked = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What colour?"}]}
    ]
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    found = processor(images=Image.new("RGB", (80, 40)), text=text, return_tensors="pt")

    assert processor.image_processor.do_pad
    assert (found["input_ids"] == whole.model.config.image_token_index).sum() == 32
    assert found["pixel_values"].shape == (1, 3, 56, 56)


@pytest.mark.parametrize(
    ("recipe", "features", "given", "told"),
    [
        ("tiny", "interleaved", {}, "recipe 'tiny' has a new language model, which `mmvp train`"),
        ("tiny", "clip", {"language": "x"}, "the shipped tiny:clip"),
        ("llava15-7b", "clip-control", {}, "has no tower 'control'; it has clip, ssl"),
        ("llava15-7b", "clip", {"moco": "x"}, "no part 'moco' to take from a place; expected one"),
    ],
)
def test_what_cannot_be_assembled_is_an_error(places, recipe, features, given, told):
    with pytest.raises(ValueError, match=told):
        assemble(load_recipe(recipe), features, places=given)


def test_a_tower_whose_grid_does_not_fit_is_an_error(places):
    with pytest.raises(ValueError, match="image_size is 50, expected a multiple of patch_size 14"):
        assemble(load_recipe("llava15-7b", {"canvas_px": 50}), "clip", places=places)
