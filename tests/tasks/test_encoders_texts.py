"""Text towers of dual encoders: each family's vectors are its library's own."""

import shutil

import numpy as np
import open_clip
import pytest
import torch
import transformers

from tasks.encoders import (
    EncoderConfig,
    count_parameters,
    has_texts,
    identify,
    identify_texts,
    load,
    load_texts,
)
from tasks.published.imagenet import published_imagenet
from tests import dual

FAMILIES = (*dual.HF, *dual.OPEN_CLIP)
TEXTS = ["a red car", "one duck left of a blue hat", "hatless", "two", "a photo of a duck"]
LONG = " ".join(["red"] * 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("dual")
    return {family: dual.write(family, root / family) for family in FAMILIES}


def config(spec, **options):
    return EncoderConfig(spec=spec, **options)


def unit(rows):
    return torch.nn.functional.normalize(rows.double(), dim=-1).detach().numpy()


def theirs(family, spec, model, texts):
    """What the library itself makes of the texts, its own way of padding included."""
    place = spec.partition(":")[2]
    with torch.no_grad():
        if family in dual.OPEN_CLIP:
            tokens = open_clip.get_tokenizer(place)(texts)
            return unit(model.encode_text(tokens))
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        if family == "siglip":
            ids = tokenizer(texts, padding="max_length", max_length=dual.LENGTH, truncation=True)
            return unit(model.get_text_features(torch.tensor(ids.input_ids)).pooler_output)
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        tokens.pop("token_type_ids", None)
        return unit(model.get_text_features(**tokens).pooler_output)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texts_vector_is_the_librarys_own(models, family):
    spec, model = models[family]
    texts = [*TEXTS, LONG]

    ours = load_texts(config(spec)).embed(texts)

    assert ours.dtype == np.float32
    assert ours.shape[1] == load(config(spec)).width
    assert np.abs(ours - theirs(family, spec, model, texts)).max() < 2e-6
    assert len(np.unique(ours.round(4), axis=0)) == len(texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_does_not_depend_on_its_neighbours(models, family):
    texts = load_texts(config(models[family][0]))

    together = texts.embed(TEXTS)

    assert np.array_equal(texts.embed(TEXTS[::-1])[::-1], together)
    assert np.array_equal(texts.embed(TEXTS[2:3])[0], together[2])
    assert np.abs(texts.embed(TEXTS, at_once=3) - together).max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_counted_by_tower_without_weights(models, family, tmp_path):
    spec, model = models[family]

    found = count_parameters(config(spec))

    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    images = ("visual.", "vision_model.", "visual_projection.")
    neither = ("logit_", "temperature", "text_decoder.")
    assert found.total == sum(sizes.values())
    assert found.image == sum(n for name, n in sizes.items() if name.startswith(images))
    left = sum(n for name, n in sizes.items() if name.startswith(neither))
    assert found.text == found.total - found.image - left


@pytest.mark.parametrize(
    "name",
    [
        *("ViT-L-14/openai", "ViT-SO400M-14-SigLIP/webli", "EVA01-g-14/laion400m_s11b_b41k"),
        *("RN50/openai", "coca_ViT-B-32/laion2b_s13b_b90k"),
    ],
)
def test_counts_of_packaged_models_are_the_published_ones(name):
    row = published_imagenet(f"open_clip:{name}")

    found = count_parameters(config(f"open_clip:{name.partition('/')[0]}/random"))

    assert found.total / 1e6 == pytest.approx(row.parameters_millions, abs=0.006)


@pytest.mark.parametrize("name", ["clip", "clip-control"])
def test_the_tiny_clips_parameters_are_those_of_its_file(name):
    found = count_parameters(config(f"tiny:{name}"))

    assert found.total == found.image + found.text + 1
    assert min(found.image, found.text) > 10_000
    assert count_parameters(config("tiny:ssl")).text is None


@pytest.mark.parametrize("family", ["clip", "open_clip-custom"])
def test_another_tokenizer_is_another_text_tower_of_the_same_encoder(models, family, tmp_path):
    spec = models[family][0]
    start, slash, folder = spec.partition("/")
    copy = shutil.copytree(slash + folder, tmp_path / "copy")
    moved = config(f"{start}{copy}")
    assert identify_texts(moved) == identify_texts(config(spec))

    file = copy / "tokenizer.json"
    file.write_text(file.read_text().replace('"red"', '"rot"'))

    assert identify(moved) == identify(config(spec))
    assert identify_texts(moved).name == identify(moved).name
    assert identify_texts(moved).fingerprint != identify_texts(config(spec)).fingerprint


@pytest.mark.parametrize("family", ["siglip", "open_clip-custom"])
def test_a_folder_without_its_tokenizer_is_told_so(models, family, tmp_path):
    start, slash, folder = models[family][0].partition("/")
    copy = shutil.copytree(slash + folder, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    spec = f"{start}{copy}"

    for ask in (identify_texts, load_texts):
        with pytest.raises(ValueError, match=f"of encoder '{spec}' has no tokenizer"):
            ask(config(spec))
    assert load(config(spec)).embed([np.zeros((32, 32, 3), np.uint8)]).shape[0] == 1


def test_a_tokenizer_of_the_hub_that_cannot_be_had_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'timm/ViT-B-16-SigLIP', which encoder .* needs"):
        identify_texts(config("open_clip:ViT-B-16-SigLIP/random"))


def test_a_model_of_images_alone_has_no_text_tower(models, tmp_path):
    _, clip = models["clip"]
    transformers.CLIPVisionModelWithProjection(clip.config.vision_config).save_pretrained(tmp_path)
    spec = f"hf:{tmp_path}"

    assert not has_texts(config(spec))
    with pytest.raises(ValueError, match=f"encoder '{spec}' has no text tower to ask"):
        load_texts(config(spec))
    assert count_parameters(config(spec)).text is None


def test_a_model_that_reads_but_does_not_match_has_no_text_tower(tmp_path):
    text = {**dual.SMALL, "vocab_size": 20, "num_key_value_heads": 2}
    llava = transformers.LlavaConfig(
        text_config=transformers.LlamaConfig(**text),
        vision_config=transformers.CLIPVisionConfig(**dual.VISION),
        image_token_index=19,
    )
    llava.save_pretrained(tmp_path)
    dual.tokenizer().save_pretrained(tmp_path)

    with pytest.raises(ValueError, match="does not match texts to images"):
        load_texts(config(f"hf:{tmp_path}/random"))


def test_missing_weights_of_a_text_tower_are_named(models, tmp_path):
    from safetensors.torch import load_file, save_file

    spec = models["open_clip"][0]
    place = spec.removeprefix("open_clip:local-dir:")
    state = load_file(f"{place}/open_clip_model.safetensors")
    del state["ln_final.weight"]
    save_file(state, tmp_path / "w.safetensors")

    with pytest.raises(ValueError, match=r"missing: ln_final\.weight"):
        load_texts(config(f"{spec}@{tmp_path}/w.safetensors"))


def test_no_text_is_refused():
    with pytest.raises(ValueError, match="no text at all"):
        load_texts(config("tiny:clip")).embed([])
