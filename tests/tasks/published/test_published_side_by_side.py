"""Published and measured results stand in one table only if they count the same."""

from dataclasses import replace

import pytest

from storage.scores import ScoreRow
from tasks.published import published_results, side_by_side

SCORE = ScoreRow(
    mining="mmvp-0123456789ab",
    benchmark="mmvp-0123456789ab",
    model="ours",
    features=None,
    ssl_share=None,
    seed=None,
    steps=None,
    protocol="letter",
    key="original",
    pattern=None,
    pairs=150,
    pair_accuracy=0.4,
    pair_low=0.325,
    pair_high=0.48,
    question_accuracy=0.65,
    question_low=0.6,
    question_high=0.7,
    both_right=0.4,
    same_answer=0.5,
    swapped=0.1,
    other=0.0,
    unread=0,
    chance=0.25,
)


def test_a_score_stands_once_among_pairs_and_once_among_questions():
    tables = side_by_side([SCORE], published_results())

    pairs, questions = tables["mmvp", "pair", None], tables["mmvp", "question", None]
    assert list(tables) == [("mmvp", "pair", None), ("mmvp", "question", None)]
    assert {row.level for row in pairs} == {"pair"}
    assert {row.model: row.value for row in pairs if row.origin == "measured"} == {"ours": 40.0}
    (mine,) = [row for row in questions if row.model == "ours"]
    assert (mine.value, mine.low, mine.high) == pytest.approx((65, 60, 70))
    assert "Human" in {row.model for row in questions}
    assert "Human" not in {row.model for row in pairs}


def test_rows_are_sorted_by_value_and_published_ones_name_their_source():
    rows = side_by_side([SCORE], published_results())["mmvp", "pair", None]

    assert [row.value for row in rows] == sorted((row.value for row in rows), reverse=True)
    assert all((row.source is None) == (row.origin == "measured") for row in rows)
    assert all(row.pattern is None for row in rows)


def test_patterns_are_tables_of_their_own_and_correlations_are_none():
    by_pattern = replace(SCORE, pattern="color", pairs=13)
    tables = side_by_side([by_pattern], published_results())

    models = {row.model for row in tables["mmvp", "pair", "color"]}
    assert models == {"ours", "InstructBLIP", "LLaVA-1.5", "Gemini", "GPT-4V"}
    assert not any(level == "pattern" for _, level, _ in tables)


def test_a_benchmark_of_another_name_is_told_by_hand():
    mined = replace(SCORE, benchmark="mined")

    alone = side_by_side([mined], published_results())
    named = side_by_side([mined], published_results(), names={"mined": "mmvp"})

    assert [row.model for row in alone["mined", "pair", None]] == ["ours"]
    assert len(named["mmvp", "pair", None]) > 50
