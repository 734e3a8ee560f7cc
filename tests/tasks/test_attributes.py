"""Facts: what a corpus tells of its images, and what captions leave out of it."""

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.paths import Metadata
from tasks.attributes import CONTEXT, MOST_VALUES, Knowledge, know
from tasks.scenes import BASE_FACTORS, PATTERN_FACTORS, caption, sample_scene


def told(label=None, caption=None, /, **attributes):
    return Metadata(label=label, caption=caption, attributes=attributes)


def images(*rows):
    """Metadata of images "0", "1", and so on."""
    return {str(number): row for number, row in enumerate(rows)}


def test_attributes_come_first_with_the_label_among_them():
    known = know(images(told("cat", "red", mood="calm"), told("dog", "blue", mood="wild")))

    assert known == Knowledge(
        facts={"0": {"label": "cat", "mood": "calm"}, "1": {"label": "dog", "mood": "wild"}},
        patterns={"label": None, "mood": None},
        source="attribute",
    )


def test_without_attributes_labels_are_the_facts():
    known = know(images(told("cat", "one"), told("dog", "two"), told(None, "three")))

    assert known == Knowledge(
        facts={"0": {"label": "cat"}, "1": {"label": "dog"}},
        patterns={"label": None},
        source="label",
    )


def test_without_labels_captions_are_the_facts():
    known = know(images(told(None, "a cat"), told(None, "a dog"), told()))

    assert known == Knowledge(
        facts={"0": {"caption": "a cat"}, "1": {"caption": "a dog"}},
        patterns={"caption": None},
        source="caption",
    )


def test_a_column_of_labels_comes_before_the_folders_names():
    known = know(images(told("train", label="cat"), told("train", label="dog"), told("train")))

    assert known.source == "label"
    assert known.facts == {"0": {"label": "cat"}, "1": {"label": "dog"}, "2": {"label": "train"}}


@pytest.mark.parametrize(
    ("rows", "source"),
    [
        ([], "none"),
        ([told(), told()], "none"),
        ([told("cat", "a cat"), told("cat", "a cat")], "none"),
        ([told("cat"), told()], "none"),
        ([told("cat"), told("Cat")], "none"),
        ([told("cat", "a cat"), told("cat", "two cats")], "caption"),
        ([told("cat", mood="calm"), told("dog", mood="calm")], "label"),
        ([told("cat", mood="calm"), told("dog")], "label"),
        ([told(mood="calm"), told(mood="Calm")], "none"),
        ([told(mood="calm"), told(mood="wild")], "attribute"),
    ],
)
def test_what_all_images_share_tells_nothing(rows, source):
    known = know(images(*rows))

    assert known.source == source
    assert (known == Knowledge(facts={})) is (source == "none")


def test_a_value_that_all_images_share_is_a_fact_but_is_not_asked_about():
    known = know(images(told(mood="calm", size="big"), told(mood="wild", size="big")))

    assert known.facts["0"] == {"mood": "calm", "size": "big"}
    assert known.patterns.keys() == {"mood"}


def test_images_of_which_nothing_is_told_are_left_out():
    known = know(images(told(None, "a cat"), told(mood="calm"), told(mood="wild")))

    assert known.facts.keys() == {"1", "2"}


def test_a_label_that_an_attribute_mostly_repeats_is_no_extra_fact():
    rows = [told("Cat", animal="cat"), told("Dog", animal="dog"), told("Cat", animal="dog")]

    known = know(images(*rows, told("Cow")))

    assert [set(facts) for facts in known.facts.values()] == [{"animal"}] * 3 + [{"label"}]


def test_a_label_that_happens_to_be_an_attributes_value_stays():
    rows = [told("orange", color=color) for color in ("orange", "green")]
    rows += [told("apple", color=color) for color in ("red", "green")]

    known = know(images(*rows))

    assert all("label" in facts for facts in known.facts.values())
    assert known.differences("0", "1") == ["color"]


