"""Models of every library: one vector an image whatever its neighbours, and the right one."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import open_clip
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from tasks.encoders import EncoderConfig, identify, load
from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.towers import Tower
from tests.small_models import SMALL, make_models, write_hub

LIBRARIES = [
    "tiny_clip",
    "tiny_ssl",
    "open_clip",
    "dinov2",
    "clip",
    "clip_vision",
    "timm",
    "convnet",
]


def embed(spec, images, **options):
    return load(EncoderConfig(spec=spec, **options)).embed(images)


def unit(rows):
    return torch.nn.functional.normalize(rows.float(), dim=-1).detach().numpy()


def same(ours, theirs):
    return np.allclose(ours, theirs, atol=2e-6)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A spec and the library's own model for each kind, with weights in folders."""
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    shapes = [(50, 70), (64, 64), (48, 48), (90, 33), (160, 200), (31, 400), (32, 32)] * 3
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


@pytest.fixture(scope="module")
def pixels(images):
    def of(spec):
        recipe = Recipe(**identify(EncoderConfig(spec=spec)).facts["recipe"])
        tower = Tower(torch.nn.Identity(), torch.nn.Identity(), recipe, torch.float32, None)
        return tower(torch.from_numpy(np.stack([fit(image, recipe) for image in images])))

    return of


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_row_is_the_same_bit_for_bit_whatever_came_with_it(models, images, name, dtype):
    encoder = load(EncoderConfig(spec=models[name][0], batch_images=8, dtype=dtype))

    together = encoder.embed(images)

    assert together.shape == (len(images), encoder.width)
    assert together.dtype == np.float32
    assert np.array_equal(encoder.embed(images[::-1]), together[::-1])
    assert np.array_equal(encoder.embed(images[:9]), together[:9])
    for row in (0, 5, 20):
        assert np.array_equal(encoder.embed([images[row]])[0], together[row])
        mates = [images[row]] * 3 + images[:4]
        assert np.array_equal(encoder.embed(mates)[2], together[row])


@pytest.mark.parametrize("name", LIBRARIES)
def test_rows_have_unit_length_and_differ(models, images, name):
    rows = embed(models[name][0], images)

    assert np.allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1, atol=1e-6)
    assert len(np.unique(rows, axis=0)) == len(images)


def test_no_images_are_no_rows(models):
    assert embed("tiny:clip", []).shape == (0, 96)


def test_open_clips_vector_is_its_own_encode_image(models, images):
    spec, model = models["open_clip"]
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
    )

    theirs = model.encode_image(
        torch.stack([transform(Image.fromarray(image)) for image in images]), normalize=True
    )

    ours, theirs = embed(spec, images), theirs.detach().numpy()
    fits = [image.shape == (32, 32, 3) for image in images]
    assert same(ours[fits], theirs[fits])
    assert np.abs(ours @ ours.T - theirs @ theirs.T).max() < 5e-3, "Pillow resized their noise"


def test_clips_vector_is_the_projected_one(models, images, pixels):
    spec, model = models["clip"]
    assert same(embed(spec, images), unit(model.get_image_features(pixels(spec)).pooler_output))

    spec, model = models["clip_vision"]
    assert same(embed(spec, images), unit(model(pixels(spec)).image_embeds))


def test_dinov2s_vector_is_the_cls_token_after_the_final_norm(models, images, pixels):
    spec, model = models["dinov2"]
    before = model(pixels(spec), output_hidden_states=True).hidden_states[-1]

    tokens = model.layernorm(before)

    assert same(embed(spec, images), unit(tokens[:, 0]))
    assert same(embed(spec, images, pooling="cls"), unit(tokens[:, 0]))
    assert same(embed(spec, images, pooling="mean"), unit(tokens[:, 1:].mean(1)))
    assert not same(embed(spec, images), unit(before[:, 0]))


def test_timms_vector_is_what_its_classifier_reads(models, images, pixels):
    for name in ("timm", "convnet"):
        spec, model = models[name]
        ours = embed(spec, images)
        model.reset_classifier(0)
        assert same(ours, unit(model(pixels(spec)))), name

    spec, model = models["timm"]
    tokens = model.forward_features(pixels(spec))
    assert same(embed(spec, images, pooling="cls"), unit(tokens[:, 0]))
    assert same(embed(spec, images, pooling="mean"), unit(tokens[:, 1:].mean(1)))


