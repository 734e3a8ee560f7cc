"""The layout of the released checkpoint, as a small fake: every weight has its own place."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from flows.cli import main
from tasks.exporting.released import convert
from tasks.mof.towers import CLIP_STATS
from tasks.training.words import make_tokenizer
from tests import lessons
from tests.tasks.test_mof_config import CANVAS_PX, TEXT
from tests.tasks.test_mof_loading import llama, vision_part


@pytest.fixture
def place(tmp_path):
    """A checkpoint with the released names, and the encoders that are not in it."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer(lessons.examples_of(6))
    tokenizer.add_tokens(["user", "assistant"])
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
