"""Stored replies are scored under every protocol, and the figures are those that must come out."""

from pathlib import Path

import pytest

from tasks.benchmarks import CORRECTED, EXCLUDED, ORIGINAL, read_questions
from tasks.protocols import PROTOCOLS, read_reply
from tasks.protocols.pairs import PAIR_RULES, Graded
from tasks.protocols.rescoring import group_by_asked, rescore, spread

QUESTIONS = read_questions(
    Path(__file__).parent.parent / "benchmarks" / "mmvp" / "Questions.csv"
).questions
LETTER, VLM = PROTOCOLS["letter"], PROTOCOLS["vlmevalkit-2026"]
PERFECT = {q.number: "AB"[q.corrected] for q in QUESTIONS}


@pytest.mark.parametrize("name", sorted(PROTOCOLS.keys() - {"option-logprob", "free"}))
@pytest.mark.parametrize(
    ("key", "right", "pairs"), [(ORIGINAL, 148, 150), (CORRECTED, 150, 150), (EXCLUDED, 148, 148)]
)
def test_a_perfect_model_gets_148_of_150_pairs_under_the_original_key(name, key, right, pairs):
    found = rescore(PROTOCOLS[name], QUESTIONS, PERFECT, key=key)

    assert (found.score.pairs, found.harness) == (pairs, (right, pairs))
    assert found.score.pair_accuracy == right / pairs


def test_always_a_is_right_in_no_pair_and_half_of_the_questions():
    found = rescore(LETTER, QUESTIONS, {q.number: "(a)" for q in QUESTIONS}).score

    assert (found.pair_accuracy, found.question_accuracy, found.same_answer) == (0, 0.5, 1)


def test_37_right_pairs_of_150_have_the_published_interval():
    replies = {q.number: "ab"[q.corrected] if q.pair <= 37 else "a" for q in QUESTIONS}

    found = rescore(LETTER, QUESTIONS, replies).score

    assert [round(100 * x, 1) for x in (found.pair_accuracy, found.pair_low, found.pair_high)] == [
        24.7,
        18.5,
        32.1,
    ]


def test_protocols_are_grouped_by_what_they_ask():
    alike = group_by_asked(PROTOCOLS.values(), QUESTIONS, decoding=False)

    assert ("lmms-eval-0.7", "internvl") in alike
    assert len(alike) == len(PROTOCOLS) - 1
    assert len(group_by_asked(PROTOCOLS.values(), QUESTIONS)) == len(PROTOCOLS)


def test_the_same_replies_score_otherwise_by_another_parser():
    replies = {q.number: q.options[q.corrected] for q in QUESTIONS}
    both = [
        rescore(PROTOCOLS[name], QUESTIONS, replies, key=CORRECTED)
        for name in ("lmms-eval-0.7", "cambrian-2024")
    ]

    apart = spread(both)

    assert (apart.high, apart.highest) == (1.0, "cambrian-2024")
    assert apart.low < 0.2


def test_unread_and_missing_replies_are_counted_and_wrong():
    found = rescore(LETTER, QUESTIONS, PERFECT | {1: "perhaps"}).score
    lost = rescore(LETTER, QUESTIONS, {n: said for n, said in PERFECT.items() if n != 1}).score

    assert found == lost
    assert (found.unread, found.pair_accuracy) == (1, 149 / 150)


def test_a_lot_is_drawn_with_a_seed_only_and_is_the_same_again():
    said = {q.number: "???" for q in QUESTIONS}

    without = rescore(VLM, QUESTIONS, said)
    drawn = [read_reply(VLM, q, said[q.number], seed=7) for q in QUESTIONS]

    assert (without.drawn, without.score.unread) == (0, 300)
    assert {reading.option for reading in drawn} == {0, 1, None}
    assert {reading.how for reading in drawn} == {"drawn"}
    assert drawn == [read_reply(VLM, q, said[q.number], seed=7) for q in QUESTIONS]
    assert drawn != [read_reply(VLM, q, said[q.number], seed=8) for q in QUESTIONS]
    assert read_reply(VLM, QUESTIONS[0], None, seed=7).how == "unread"
    assert read_reply(LETTER, QUESTIONS[0], "???", seed=7).how == "unread"


def test_replies_to_no_question_are_refused():
    with pytest.raises(ValueError, match=r"replies to the questions \[301\]"):
        rescore(LETTER, QUESTIONS, {301: "a"})


ANSWERS = [Graded(n, "?", right) for n, right in ((2, True), (3, True), (4, True), (5, True))]


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("by-pair", (1, 3)),
        ("complete-pairs", (1, 1)),
        ("consecutive-answers", (2, 2)),
        ("checked-rows", (2, 2)),
        ("counter", (2, 2)),
    ],
)
def test_rules_differ_in_what_a_lost_answer_does(rule, count):
    assert PAIR_RULES[rule](ANSWERS, 3) == count


def test_the_counter_takes_a_right_answer_left_over_for_half_a_pair():
    assert PAIR_RULES["counter"](ANSWERS[:3], 3) == (1.5, 1.5)


def test_the_checked_rule_refuses_what_makes_no_pairs():
    with pytest.raises(ValueError, match="3 answers do not make pairs"):
        PAIR_RULES["checked-rows"](ANSWERS[:3], 3)
    with pytest.raises(ValueError, match="at question 1"):
        PAIR_RULES["checked-rows"]([Graded(1, "x", True), Graded(2, "y", True)], 1)