@pytest.mark.parametrize("name", ["open_clip", "dinov2", "clip", "clip_vision", "timm", "convnet"])
def test_another_input_side_is_another_encoder(models, images, name):
    spec = models[name][0]
    side = {"dinov2": 70, "timm": 192, "convnet": 192}.get(name, 48)

    small, large = (load(EncoderConfig(spec=spec, image_px=px)) for px in (None, side))

    assert large.recipe.crop_px == side
    assert small.identity.fingerprint != large.identity.fingerprint
    assert not np.allclose(small.embed(images[:4]), large.embed(images[:4]), atol=1e-3)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_is_part_of_the_name(models, pooling):
    spec = models["dinov2"][0]

    other = identify(EncoderConfig(spec=spec, pooling=pooling))

    assert other.fingerprint != identify(EncoderConfig(spec=spec)).fingerprint


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("tiny_clip", {"image_px": 64}, "has input of 48 px"),
        ("open_clip", {"pooling": "mean"}, "projected image embedding"),
        ("clip", {"pooling": "cls"}, "projected image embedding"),
        ("clip_vision", {"pooling": "mean"}, "projected image embedding"),
        ("dinov2", {"image_px": 60}, "no multiple"),
        ("convnet", {"pooling": "cls"}, "no CLS token"),
    ],
)
def test_what_a_model_cannot_do_is_refused(models, name, options, words):
    with pytest.raises(ValueError, match=words):
        load(EncoderConfig(spec=models[name][0], **options))


def test_a_folder_elsewhere_under_another_name_has_the_same_name(models, tmp_path):
    for name, library in {"dinov2": "hf:", "open_clip": "open_clip:local-dir:"}.items():
        spec = models[name][0]
        copy = shutil.copytree(spec.removeprefix(library), tmp_path / f"copy-{name}")

        assert identify(EncoderConfig(spec=f"{library}{copy}")) == identify(
            EncoderConfig(spec=spec)
        )


def test_a_file_in_place_of_a_folders_weights_is_the_same_encoder(models, images, tmp_path):
    spec = models["dinov2"][0]
    file = shutil.copy(f"{spec.removeprefix('hf:')}/model.safetensors", tmp_path / "w.safetensors")

    ours, theirs = (load(EncoderConfig(spec=s)) for s in (f"{spec}@{file}", spec))

    assert ours.identity == theirs.identity
    assert np.array_equal(ours.embed(images), theirs.embed(images))


@pytest.mark.parametrize(
    "spec", ["hf:{dinov2}/random", "open_clip:local-dir:{open_clip}/random", "timm:test_vit/random"]
)
def test_random_weights_are_repeatable_and_have_a_name_of_their_own(models, images, spec):
    folders = {n: models[n][0].rpartition(":")[2] for n in ("dinov2", "open_clip")}
    config = EncoderConfig(spec=spec.format(**folders))
    torch.manual_seed(3)
    state = torch.get_rng_state()

    one, two = load(config), load(config)

    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(one.embed(images[:4]), two.embed(images[:4]))
    assert one.identity.facts["weights"] == []
    assert "random" in one.identity.name


def test_heads_for_other_tasks_do_not_matter(models, images, tmp_path):
    model = transformers.Dinov2ForImageClassification(models["dinov2"][1].config)
    model.dinov2.load_state_dict(models["dinov2"][1].state_dict())
    model.save_pretrained(tmp_path / "classifier")
    assert same(embed(f"hf:{tmp_path}/classifier", images), embed(models["dinov2"][0], images))

    spec = models["timm"][0]
    state = load_file(spec.partition("@")[2])
    body = {k: v for k, v in state.items() if not k.startswith("head.")}
    other = {**body, "head.weight": torch.zeros(7, 64), "head.bias": torch.zeros(7)}
    for number, weights in enumerate((body, other)):
        file = tmp_path / f"{number}.safetensors"
        save_file(weights, file)
        assert np.array_equal(embed(f"timm:test_vit@{file}", images), embed(spec, images))


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("open_clip", "visual.ln_post.weight"),
        ("dinov2", "layernorm.weight"),
        ("clip", "visual_projection.weight"),
        ("timm", "norm.weight"),
    ],
)
def test_missing_and_misplaced_weights_are_named(models, tmp_path, name, missing):
    spec = models[name][0]
    stored = {"open_clip": "/open_clip_model.safetensors", "timm": ""}
    source = spec.partition("@")[2] or (
        spec.removeprefix("open_clip:").removeprefix("hf:").removeprefix("local-dir:")
        + stored.get(name, "/model.safetensors")
    )
    state = load_file(source)
    short = {k: v for k, v in state.items() if k != missing}
    longer = {**state, missing.replace("weight", "extra"): torch.zeros(1)}
    bent = {**state, missing: torch.zeros(3)}

    for number, weights in enumerate((short, longer, bent)):
        file = tmp_path / f"{number}.safetensors"
        save_file(weights, file)
        with pytest.raises(ValueError, match=missing.removeprefix("visual.").partition(".")[0]):
            load(EncoderConfig(spec=f"{spec.partition('@')[0]}@{file}"))


def test_vectors_without_direction_are_refused(tmp_path):
    state = load_file("tasks/encoders/shipped/tiny-clip.safetensors")
    image = np.zeros((48, 48, 3), np.uint8)
    for value, words in ((float("nan"), "not finite"), (0.0, "a zero vector")):
        state["visual.proj"][:] = value
        save_file(state, tmp_path / "w.safetensors")
        with pytest.raises(ValueError, match=rf"'tiny-clip-\w+' gives .*{words}.* image 1 of 2"):
            embed(f"tiny:clip@{tmp_path}/w.safetensors", [image, image])


