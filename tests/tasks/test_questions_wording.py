"""Wordings: a fact as a question, an answer and a statement."""

import dataclasses
import random

import pytest

from tasks.questions.wording import is_scene, state, word
from tasks.scenes import FACTORS, sample_scene, statement


def scene(seed=0, **changes):
    """The facts of a drawn scene."""
    return dataclasses.asdict(sample_scene(random.Random(seed))) | changes


@pytest.mark.parametrize("factor", FACTORS)
def test_every_factor_of_a_scene_has_one_question_and_an_answer_a_value(factor):
    worded = [
        word(factor, scene(seed, **{factor: value}))
        for seed in range(5)
        for value in FACTORS[factor]
    ]

    assert len({wording.question for wording in worded}) == 1
    assert len({wording.answer for wording in worded}) == len(FACTORS[factor])
    assert worded[0].question.endswith("?")


def test_no_two_factors_have_the_same_question():
    assert len({word(factor, scene()).question for factor in FACTORS}) == len(FACTORS)


def test_answers_about_scenes_are_what_one_says():
    assert word("presence", scene(presence="hat")) == ("Is there a hat on it?", "yes")
    assert word("presence", scene(presence="no hat")) == ("Is there a hat on it?", "no")
    assert word("count", scene(count="3")) == ("How many balls are there?", "three")
    assert word("state", scene(state="broken")) == ("Is it broken or whole?", "broken")


@pytest.mark.parametrize("factor", FACTORS)
def test_a_scene_is_stated_in_its_captions_words(factor):
    facts = scene()

    stated = state(factor, facts)

    assert stated == statement(sample_scene(random.Random(0)), factor)
    assert {facts["kind"], facts["hue"]} <= set(stated.split())
    assert len(stated.split()) == (2 if factor in {"kind", "hue"} else 3)


def test_what_else_is_known_of_a_scene_is_asked_as_of_any_picture():
    facts = scene(label="holiday", mood="calm")

    assert word("mood", facts) == ("What is the mood in this picture?", "calm")
    assert state("mood", facts) == "a photo of a holiday, mood: calm"


@pytest.mark.parametrize(
    ("attribute", "facts", "question", "answer", "stated"),
    [
        (
            "weather",
            {"weather": "sunny"},
            "What is the weather in this picture?",
            "sunny",
            "a photo, weather: sunny",
        ),
        (
            "time_of_day",
            {"label": "street", "time_of_day": "noon", "weather": "sunny"},
            "What is the time of day in this picture?",
            "noon",
            "a photo of a street, time of day: noon",
        ),
        (
            "count",
            {"count": "3"},
            "What is the count in this picture?",
            "3",
            "a photo, count: 3",
        ),
        ("label", {"label": "cat"}, "What does this picture show?", "cat", "a photo of a cat"),
        (
            "caption",
            {"caption": "Two cats."},
            "What does this picture show?",
            "Two cats.",
            "Two cats.",
        ),
    ],
)
def test_facts_of_any_picture_have_words(attribute, facts, question, answer, stated):
    assert word(attribute, facts) == (question, answer)
    assert state(attribute, facts) == stated


@pytest.mark.parametrize("factor", FACTORS)
def test_a_scene_has_all_its_factors_and_their_values_only(factor):
    facts = scene()

    assert is_scene(facts)
    assert is_scene({**facts, "label": "anything"})
    assert not is_scene({**facts, factor: "other"})
    assert not is_scene({name: value for name, value in facts.items() if name != factor})
