"""The rule of MMVP-VLM on vectors made by hand, and the names of requests."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from storage.questions import QuestionRow
from tasks.evaluation.asking import MMVP_VLM, MMVP_VLM_GROUP, MMVP_VLM_TEXT, request_of
from tasks.evaluation.contrast import GROUP_CHANCE, contrast, contrasts, said


def row(image, answer, statement):
    return QuestionRow(
        mining="m",
        benchmark="random",
        question_id=f"about {image}",
        pair_id="a b",
        image=image,
        attribute="presence",
        question="Is there a hat on it?",
        options=("yes", "no"),
        answer=answer,
        statement=statement,
        pattern=None,
        source="attribute",
        key="metadata",
    )


PAIR = [row("a", "yes", "red car hat"), row("b", "no", "red car hatless")]
TEXTS = {"red car hat": np.array([1.0, 0.0]), "red car hatless": np.array([0.0, 1.0])}
HAT, HATLESS = np.array([0.8, 0.6]), np.array([0.6, 0.8])


@pytest.mark.parametrize(
    ("a_D", "b_D", "choices", "why"),
    [
        (HAT, HATLESS, ["yes", "no"], "each text is nearer to its own image"),
        (HATLESS, HAT, ["no", "yes"], "each text is nearer to the other image"),
        (HAT, HAT, ["no", "yes"], "of equal cosines the other image's is taken"),
        (HAT, np.array([0.0, 0.1]), ["yes", "yes"], "both texts are nearer to the first"),
        (np.array([0.1, 0.0]), HAT, ["no", "no"], "both texts are nearer to the second"),
    ],
)
def test_a_text_takes_the_image_that_is_nearer(a_D, b_D, choices, why):
    replies = contrast(PAIR, {"a": a_D, "b": b_D}, TEXTS)

    assert [reply.choice for reply in replies] == choices, why


def test_a_reply_has_both_cosines_its_own_first_and_the_words_of_the_image():
    first, second = contrast(PAIR, {"a": HAT, "b": HATLESS}, TEXTS)
    swapped, _ = contrast(PAIR, {"a": HATLESS, "b": HAT}, TEXTS)

    assert first.question_id == "about a"
    assert first.scores == pytest.approx((0.8, 0.6))
    assert second.scores == pytest.approx((0.8, 0.6))
    assert (first.response, swapped.response) == ("red car hat", "red car hatless")


def test_the_order_of_a_pair_does_not_matter():
    images = {"a": HAT, "b": HATLESS}

    assert contrast(PAIR[::-1], images, TEXTS) == contrast(PAIR, images, TEXTS)[::-1]


def test_cosines_are_computed_in_double_precision():
    """In single precision both would be the same."""
    far_D = np.array([1, 2**-12], np.float32)
    texts = dict.fromkeys(TEXTS, np.array([1, 2**-12], np.float32))

    (reply, _) = contrast(PAIR, {"a": far_D, "b": np.array([1, 0], np.float32)}, texts)

    assert reply.scores[0] - reply.scores[1] == 2**-24
    assert reply.choice == "yes"


def test_a_question_without_a_statement_is_said():
    silent = [PAIR[0], row("b", "no", None)]

    with pytest.raises(ValueError, match="question about b has no statement"):
        contrast(silent, {"a": HAT, "b": HATLESS}, TEXTS)


def vectors_of(own_a, a_b, b_a, own_b):
    """Vectors with these cosines: text a with image a, text a with image b, and so on."""
    images = {"a": np.array([own_a, b_a]), "b": np.array([a_b, own_b])}
    return images, TEXTS


def right(replies):
    return {
        way: all(r.choice == row.answer for r, row in zip(rs, PAIR, strict=True))
        for way, rs in replies.items()
    }


@pytest.mark.parametrize(
    ("cosines", "image", "text", "group", "why"),
    [
        ((0.9, 0.1, 0.2, 0.8), True, True, True, "own cosines are the largest"),
        ((0.5, 0.1, 0.6, 0.8), True, False, False, "image a is nearer to text b"),
        ((0.5, 0.6, 0.1, 0.8), False, True, False, "text a is nearer to image b"),
        ((0.1, 0.9, 0.8, 0.2), False, False, False, "all are swapped"),
        ((0.5, 0.5, 0.1, 0.8), False, True, False, "a text that sees no difference is wrong"),
        ((0.5, 0.1, 0.5, 0.8), True, False, False, "an image that sees no difference is wrong"),
        ((0.5, 0.5, 0.5, 0.5), False, False, False, "nothing is seen at all"),
    ],
)
def test_texts_take_images_images_take_texts_and_a_group_wants_both(
    cosines, image, text, group, why
):
    found = right(contrasts(PAIR, *vectors_of(*cosines)))

    assert found == {MMVP_VLM: image, MMVP_VLM_TEXT: text, MMVP_VLM_GROUP: group}, why


def test_of_a_group_that_half_agrees_no_option_is_taken():
    (one, two) = contrasts(PAIR, *vectors_of(0.5, 0.1, 0.6, 0.8))[MMVP_VLM_GROUP]

    assert (one.choice, one.response) == ("undecided", "undecided")
    assert one.scores == (0.5, 0.1, 0.6)
    assert two.choice == "no"


def test_guessing_gets_a_sixth_of_the_groups_and_a_quarter_of_each_half():
    orders = list(permutations((0.1, 0.2, 0.3, 0.4)))
    found = [right(contrasts(PAIR, *vectors_of(*order))) for order in orders]

    shares = {way: sum(one[way] for one in found) / len(found) for way in found[0]}
    assert shares[MMVP_VLM_GROUP] == pytest.approx(GROUP_CHANCE) == pytest.approx(1 / 6)
    assert shares[MMVP_VLM] == shares[MMVP_VLM_TEXT] == 0.25


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("published", "a photo of red car hat"),
        ("people", "a photo of red car hat"),
        ("attribute", "red car hat"),
        ("label", "red car hat"),
        ("caption", "red car hat"),
    ],
)
def test_a_statement_that_is_no_caption_is_put_as_the_papers_script_puts_it(source, text):
    assert said(replace(PAIR[0], source=source)) == text


def test_a_request_is_named_by_all_of_it():
    parts = ["weights", "free", "code", "image", ["image", "question", ["yes", "no"]]]
    name = request_of(*parts)

    assert name == request_of(*parts)
    assert len(name) == 64
    for place in range(len(parts)):
        assert request_of(*parts[:place], "other", *parts[place + 1 :]) != name
    assert request_of(*parts[:4], ["image", "question", ["no", "yes"]]) != name