def write_remote(folder, models):
    """A folder whose model is Python code beside it."""
    shutil.copytree(models["dinov2"][0].removeprefix("hf:"), folder)
    save_file(models["dinov2"][1].state_dict(), folder / "model.safetensors", {"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    settings["model_type"] = "homemade"
    settings["auto_map"] = {"AutoConfig": "code.HomeConfig", "AutoModel": "code.HomeModel"}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "code.py").write_text(
        "from transformers import Dinov2Config, Dinov2Model\n"
        "class HomeConfig(Dinov2Config):\n    model_type = 'homemade'\n"
        "class HomeModel(Dinov2Model):\n    config_class = HomeConfig\n"
    )
    return folder


def test_a_models_own_code_runs_only_when_trusted(models, images, tmp_path):
    folder = write_remote(tmp_path / "remote", models)

    with pytest.raises(ValueError, match="brings Python code of its own"):
        identify(EncoderConfig(spec=f"hf:{folder}"))
    trusted = EncoderConfig(spec=f"hf:{folder}", trust_remote_code=True)

    assert same(load(trusted).embed(images), embed(models["dinov2"][0], images))
    before = identify(trusted).fingerprint
    (folder / "code.py").write_text((folder / "code.py").read_text() + "# changed\n")
    assert identify(trusted).fingerprint != before


def test_a_model_type_nobody_knows_is_refused(models, tmp_path):
    folder = tmp_path / "unknown"
    shutil.copytree(models["dinov2"][0].removeprefix("hf:"), folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "model_type": "dinov9"}))

    with pytest.raises(
        ValueError, match="no model type of transformers is called 'dinov9'; did you"
    ):
        identify(EncoderConfig(spec=f"hf:{folder}"))


def test_a_masking_autoencoder_is_sent_to_timm(tmp_path):
    transformers.ViTMAEConfig(**SMALL).save_pretrained(tmp_path)

    with pytest.raises(ValueError, match="use timm's"):
        identify(EncoderConfig(spec=f"hf:{tmp_path}/random"))


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (transformers.CLIPImageProcessor(), (224, 224, "shortest", "bicubic")),
        (
            transformers.BitImageProcessor(size={"shortest_edge": 256}),
            (256, 224, "shortest", "bicubic"),
        ),
        (transformers.ViTImageProcessor(), (224, 224, "squash", "bilinear")),
        (transformers.SiglipImageProcessor(), (224, 224, "squash", "bicubic")),
        (None, (64, 56, "shortest", "bicubic")),
    ],
)
def test_preprocessing_is_what_the_folder_says(models, tmp_path, processor, expected):
    folder = tmp_path / "folder"
    shutil.copytree(models["dinov2"][0].removeprefix("hf:"), folder)
    if processor is not None:
        processor.save_pretrained(folder)

    recipe = load(EncoderConfig(spec=f"hf:{folder}")).recipe

    side = (recipe.resize_px, recipe.crop_px, recipe.resize, recipe.interpolation)
    assert side == expected
    if processor is not None:
        assert asdict(recipe)["mean"] == tuple(processor.image_mean)


def test_openai_weights_run_with_the_activation_they_were_trained_with(tmp_path):
    state = open_clip.create_model("RN50", load_weights=False).state_dict()
    save_file(state, tmp_path / "w.safetensors")

    facts = [
        identify(EncoderConfig(spec=f"open_clip:RN50{tag}@{tmp_path}/w.safetensors")).facts
        for tag in ("/openai", "")
    ]

    assert [f["architecture"].get("quick_gelu", False) for f in facts] == [True, False]


def test_what_is_in_the_hubs_cache_needs_no_network(models, images, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    dinov2 = models["dinov2"][0].removeprefix("hf:")
    clip = models["open_clip"][0].removeprefix("open_clip:local-dir:")
    names = ("config.json", "model.safetensors")
    write_hub(tmp_path, "org/small", {name: f"{dinov2}/{name}" for name in names})
    names = ("open_clip_config.json", "open_clip_model.safetensors")
    write_hub(tmp_path, "org/clip", {name: f"{clip}/{name}" for name in names})
    vit = models["timm"][0].partition("@")[2]
    write_hub(tmp_path, "timm/test_vit.r160_in1k", {"model.safetensors": vit})

    for name, spec in {
        "dinov2": "hf:org/small",
        "open_clip": "open_clip:hf-hub:org/clip",
        "timm": "timm:test_vit",
    }.items():
        cached, local = (load(EncoderConfig(spec=s)) for s in (spec, models[name][0]))
        assert cached.identity.fingerprint == local.identity.fingerprint
        assert np.array_equal(cached.embed(images[:4]), local.embed(images[:4]))
    assert identify(EncoderConfig(spec="hf:org/small")).name.startswith("hf-org-small-")


def test_a_tag_and_its_file_are_the_same_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"weights")
    write_hub(tmp_path, "timm/resnet50_clip.openai", {"open_clip_model.safetensors": file})

    tag, given = (
        identify(EncoderConfig(spec=f"open_clip:RN50/openai{f}")) for f in ("", f"@{file}")
    )

    assert tag == given
