"""Training a model: what each stage changes, what it does not, and the same bits twice."""

import pytest
import torch

from tasks.mof import MofForConditionalGeneration
from tasks.training.loop import learn_language, make_model, train_model
from tasks.training.recipe import TOWERS, TrainConfig, Variant
from tasks.training.words import Encoder, make_tokenizer
from tests import lessons

COUNT = 24
EXAMPLES, FEATURES = lessons.examples_of(COUNT), lessons.features_of(COUNT)
CLIP = Variant("clip", None, 0)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(EXAMPLES)


@pytest.fixture(scope="module")
def language(tokenizer):
    """A language model's weights after two steps."""
    return learn_language(EXAMPLES, tokenizer, lessons.CONFIG, seed=0)[0]


@pytest.fixture
def make(tokenizer, language):
    def make(variant, config=lessons.CONFIG):
        return make_model(variant, config, FEATURES, tokenizer, language)

    return make


@pytest.fixture
def train(make, tokenizer):
    def train(variant, config=lessons.CONFIG):
        model = make(variant, config)
        losses = train_model(model, variant, config, FEATURES, EXAMPLES, tokenizer)
        return model, losses

    return train


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def logits_of(model, variant, tokenizer, features=FEATURES):
    encoder = Encoder(tokenizer, model.config.image_seq_length)
    ids = torch.tensor([encoder.prompt(lessons.HAT)] * 2)
    tokens = [features[role][:2].float() for role in TOWERS[variant.features]]
    with torch.inference_mode():
        return model(input_ids=ids, image_features=tokens).logits


def test_the_language_model_learns_the_texts(tokenizer, monkeypatch):
    monkeypatch.setattr("tasks.training.recipe.TOLD_STEPS", 5)
    config = TrainConfig(**lessons.CONFIG.model_dump() | {"language_steps": 30})

    _, losses = learn_language(EXAMPLES, tokenizer, config, seed=0)

    assert losses[-1] < losses[0] - 0.2


def test_the_language_model_of_a_seed_is_always_the_same(tokenizer, language):
    torch.rand(3)
    again, _ = learn_language(EXAMPLES, tokenizer, lessons.CONFIG, seed=0)
    other, _ = learn_language(EXAMPLES, tokenizer, lessons.CONFIG, seed=1)

    assert changed(language, again) == set()
    assert changed(language, other)


def test_a_model_begins_with_the_trained_language_model(make, language):
    state = make(CLIP).state_dict()

    assert torch.equal(state["lm_head.weight"], language["lm_head.weight"])
    for name, value in language.items():
        if name.startswith("model."):
            inner = name.removeprefix("model.")
            assert torch.equal(state[f"model.language_model.{inner}"], value), name


def test_models_of_a_seed_begin_with_the_same_adapters(make):
    one, again, other = (state_of(make(Variant("clip", None, seed))) for seed in (0, 0, 1))

    assert changed(one, again) == set()
    assert changed(one, other)
    assert all("multi_modal_projector" in name for name in changed(one, other))


@pytest.mark.parametrize(
    ("variant", "tokens", "adapters"),
    [
        (CLIP, 4, {"clip"}),
        (Variant("ssl", None, 0), 4, {"ssl"}),
        (Variant("additive", 0.25, 0), 4, {"shared"}),
        (Variant("interleaved", None, 0), 8, {"clip", "ssl"}),
        (Variant("clip-control", None, 0), 4, {"control"}),
    ],
)
def test_a_mixture_is_trained_and_saved(variant, tokens, adapters, train, tokenizer, tmp_path):
    model, losses = train(variant)
    model.save_pretrained(tmp_path)

    loaded = MofForConditionalGeneration.from_pretrained(tmp_path)

    assert model.config.image_seq_length == tokens
    assert set(model.model.multi_modal_projector.projectors) == adapters
    assert losses.keys() == {"adapter", "instruct"}
    assert not model.training
    expected = logits_of(model, variant, tokenizer)
    assert torch.equal(logits_of(loaded, variant, tokenizer), expected)


