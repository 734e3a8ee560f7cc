"""What vLLM's transformers backend asks of a model and its processor; vLLM itself is not run.

Source: vLLM's `vllm/model_executor/models/transformers/multimodal.py`. It counts the tokens of an
image, finds them in the text, and calls the model without its head.
"""

import pytest
import torch
from PIL import Image
from transformers import AutoModel

from tasks.exporting.model import make_processor
from tasks.training.words import IMAGE, make_tokenizer
from tests import lessons
from tests.tasks.test_mof_config import TEXT, tiny_config
from tests.tasks.test_mof_model import MODES
from tests.tasks.test_mof_processing import photo

SIZES = ((56, 56), (120, 60), (300, 1000))


def parts_of(mode):
    """A processor, and a model as vLLM makes it: without weights of the head."""
    tokenizer = make_tokenizer(lessons.examples_of(6))
    config = tiny_config(
        mode=mode, image_token_index=IMAGE, text={**TEXT, "vocab_size": len(tokenizer)}
    )
    return make_processor(config, tokenizer), AutoModel.from_config(config).eval()


@pytest.mark.parametrize("mode", MODES)
def test_the_processor_counts_an_images_tokens_and_says_where_they_are(mode):
    processor, model = parts_of(mode)
    tokens = model.config.image_seq_length

    counted = processor._get_num_multimodal_tokens(image_sizes=[size[::-1] for size in SIZES])
    inputs = processor(
        text="".join(f"{processor.image_token}{lessons.HAT}" for _ in SIZES),
        images=[photo(*size) for size in SIZES],
        return_text_replacement_offsets=True,
        return_mm_token_type_ids=True,
        return_tensors="pt",
    )

    assert counted["num_image_tokens"] == [tokens] * len(SIZES)
    assert counted["num_image_patches"] == [1] * len(SIZES)
    assert len(inputs["pixel_values"]) == len(SIZES), "rows of the one key are images"
    images = inputs["input_ids"] == model.config.image_token_index
    assert images.sum() == tokens * len(SIZES)
    assert torch.equal(torch.as_tensor(inputs["mm_token_type_ids"]) == 1, images)
    places = inputs["text_replacement_offsets"][0]
    assert [each["type"] for each in places] == ["image"] * len(SIZES)
    for each in places:
        ids = processor.tokenizer(each["replacement"], add_special_tokens=False)["input_ids"]
        assert ids == [model.config.image_token_index] * tokens


@pytest.mark.parametrize("mode", MODES)
def test_the_model_without_a_head_gives_one_row_of_tokens_an_image(mode):
    processor, model = parts_of(mode)
    picture = Image.new("RGB", (70, 60))
    pixels = processor.image_processor([picture] * 3, return_tensors="pt")["pixel_values"]

    with torch.no_grad():
        found = model.get_image_features(pixels, return_dict=True).pooler_output

    expected = (model.config.image_seq_length, model.config.text_config.hidden_size)
    assert [tuple(each.shape) for each in found] == [expected] * 3


def test_the_parts_that_are_looked_for_are_found():
    with torch.device("meta"):
        model = AutoModel.from_config(tiny_config())

    assert model.get_encoder(modality="image") is model.vision_tower
    assert model.get_decoder() is model.language_model
    assert model.config.get_text_config() is model.config.text_config
    assert model._supports_attention_backend
    assert model._tp_plan
