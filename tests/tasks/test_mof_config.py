"""What a Mixture-of-Features config fills in, refuses, keeps; tiny parts for the other files."""

import pytest
from transformers import AutoConfig, CLIPVisionConfig

from tasks.mof import MofConfig, MofVisionConfig

IMAGE, PAD, BOS, EOS = 5, 0, 1, 2
CANVAS_PX = 56

_BLOCKS = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "patch_size": 14}
_SMALL = {**_BLOCKS, "intermediate_size": 64, "image_size": CANVAS_PX}
VISION = {
    "clip": {"model_type": "clip_vision_model", **_SMALL},
    "dinov2": {"model_type": "dinov2", **_BLOCKS, "image_size": 98},
    "registers": {
        "model_type": "dinov2_with_registers",
        **_BLOCKS,
        "image_size": 98,
        "num_register_tokens": 4,
    },
    "siglip": {"model_type": "siglip_vision_model", **_SMALL},
    "mae": {"model_type": "vit_mae", **_SMALL},
    "moco": {"model_type": "vit", **_SMALL},
    "dinov3": {"model_type": "dinov3_vit", **_SMALL, "num_register_tokens": 4},
}
TEXT = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
CLIP_ONLY, SSL_ONLY, BOTH = ("clip",), ("dinov2",), ("clip", "dinov2")


def tower(name, **changes):
    """A tower with random weights, on a grid of 4 x 4 tokens of width 32."""
    return {"name": name, "config": VISION[name], **changes}


TIMM = {
    "name": "timm",
    "config": {
        "model_type": "timm_wrapper",
        "architecture": "test_vit",
        "num_features": 64,
        "model_args": {"img_size": 64},
    },
    "image_size": 64,
    "patch_size": 16,
    "feature_layer": -1,
}
FAMILIES = {
    **{name: tower(name) for name in VISION},
    "clip at 112 px": tower("clip", image_size=112),
    "mae at 70 px": tower("mae", image_size=70),
    "timm": TIMM,
}


def stored(name, **changes):
    """A precomputed tower."""
    return {"name": name, "hidden_size": 32, "grid_size": 4, **changes}


def tiny_config(*towers, grid_size=None, text=TEXT, **options):
    """A config of towers given by name or as dicts: CLIP and DINOv2 if none are."""
    chosen = [tower(each) if isinstance(each, str) else each for each in towers or BOTH]
    vision = {"canvas_size": CANVAS_PX, "grid_size": grid_size, "towers": chosen}
    options = {"image_token_index": IMAGE, **options}
    return MofConfig(vision_config=vision, text_config=text, **options)


def towers_of(*towers):
    return tiny_config(*towers).vision_config.towers


def test_the_default_is_the_papers_model():
    config = MofConfig()

    towers = config.vision_config.towers
    assert config.mode == "interleaved"
    assert [each["name"] for each in towers] == ["clip", "dinov2"]
    assert [each["feature_layer"] for each in towers] == [-2, -1]
    assert [each["image_size"] for each in towers] == [224, 224]
    assert [each["hidden_size"] for each in towers] == [1024, 1024]
    assert config.vision_config.grid_size == 16
    assert config.image_seq_length == 512


@pytest.mark.parametrize(
    ("mode", "names", "tokens"),
    [
        ("interleaved", BOTH, 32),
        ("append", BOTH, 32),
        ("additive", BOTH, 16),
        ("concat", BOTH, 16),
        ("interleaved", ("clip", "dinov2", "siglip"), 48),
        ("interleaved", CLIP_ONLY, 16),
        ("append", SSL_ONLY, 16),
    ],
)
def test_the_tokens_of_an_image_follow_from_mode_and_grid(mode, names, tokens):
    assert tiny_config(*names, mode=mode).image_seq_length == tokens
    assert tiny_config(*names, mode=mode, grid_size=2).image_seq_length == tokens // 4