def test_a_column_that_names_images_is_no_fact():
    many = MOST_VALUES + 1
    rows = [
        told(id=str(n), author=str(n // 2), **{"shot": str(n)} if n < MOST_VALUES else {})
        for n in range(2 * many)
    ]

    known = know(images(*rows))

    assert known.patterns.keys() == {"author", "shot"}
    assert known.facts["0"] == {"author": "0", "shot": "0"}


def test_few_values_are_facts_though_no_two_images_share_one():
    known = know(images(told(weather="sunny"), told(weather="rainy")))

    assert known.differences("0", "1") == ["weather"]


@pytest.mark.parametrize(
    ("caption", "value", "stated", "why"),
    [
        ("a red cat", "red", True, "a word of it"),
        ("A RED cat", "Red", True, "letters' case does not count"),
        ("a cat, red.", "red", True, "nor does punctuation"),
        ("in a hundred years", "red", False, "part of a word is none"),
        ("a facing-left cat", "left", False, "nor is part of a compound"),
        ("a facing-left cat", "facing-left", True, "a compound is a word"),
        ("a dark red cat", "red, dark", True, "all words, in any order"),
        ("a red cat", "dark red", False, "not all words"),
        ("a red cat ?", "?", False, "no word states nothing"),
        ("", "red", False, "an empty caption states nothing"),
    ],
)
def test_a_caption_states_a_value_by_its_words(caption, value, stated, why):
    known = know(images(told(None, caption, color=value), told(color="other")))

    assert (known.captioned == {"color"}) is stated, why


@pytest.mark.parametrize(("stating", "captioned"), [(2, set()), (3, {"color"}), (10, {"color"})])
def test_an_attribute_is_captioned_from_three_captions_in_ten(stating, captioned):
    rows = [told(None, "a red cat" if n < stating else "a cat", color="red") for n in range(10)]
    rows += [told(color="blue"), told(None, "a red cat", mood="calm")]

    known = know(images(*rows))

    assert known.captioned == captioned
    assert known.patterns == {"color": None if captioned else "color"}


def test_of_scenes_captions_name_the_base_and_omit_the_nine_patterns():
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(150)]

    known = know(images(*(told(s.kind, caption(s, rng), **dataclasses.asdict(s)) for s in scenes)))

    assert known.captioned == BASE_FACTORS.keys()
    assert known.patterns == dict.fromkeys(BASE_FACTORS) | {name: name for name in PATTERN_FACTORS}


def test_images_differ_in_what_both_have_and_captions_omit():
    known = Knowledge(
        facts={
            "0": {"mood": "calm", "size": "big", "color": "red", "side": "left", "age": "old"},
            "1": {"mood": "wild", "size": "Big", "color": "blue", "side": "right", "fur": "long"},
        },
        captioned=frozenset({"color"}),
    )

    assert known.differences("0", "1") == known.differences("1", "0") == ["mood", "side"]
    assert known.differences("0", "0") == known.differences("0", "unheard-of") == []


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ({}, ["mood"]),
        ({"kind": "dog"}, ["kind"]),
        ({"hue": "blue"}, ["hue"]),
        ({"label": "b"}, ["label"]),
        ({"label": "b", "hue": "blue"}, []),
        ({"label": None}, []),
        ({"thing": "tree"}, ["mood", "thing"]),
    ],
)
def test_images_are_told_apart_only_where_statements_would_name_the_same(changes, differences):
    one = {"label": "a", "kind": "cat", "hue": "red", "thing": "box", "mood": "calm"}
    other = {name: value for name, value in {**one, "mood": "wild", **changes}.items() if value}

    known = Knowledge(facts={"0": one, "1": other})

    assert known.differences("0", "1") == differences
    assert all(
        known.context("0", name) == known.context("1", name) for name in known.differences("0", "1")
    )


def test_an_attribute_is_not_its_own_context():
    known = Knowledge(facts={"0": {"label": "a", "kind": "cat"}})

    assert known.context("0", "mood") == ("a", "cat", None)
    assert known.context("0", "kind") == ("a", None)
    assert len(known.context("0", "hue")) == len(CONTEXT) - 1


FACTS = st.dictionaries(
    st.sampled_from(["label", "kind", "hue", "mood", "size"]), st.sampled_from(["a", "b", "A"])
)


@settings(deadline=None)
@given(FACTS, FACTS, st.sets(st.sampled_from(["mood", "kind"])))
def test_differences_are_those_of_the_definition(one, other, captioned):
    known = Knowledge(facts={"0": one, "1": other}, captioned=frozenset(captioned))

    assert known.differences("0", "1") == [
        name
        for name in sorted(one.keys() & other.keys())
        if one[name].lower() != other[name].lower()
        and name not in captioned
        and known.context("0", name) == known.context("1", name)
    ]


def test_the_digest_is_of_what_is_known_in_any_order():
    rows = images(told("a", "red", color="red", mood="calm"), told("b", color="blue", mood="wild"))
    turned = {
        image: told(row.label, row.caption, **dict(reversed(row.attributes.items())))
        for image, row in reversed(rows.items())
    }

    assert know(turned).digest() == know(rows).digest()
    assert know(rows | {"9": told(None, "blue")}).digest() == know(rows).digest()


@pytest.mark.parametrize(
    "row",
    [
        told("b", "red", color="red", mood="calm"),
        told(None, "red", color="red", mood="calm"),
        told("a", "red", color="black", mood="calm"),
        told("a", "red", color="red"),
        told("a", "red", color="red", mood="calm", age="old"),
        told("a", "no colour", color="red", mood="calm"),
    ],
    ids=["label", "no label", "value", "fewer", "more", "captioned"],
)
def test_the_digest_changes_with_every_fact_and_with_what_captions_name(row):
    rows = images(told("a", "red", color="red", mood="calm"), told("b", color="blue", mood="wild"))

    assert know(rows | {"0": row}).digest() != know(rows).digest()
