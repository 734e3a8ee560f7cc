"""Questions: the two of a pair are one question with opposite answers; pairs drawn by lot."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.pairs import pair_id
from storage.paths import Metadata
from tasks.attributes import Knowledge, know
from tasks.patterns import PATTERNS
from tasks.questions import writing
from tasks.questions.wording import Wording
from tasks.questions.writing import asked_attributes, draw_pairs, write_pair
from tasks.scenes import BASE_FACTORS, FACTORS, caption, sample_scene


def known_scenes(count, seed=0):
    rng = random.Random(seed)
    told = {}
    for number in range(count):
        scene = sample_scene(rng)
        facts = dataclasses.asdict(scene)
        words = caption(scene, rng, pattern_share=0)
        told[f"{number:04}"] = Metadata(label=scene.kind, caption=words, attributes=facts)
    return know(told)


SCENES = known_scenes(400)


def write(known, attribute, images=("a", "b")):
    return write_pair(known, attribute, images, mining="m", benchmark="mined")


def knowing(attribute, one, other, **changes):
    """What is known of two images that differ in an attribute."""
    facts = {"a": {attribute: one}, "b": {attribute: other}}
    return Knowledge(**{"facts": facts, "patterns": {attribute: None}, "source": "label"} | changes)


@pytest.mark.parametrize("attribute", FACTORS)
def test_a_pair_of_scenes_is_asked_the_same_with_opposite_answers(attribute):
    pairs = list(draw_pairs(SCENES, attribute, 20))

    assert len(pairs) == 20
    for images in pairs:
        one, other = write(SCENES, attribute, images)
        assert (one.image, other.image) == images
        assert one.question == other.question
        assert one.options == other.options
        assert sorted(one.options) == sorted([one.answer, other.answer])
        assert one.answer != other.answer
        assert one.statement != other.statement
        assert one.question_id != other.question_id
        assert one.pair_id == other.pair_id == pair_id(*images)
        assert one.attribute == other.attribute == attribute
        assert one.pattern == other.pattern == PATTERNS.get(attribute)
        assert (one.mining, one.benchmark, one.source) == ("m", "mined", "attribute")


@pytest.mark.parametrize("attribute", FACTORS)
def test_statements_about_scenes_name_hue_kind_and_the_fact_alone(attribute):
    for images in draw_pairs(SCENES, attribute, 20):
        one, other = (set(row.statement.split()) for row in write(SCENES, attribute, images))
        facts = SCENES.facts[images[0]]

        named = {facts[name] for name in ("hue", "kind") if name != attribute}
        assert named <= one & other
        assert len(one) == len(other) == len(one & other) + 1


def test_neither_place_holds_the_first_images_answer_more_often():
    known = Knowledge(facts={str(n): {"presence": "yes" if n % 2 else "no"} for n in range(2000)})
    pairs = list(draw_pairs(known, "presence", 1000))

    first = Counter()
    for images in pairs:
        row, _ = write(known, "presence", images)
        first["a"] += row.options[0] == row.answer
        first["yes"] += row.options[0] == "yes"

    assert len(pairs) == 1000
    assert 440 < first["a"] < 560
    assert 440 < first["yes"] < 560


def test_the_order_of_options_is_the_pairs_own():
    known = knowing("weather", "sunny", "rainy")
    more = dataclasses.replace(known, facts={**known.facts, "c": {"weather": "foggy"}})

    assert write(known, "weather") == write(known, "weather") == write(more, "weather")


@pytest.mark.parametrize(
    ("known", "attribute", "answers", "statements"),
    [
        (
            know(
                {
                    "a": Metadata(label=None, caption=None, attributes={"weather": "sunny"}),
                    "b": Metadata(label=None, caption=None, attributes={"weather": "rainy"}),
                }
            ),
            "weather",
            ["sunny", "rainy"],
            ["a photo, weather: sunny", "a photo, weather: rainy"],
        ),
        (
            know(
                {
                    "a": Metadata(label="cat", caption="one", attributes={}),
                    "b": Metadata(label="dog", caption="one", attributes={}),
                }
            ),
            "label",
            ["cat", "dog"],
            ["a photo of a cat", "a photo of a dog"],
        ),
        (
            know(
                {
                    "a": Metadata(label=None, caption="A cat sits.", attributes={}),
                    "b": Metadata(label=None, caption="A dog runs.", attributes={}),
                }
            ),
            "caption",
            ["A cat sits.", "A dog runs."],
            ["A cat sits.", "A dog runs."],
        ),
    ],
    ids=["attribute", "label", "caption"],
)
def test_whatever_is_known_can_be_asked_about(known, attribute, answers, statements):
    assert known.differences("a", "b") == [attribute]

    rows = write(known, attribute)

    assert [row.answer for row in rows] == answers
    assert [row.statement for row in rows] == statements
    assert {row.source for row in rows} == {"attribute" if attribute == "weather" else attribute}
    assert {row.pattern for row in rows} == {None}
    assert {row.key for row in rows} == {"metadata"}


def test_the_pattern_is_what_the_attribute_is_about_by_its_full_name():
    known = knowing("wall", "red", "blue", patterns={"wall": "color"})

    assert {row.pattern for row in write(known, "wall")} == {"Color and Appearance"}


@pytest.mark.parametrize(
    ("one", "other"), [("sunny", "sunny"), ("sunny", "Sunny"), ("STRASSE", "straße")]
)
def test_a_pair_whose_answers_read_alike_is_not_asked(one, other):
    assert write(knowing("weather", one, other), "weather") == []


def test_a_pair_whose_questions_differ_is_not_asked():
    scene = SCENES.facts["0000"]
    known = knowing("hue", scene["hue"], "grey", facts={"a": scene, "b": {"hue": "grey"}})

    assert write(known, "hue") == []


def test_a_question_in_other_words_has_another_name(monkeypatch):
    known = knowing("weather", "sunny", "rainy")
    before = write(known, "weather")
    told = writing.word
    monkeypatch.setattr(
        writing, "word", lambda *asked: Wording("What weather is it?", told(*asked).answer)
    )

    after = write(known, "weather")

    assert len({row.question_id for row in (*before, *after)}) == 4


def test_two_benchmarks_that_ask_the_same_share_the_questions_name():
    known = knowing("weather", "sunny", "rainy")

    ids = {
        row.question_id
        for benchmark in ("mined", "random")
        for row in write_pair(known, "weather", ("a", "b"), mining="m", benchmark=benchmark)
    }

    assert len(ids) == 2


@pytest.mark.parametrize("attribute", FACTORS)
@pytest.mark.parametrize("count", [0, 1, 7, 10_000])
def test_drawn_pairs_differ_in_the_attribute_and_agree_in_what_statements_name(attribute, count):
    pairs = list(draw_pairs(SCENES, attribute, count))

    assert len(pairs) <= count
    assert len(pairs) == count or count > 7
    used = [image for pair in pairs for image in pair]
    assert len(used) == len(set(used))
    for one, other in pairs:
        assert one < other
        assert SCENES.facts[one][attribute] != SCENES.facts[other][attribute]
        assert SCENES.context(one, attribute) == SCENES.context(other, attribute)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text("0123456789abcdef", min_size=3, max_size=3),
        st.dictionaries(st.sampled_from(["mood", "kind"]), st.sampled_from(["a", "b", "A", "c"])),
        max_size=30,
    ),
    st.randoms(),
)
def test_the_lot_is_the_same_in_any_order_and_pairs_all_it_can(facts, rng):
    shuffled = dict(rng.sample(list(facts.items()), len(facts)))

    pairs = list(draw_pairs(Knowledge(facts=facts), "mood", 99))

    assert pairs == list(draw_pairs(Knowledge(facts=shuffled), "mood", 99))
    assert pairs[:2] == list(draw_pairs(Knowledge(facts=shuffled), "mood", 2))
    used = {image for pair in pairs for image in pair}
    left = [told for image, told in facts.items() if image not in used and "mood" in told]
    for kind in "abAc":
        assert len({told["mood"].lower() for told in left if told.get("kind") == kind}) <= 1


def test_an_image_that_no_pair_could_use_changes_no_pair():
    pairs = list(draw_pairs(SCENES, "state", 50))
    more = {**SCENES.facts, "new": {"mood": "calm"}, "one": {"kind": "yak", "state": "broken"}}

    assert list(draw_pairs(dataclasses.replace(SCENES, facts=more), "state", 50)) == pairs


def test_other_attributes_have_other_lots():
    known = Knowledge(facts={str(n): {"mood": "ab"[n % 2], "size": "ab"[n % 2]} for n in range(99)})

    assert list(draw_pairs(known, "mood", 9)) != list(draw_pairs(known, "size", 9))


def test_many_images_of_one_value_are_drawn_from_quickly():
    facts = {str(n): {"split": "test" if n == 7 else "train"} for n in range(50_000)}

    assert len(list(draw_pairs(Knowledge(facts=facts), "split", 32))) == 1


def test_attributes_are_asked_about_where_captions_name_them_or_where_not():
    assert asked_attributes(SCENES, captioned=True) == sorted(BASE_FACTORS)
    assert asked_attributes(SCENES, captioned=False) == sorted(PATTERNS)
    assert asked_attributes(Knowledge(facts={}), captioned=False) == []