def test_a_tower_takes_its_blanks_from_its_config():
    (clip,) = towers_of(tower("clip"))

    assert (clip["image_size"], clip["patch_size"], clip["hidden_size"]) == (56, 14, 32)
    assert (clip["grid_size"], clip["feature_layer"], clip["feature_norm"]) == (4, -2, "none")
    assert clip["mean"] == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-4)
    assert towers_of("dinov2")[0]["mean"] == [0.485, 0.456, 0.406]
    assert towers_of("siglip")[0]["std"] == [0.5, 0.5, 0.5]


def test_a_config_is_given_as_a_dict_or_as_an_object():
    fields = {key: VISION["clip"][key] for key in VISION["clip"] if key != "model_type"}
    as_object = {"name": "clip", "config": CLIPVisionConfig(**fields, dtype="float16")}

    assert towers_of(as_object) == towers_of("clip")


def test_what_was_given_is_left_as_it_was():
    given = tower("mae")

    tiny_config(given)

    assert given == tower("mae")
    assert "mask_ratio" not in given["config"]


def test_a_precomputed_tower_keeps_where_it_comes_from():
    (clip,) = towers_of(stored("clip", image_size=56, patch_size=14, feature_layer=-2))

    assert clip["config"] is None
    assert (clip["image_size"], clip["feature_layer"], clip["mean"]) == (56, -2, None)


def test_a_precomputed_tower_may_give_sizes_for_its_grid():
    (clip,) = towers_of({"name": "clip", "hidden_size": 32, "image_size": 56, "patch_size": 14})

    assert clip["grid_size"] == 4


def test_the_grid_is_the_first_towers_unless_said_otherwise():
    towers = (stored("a", grid_size=3), stored("b", grid_size=5))

    assert tiny_config(*towers).vision_config.grid_size == 3
    assert tiny_config(*towers, grid_size=5).vision_config.grid_size == 5


def test_the_share_goes_to_all_towers_after_the_first():
    three = ("clip", "dinov2", "siglip")

    assert tiny_config(mode="additive", ssl_share=0.25).mixing_weights == [0.75, 0.25]
    assert tiny_config(*three, mode="additive", ssl_share=0.5).mixing_weights == [0.5, 0.25, 0.25]
    assert tiny_config("dinov2", mode="additive", ssl_share=0.25).mixing_weights == [1.0]


@pytest.mark.parametrize(
    ("towers", "words"),
    [
        ([], ["towers", "[]", "a list of one tower or more"]),
        (["clip"], ["towers[0]", "'clip'", "a dict with the fields name"]),
        ([{"config": None}], ["towers[0].name", "None"]),
        ([stored("a.b")], ["towers[0].name", "'a.b'", "letters"]),
        ([stored("a"), stored("a")], ["towers", "['a', 'a']", "names that differ"]),
        ([stored("a", layer=-2)], ["a field of towers[0]", "'layer'", "feature_layer"]),
        ([stored("a", hidden_size=None)], ["tower 'a': hidden_size", "None", "precomputed"]),
        ([stored("a", grid_size=None)], ["tower 'a': grid_size", "None", "precomputed"]),
        ([stored("a", grid_size=0)], ["tower 'a': grid_size", "0", "at least 1"]),
        ([stored("a", image_size="56", patch_size=14)], ["tower 'a': image_size", "'56'"]),
        ([stored("a", feature_norm="rms")], ["feature_norm", "'rms'", "none, layernorm"]),
        ([stored("a", mean=[0.5])], ["tower 'a': mean", "[0.5]", "three numbers"]),
        ([stored("a", std=[0.5, 0, 0.5])], ["tower 'a': std", "positive"]),
        ([tower("clip", config="ViT")], ["tower 'clip': config", "'ViT'"]),
        ([tower("clip", config={})], ["tower 'clip': config.model_type", "None"]),
        ([tower("clip", config={"model_type": "cilp"})], ["config.model_type", "'cilp'"]),
        ([tower("clip", config={"model_type": "clip"})], ["config.model_type", "vision_config"]),
        ([tower("clip", config={**VISION["clip"], "patch_size": "x"})], ["'clip'", "'patch_size'"]),
        ([tower("clip", hidden_size=16)], ["tower 'clip': hidden_size", "16", "32"]),
        ([tower("clip", patch_size=16)], ["tower 'clip': patch_size", "16", "14"]),
        ([tower("clip", grid_size=5)], ["tower 'clip': grid_size", "5", "4"]),
        ([tower("clip", image_size=60)], ["tower 'clip': image_size", "60", "patch_size 14"]),
        ([tower("clip", feature_layer=4)], ["tower 'clip': feature_layer", "4", "-4 to 3"]),
        ([tower("clip", feature_layer="last")], ["tower 'clip': feature_layer", "'last'"]),
    ],
)
def test_a_bad_tower_is_refused_by_the_name_of_its_field(towers, words):
    with pytest.raises(ValueError, match="expected") as refused:
        MofVisionConfig(canvas_size=CANVAS_PX, towers=towers)

    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "interleave"}, ["mode", "'interleave'", "interleaved, append"]),
        ({"ssl_share": 1.5}, ["ssl_share", "1.5", "[0, 1]"]),
        ({"ssl_share": "half"}, ["ssl_share", "'half'"]),
        ({"ssl_share": True}, ["ssl_share", "True"]),
        ({"projector_layers": 0}, ["projector_layers", "0"]),
        ({"projector_hidden_act": "gleu"}, ["projector_hidden_act", "'gleu'", "gelu"]),
        ({"image_seq_length": 576}, ["image_seq_length", "576", "32"]),
        ({"grid_size": 0}, ["grid_size", "0"]),
    ],
)
def test_a_bad_model_is_refused_by_the_name_of_its_field(options, words):
    with pytest.raises(ValueError, match="expected") as refused:
        tiny_config(**options)

    for word in words:
        assert word in str(refused.value)