def test_each_stage_changes_what_it_should(train, monkeypatch):
    states = []

    def set_stage(model, stage):
        states.append(state_of(model))
        return choose(model, stage)

    choose = MofForConditionalGeneration.set_stage
    monkeypatch.setattr(MofForConditionalGeneration, "set_stage", set_stage)
    model, _ = train(Variant("interleaved", None, 0))

    first, middle, last = *states, state_of(model)
    adapters = {name for name in first if "multi_modal_projector" in name}
    assert changed(first, middle) == adapters
    assert changed(middle, last) == set(first)


def test_the_encoders_tokens_stay_as_they_are(train):
    before = {role: tokens.clone() for role, tokens in FEATURES.items()}

    train(Variant("additive", 0.5, 0))

    assert changed(before, FEATURES) == set()


def test_the_same_seed_gives_the_same_bits(train):
    variant = Variant("additive", 0.5, 0)
    (one, losses), (again, same), (other, _) = (
        train(v) for v in (variant, variant, variant._replace(seed=1))
    )

    assert changed(state_of(one), state_of(again)) == set()
    assert losses == same
    assert changed(state_of(one), state_of(other))


def test_an_additive_mixture_of_clip_alone_is_clip(make, tokenizer):
    """With the same weights; only the adapter's name differs."""
    clip, additive = make(CLIP), make(Variant("additive", 0.0, 0))
    state = {name.replace(".clip.", ".shared."): v for name, v in clip.state_dict().items()}
    additive.load_state_dict(state)

    expected = logits_of(clip, CLIP, tokenizer)

    other = {**FEATURES, "ssl": torch.full_like(FEATURES["ssl"], torch.inf)}
    for features in (FEATURES, other):
        variant = Variant("additive", 0.0, 0)
        assert torch.equal(logits_of(additive, variant, tokenizer, features), expected)


def test_without_captions_the_adapters_learn_from_the_questions(make, tokenizer):
    silent = [
        type(one)(image=one.image, paths=(), caption=None, turns=one.turns) for one in EXAMPLES
    ]
    model = make(CLIP)
    before = state_of(model)

    train_model(model, CLIP, lessons.CONFIG, FEATURES, silent, tokenizer)

    assert any("multi_modal_projector" in name for name in changed(before, state_of(model)))


def test_tokens_that_are_no_square_are_refused(tokenizer, language):
    features = {"clip": torch.zeros(2, 5, 8)}

    with pytest.raises(ValueError, match="'clip' are 5 an image; expected a square grid"):
        make_model(CLIP, lessons.CONFIG, features, tokenizer, language)


def test_a_model_learns_what_its_tokens_tell(train, tokenizer, monkeypatch):
    """The hat is in the tokens of the self-supervised encoder and not in those of CLIP."""
    monkeypatch.setattr("tasks.training.recipe.TOLD_STEPS", 20)
    right = {}

    for variant in (CLIP, Variant("ssl", None, 0)):
        model, losses = train(variant, lessons.longer())
        assert losses["instruct"][-1] < losses["instruct"][0] - 0.2
        right[variant.features] = hats_right(model, variant, tokenizer)

    assert right["ssl"] > 0.9
    assert right["clip"] < 0.8


def hats_right(model, variant, tokenizer):
    """The share of the examples whose hat the model tells, by the likelier word."""
    encoder = Encoder(tokenizer, model.config.image_seq_length)
    ids = torch.tensor([encoder.prompt(lessons.HAT)] * COUNT)
    tokens = [FEATURES[role].float() for role in TOWERS[variant.features]]
    with torch.inference_mode():
        logits_NV = model(input_ids=ids, image_features=tokens).logits[:, -1]
    words = [encoder.encode(answer)[0] for answer in ("no", "yes")]
    said_N = logits_NV[:, words].argmax(1)
    return (said_N == torch.arange(COUNT) % 2).float().mean().item()
