"""The layout of the released checkpoint, as a small fake: every weight has its own place."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from flows.cli import main
from tasks.exporting.released import convert
from tasks.mof.towers import CLIP_STATS
from tests import lessons
from tests.tasks.test_mof_config import CANVAS_PX, TEXT
from tests.tasks.test_mof_loading import llama, vision_part
from tests.tasks.test_mof_processing import photo


def make_words():
    """A tokenizer that does not know of images, as the released one."""
    words = ["<unk>", "<s>", "</s>", "USER:", "ASSISTANT:", *lessons.HAT.split()]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture
def place(tmp_path):
    """A checkpoint with the released names, and the encoders that are not in it."""
    torch.manual_seed(0)
    tokenizer = make_words()
    words = len(tokenizer)
    language = llama(vocab_size=words)
    tensors = dict(language.state_dict())
    for start in ("mm_projector", "dino_mm_projector"):
        for layer, width in ((0, 32), (2, 48)):
            tensors[f"model.{start}.{layer}.weight"] = torch.randn(48, width)
            tensors[f"model.{start}.{layer}.bias"] = torch.randn(48)
    tensors["model.vision_tower.vision_tower.vision_model.embeddings.class_embedding"] = torch.ones(
        2
    )
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(2)
    folder = tmp_path / "MoF"
    folder.mkdir()
    names = sorted(tensors)
    for part in (0, 1):
        chosen = {name: tensors[name].contiguous() for name in names[part::2]}
        save_file(chosen, folder / f"model-0000{part + 1}-of-00002.safetensors")
    settings = {key: value for key, value in TEXT.items() if key != "model_type"}
    settings |= {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        "vocab_size": words,
        "rope_scaling": None,
        "image_aspect_ratio": "pad",
        "mm_hidden_size": 32,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    }
    (folder / "config.json").write_text(json.dumps(settings))
    for tower in ("clip", "dinov2"):
        vision_part(tower).save_pretrained(tmp_path / tower)
    tokenizer.save_pretrained(folder)
    return tmp_path, tensors


def towers_of(place):
    return str(place / "clip"), str(place / "dinov2")


def test_each_adapter_and_every_other_weight_has_its_own_place(place):
    place, tensors = place

    whole = convert(place / "MoF", *towers_of(place), dtype="float32")

    found = whole.model.state_dict()
    for tower, start in (("clip", "mm_projector"), ("dinov2", "dino_mm_projector")):
        for rest in ("0.weight", "0.bias", "2.weight", "2.bias"):
            ours = found[f"model.multi_modal_projector.projectors.{tower}.{rest}"]
            assert torch.equal(ours, tensors[f"model.{start}.{rest}"])
    inner = "model.language_model.layers.1.mlp.up_proj.weight"
    assert torch.equal(found[inner], tensors["model.layers.1.mlp.up_proj.weight"])
    words = tensors["lm_head.weight"].shape[0]
    assert torch.equal(found["lm_head.weight"][:words], tensors["lm_head.weight"])
    assert whole.model.config.image_token_index < found["lm_head.weight"].shape[0]
    towers = whole.model.config.vision_config.towers
    assert [(tower["name"], tower["feature_layer"]) for tower in towers] == [
        ("clip", -2),
        ("dinov2", -1),
    ]
    assert [tower["image_size"] for tower in towers] == [CANVAS_PX, CANVAS_PX]
    for tower in towers:
        assert tower["mean"] == list(CLIP_STATS[0]), "as its DINOv2 was fed"
        assert tower["std"] == list(CLIP_STATS[1])


def released_logits(place, tensors, whole, inputs, rope):
    """What the released code makes of the same weights: its steps one by one."""

    def adapted(features, start):
        first, second = (
            [tensors[f"model.{start}.{layer}.{kind}"] for kind in ("weight", "bias")]
            for layer in (0, 2)
        )
        return functional.linear(functional.gelu(functional.linear(features, *first)), *second)

    mean, std = (torch.tensor(each)[:, None, None] for each in CLIP_STATS)
    pixels = (inputs["pixel_values"] / 255 - mean) / std
    clip, dinov2 = (AutoModel.from_pretrained(folder) for folder in towers_of(place))
    features = [
        clip(pixels, output_hidden_states=True).hidden_states[-2][:, 1:],
        dinov2(pixels, output_hidden_states=True).hidden_states[-1][:, 1:],
    ]
    names = ("mm_projector", "dino_mm_projector")
    tokens = torch.stack([adapted(*each) for each in zip(features, names, strict=True)], 2)
    fields = {key: value for key, value in TEXT.items() if key != "model_type"}
    words = len(tensors["lm_head.weight"])
    language = LlamaForCausalLM(LlamaConfig(**fields | {"vocab_size": words} | rope)).eval()
    language.load_state_dict({k: t for k, t in tensors.items() if k in language.state_dict()})
    ids = inputs["input_ids"]
    is_image = ids == whole.model.config.image_token_index
    vectors = language.get_input_embeddings()(ids.masked_fill(is_image, 0))
    vectors = vectors.masked_scatter(is_image[..., None], tokens)
    return language(inputs_embeds=vectors).logits


@pytest.mark.parametrize(
    "rope", [{}, {"rope_theta": 500.0}, {"rope_scaling": {"type": "linear", "factor": 2.0}}]
)
@torch.no_grad()
def test_the_converted_model_says_what_the_released_code_says(place, rope):
    place, tensors = place
    settings = json.loads((place / "MoF" / "config.json").read_text())
    (place / "MoF" / "config.json").write_text(json.dumps(settings | rope))

    whole = convert(place / "MoF", *towers_of(place), dtype="float32")
    inputs = whole.processor(
        text=f"<image> {lessons.HAT}", images=photo(80, 60), return_tensors="pt"
    )
    logits = whole.model(**inputs).logits

    expected = released_logits(place, tensors, whole, inputs, rope)
    assert torch.allclose(logits[..., : expected.shape[-1]], expected, atol=1e-5)


def test_the_placeholder_has_a_row_that_is_the_mean_whatever_the_random_state(place):
    place, tensors = place
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made.append(convert(place / "MoF", *towers_of(place), dtype="float32").model)

    one, other = (model.state_dict() for model in made)
    assert all(torch.equal(one[name], other[name]) for name in one)
    known = len(tensors["lm_head.weight"])
    assert made[0].config.image_token_index == known
    new = one["lm_head.weight"][known:]
    mean = tensors["lm_head.weight"].mean(0)
    assert torch.allclose(new, mean.expand_as(new), atol=1e-6)


@pytest.mark.parametrize("aspect", ["pad", "square"])
def test_the_whole_image_is_shown_if_it_was_in_training(place, aspect):
    place, _ = place
    settings = json.loads((place / "MoF" / "config.json").read_text())
    (place / "MoF" / "config.json").write_text(
        json.dumps(settings | {"image_aspect_ratio": aspect})
    )

    processor = convert(place / "MoF", *towers_of(place)).processor
    canvas = processor.image_processor(Image.new("RGB", (80, 40)), return_tensors="pt")

    padding = canvas["pixel_values"][0, 0, 0, 0]
    assert padding == (122 if aspect == "pad" else 0), "the mean of CLIP, or the image"


def test_the_command_writes_a_folder_that_answers(place, tmp_path, capsys):
    place, _ = place
    clip, dinov2 = towers_of(place)
    arguments = ["convert", str(place / "MoF"), "--clip-tower", clip, "--ssl-tower", dinov2]

    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--to", str(tmp_path / "out"), "--dtype", "float32"])
    capsys.readouterr()

    assert ended.value.code == 0
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    model, info = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(info.values())
    picture = Image.new("RGB", (80, 60))
    parts = [{"type": "image", "image": picture}, {"type": "text", "text": lessons.HAT}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": parts}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert (inputs["input_ids"] == model.config.image_token_index).sum() == 32
    assert model.generate(**inputs, max_new_tokens=3).shape[0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: [t.pop(k) for k in list(t) if "dino_mm" in k],
            r"no weights model\.dino_mm_proj",
        ),
        (lambda t: t.pop("model.norm.weight"), r"missing: model\.norm\.weight"),
        (lambda t: t.update({"model.surprise": torch.ones(1)}), r"unexpected: model\.surprise"),
        (lambda t: t.pop("model.mm_projector.2.bias"), r"missing: projectors\.clip\.2\.bias"),
    ],
)
def test_another_layout_is_refused(place, change, message):
    place, tensors = place
    for file in (place / "MoF").glob("*.safetensors"):
        file.unlink()
    change(tensors)
    save_file({k: v.contiguous() for k, v in tensors.items()}, place / "MoF" / "model.safetensors")

    with pytest.raises(ValueError, match=message):
        convert(place / "MoF", *towers_of(place))


def test_pickled_weights_are_read_when_allowed(place):
    place, tensors = place
    for file in (place / "MoF").glob("*.safetensors"):
        file.unlink()
    torch.save(tensors, place / "MoF" / "pytorch_model-00001-of-00001.bin")

    with pytest.raises(
        ValueError, match=r"only pickled ones like pytorch_model-00001.*allow_pickle"
    ):
        convert(place / "MoF", *towers_of(place))
    whole = convert(place / "MoF", *towers_of(place), allow_pickle=True)

    assert {each.dtype for each in whole.model.parameters()} == {torch.bfloat16}
