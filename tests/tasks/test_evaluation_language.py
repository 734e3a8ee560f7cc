"""Asking a language model: likelihoods, its own words, and bits that depend on nothing else."""

import pytest
import torch

from tasks.evaluation import jobs
from tasks.evaluation.asking import FREE, GREEDY, LIKELIER, OPTION_LOGPROB, Asked
from tasks.evaluation.jobs import Sitting, ask_models
from tasks.evaluation.language import ROWS, LanguageModel
from tasks.evaluation.ways import way_named
from tasks.training.recipe import Variant
from tests import lessons

COUNT = 24
TOKENS = {
    role: {f"image{number:03}": row for number, row in enumerate(rows)}
    for role, rows in lessons.features_of(COUNT).items()
}
BOTH = (LIKELIER, GREEDY)


def ask_of(number, question=lessons.HAT, options=("yes", "no")):
    return Asked(f"q{number}", f"image{number:03}", (), question, options)


HATS = [ask_of(number) for number in range(COUNT)]
KINDS = [
    asked._replace(question_id=f"k{number}", question=lessons.KIND, options=("car", "red duck"))
    for number, asked in enumerate(HATS)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that sees hats."""
    place = tmp_path_factory.mktemp("models") / "ssl"
    return lessons.learn(Variant("ssl", None, 0), lessons.longer(), place, count=COUNT)


@pytest.fixture(scope="module")
def model(folder):
    return LanguageModel(folder)


def test_a_model_says_what_it_sees_under_both_protocols(model):
    expected = ["yes" if number % 2 else "no" for number in range(COUNT)]

    for manner in BOTH:
        replies = model.ask(manner, HATS, TOKENS)

        assert [reply.question_id for reply in replies] == [asked.question_id for asked in HATS]
        assert [reply.response for reply in replies] == expected, manner


def logprob_of(model, asked, option):
    """The log-probability of an option and its end, a token at a time and in float64."""
    ids, said = model.encoder.prompt(asked.question), model.encoder.answer(option)
    features = [TOKENS["ssl"][asked.image][None].float()]
    total = 0.0
    for token in said:
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([ids]), image_features=features).logits
        total += logits[0, -1].double().log_softmax(-1)[token].item()
        ids = [*ids, token]
    return total


@pytest.mark.parametrize(
    "asked", [HATS[3], KINDS[4], ask_of(5, "What is red", ("red cup car", "zebra"))]
)
def test_scores_are_the_log_probabilities_of_the_options(model, asked):
    (reply,) = model.ask(LIKELIER, [asked], TOKENS)

    expected = [logprob_of(model, asked, option) for option in asked.options]
    assert reply.scores == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert reply.choice == asked.options[expected.index(max(expected))]
    assert reply.response == reply.choice


@pytest.mark.parametrize("protocol", BOTH)
def test_a_reply_does_not_depend_on_what_else_is_asked(model, protocol):
    every = [*HATS, *KINDS]
    together = {reply.question_id: reply for reply in model.ask(protocol, every, TOKENS)}
    assert len(every) > ROWS

    reverse = model.ask(protocol, every[::-1], TOKENS)
    some = model.ask(protocol, every[5::7], TOKENS)
    alone = [model.ask(protocol, [asked], TOKENS)[0] for asked in (HATS[0], HATS[23], KINDS[11])]

    assert {reply.question_id: reply for reply in reverse} == together
    for reply in (*some, *alone):
        assert reply == together[reply.question_id], "bit for bit"


def test_a_batch_always_has_as_many_rows(model, monkeypatch):
    """Kernels differ with a batch's shape, and the last bits of an answer with them."""
    shapes = []
    run = model.model.forward
    monkeypatch.setattr(
        model.model, "forward", lambda **o: shapes.append(o["input_ids"].shape) or run(**o)
    )

    model.ask(LIKELIER, [*HATS, *KINDS[:1]], TOKENS)

    assert {rows for rows, _ in shapes} == {ROWS}
    assert len(shapes) == 3, "one row that is shorter, and 49 of another length"


def test_a_reply_does_not_depend_on_the_order_of_the_options_but_for_their_scores(model):
    (one,) = model.ask(LIKELIER, HATS[:1], TOKENS)
    (other,) = model.ask(LIKELIER, [HATS[0]._replace(options=("no", "yes"))], TOKENS)

    assert other == one._replace(scores=one.scores[::-1])


@pytest.mark.parametrize("options", [("car", "duck"), ("yes sir", "not"), ("zebra", "quagga")])
def test_words_are_kept_as_they_are_whatever_the_options(model, options):
    (reply,) = model.ask(GREEDY, [HATS[1]._replace(options=options)], TOKENS)

    assert reply.response == "yes"
    assert reply.choice is None
    assert reply.scores is None


def test_a_long_answer_can_be_given_to_its_end(model, monkeypatch):
    """An option that is a caption may be as long as any answer that is learnt."""
    said = {}
    generate = model.model.generate
    monkeypatch.setattr(model.model, "generate", lambda **o: said.update(o) or generate(**o))

    model.ask(GREEDY, HATS[:1], TOKENS)

    longest = model.encoder.answer("red " * 100)
    assert said["max_new_tokens"] == len(longest)
    assert said["do_sample"] is False


def test_nothing_is_asked_of_no_question(model):
    for protocol in BOTH:
        assert model.ask(protocol, [], TOKENS) == []


@pytest.mark.parametrize("features", ["additive", "interleaved"])
def test_a_mixture_is_asked_with_the_tokens_of_both(features, tmp_path):
    variant = Variant(features, 0.5 if features == "additive" else None, 0)
    mixed = LanguageModel(lessons.learn(variant, lessons.CONFIG, tmp_path, count=6))

    (reply,) = mixed.ask(LIKELIER, HATS[:1], TOKENS)
    blank = {role: {image: row * 0 for image, row in rows.items()} for role, rows in TOKENS.items()}

    assert mixed.roles == ["clip", "ssl"]
    for role in mixed.roles:
        (other,) = mixed.ask(LIKELIER, HATS[:1], {**TOKENS, role: blank[role]})
        assert other.scores != reply.scores


def sitting_of(folder, questions, way=OPTION_LOGPROB, **names):
    names = names or {"ssl": "tiny-ssl"}
    return Sitting(
        key="k",
        model="m",
        folder=folder,
        way=way,
        manner=way_named(way).manner,
        questions=questions,
        encoders=dict.fromkeys(names),
        names=names,
    )


@pytest.fixture
def given(monkeypatch):
    """Stand in for the encoders; the images whose tokens were asked of them, by role."""
    monkeypatch.setattr(jobs, "_TOKENS", {})
    asked = []

    def token_features(images, encoders, names, device):
        (role,) = encoders
        asked.append((role, [file.image for file in images]))
        return {role: torch.stack([TOKENS[role][file.image] for file in images])}

    monkeypatch.setattr(jobs, "token_features", token_features)
    return asked


def test_an_images_tokens_are_computed_once(folder, model, given):
    sittings = [
        sitting_of(folder, HATS[4:6]),
        sitting_of(folder, HATS[4:6], FREE),
        sitting_of(folder, [*HATS[3:5], KINDS[4]]),
    ]

    answered = ask_models(sittings, device="cpu")

    assert given == [("ssl", ["image004", "image005"]), ("ssl", ["image003"])]
    assert [one.way for one in answered] == [OPTION_LOGPROB, FREE, OPTION_LOGPROB]
    assert answered[0].replies == model.ask(LIKELIER, HATS[4:6], TOKENS)
    assert {(one.model, len(one.replies)) for one in answered} == {("m", 2), ("m", 3)}


def test_an_encoder_in_two_roles_gives_the_tokens_of_two_layers(tmp_path, given):
    folder = lessons.learn(Variant("interleaved", None, 0), lessons.CONFIG, tmp_path, count=6)

    (answered,) = ask_models([sitting_of(folder, HATS[:1], clip="same", ssl="same")], device="cpu")

    assert [role for role, _ in given] == ["clip", "ssl"]
    assert answered.replies == LanguageModel(folder).ask(LIKELIER, HATS[:1], TOKENS)