def test_a_bad_canvas_is_refused():
    with pytest.raises(ValueError, match="canvas_size is 0, expected"):
        MofVisionConfig(canvas_size=0, towers=[stored("a")])


def test_features_of_different_width_cannot_be_added():
    towers = (stored("a", hidden_size=32), stored("b", hidden_size=48))

    tiny_config(*towers, mode="concat")
    with pytest.raises(ValueError, match=r"hidden_size is \{'a': 32, 'b': 48\}, expected one"):
        tiny_config(*towers, mode="additive")


def test_only_a_tower_with_a_config_has_a_transformers_config():
    vision = tiny_config("clip", stored("b")).vision_config

    assert vision.precomputed == ["b"]
    assert vision.tower_config("clip").hidden_size == 32
    with pytest.raises(ValueError, match="tower is 'b', expected one with a config: clip"):
        vision.tower_config("b")


def test_a_config_comes_back_from_its_file_as_it_was(tmp_path):
    towers = (*VISION, stored("stored", feature_norm="layernorm"))
    config = tiny_config(*towers, mode="append", ssl_share=0.75, grid_size=5, projector_layers=3)

    config.save_pretrained(tmp_path)
    read = AutoConfig.from_pretrained(tmp_path)

    assert type(read) is MofConfig
    assert type(read.vision_config) is MofVisionConfig
    assert read.to_diff_dict() == config.to_diff_dict()
    assert read.vision_config.towers == config.vision_config.towers


def test_all_towers_can_be_shown_the_pixels_of_one():
    towers = [tower("clip"), tower("dinov2"), stored("kept")]

    shown = MofVisionConfig(canvas_size=CANVAS_PX, towers=towers, reference_pixels="clip")
    again = MofVisionConfig.from_dict(shown.to_dict())

    clip, dinov2, kept = again.towers
    assert dinov2["mean"] == clip["mean"] == towers_of("clip")[0]["mean"]
    assert dinov2["std"] == clip["std"] != towers_of("dinov2")[0]["std"]
    assert kept["mean"] is None
    assert again.to_dict() == shown.to_dict()


@pytest.mark.parametrize("name", ["siglip", "kept"])
def test_pixels_of_a_tower_that_sees_none_cannot_be_shared(name):
    with pytest.raises(ValueError, match=f"reference_pixels is '{name}', expected a tower with a"):
        MofVisionConfig(
            canvas_size=CANVAS_PX, towers=[tower("clip"), stored("kept")], reference_pixels=name
        )
