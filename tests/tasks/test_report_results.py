"""Results in a report: what models are called, seeds taken together, and what tables say."""

import dataclasses

import pytest

from tasks.report.boards import boards
from tasks.report.evidence import Evidence, RankedRow
from tasks.report.results import (
    encoder_label,
    label_of,
    main_standings,
    standings,
)
from tasks.report.tables import (
    MINUS,
    matrices,
    overview,
    p_text,
    pattern_table,
    results_markdown,
)
from tests.report_values import (
    PATTERNS,
    TINY,
    comparison,
    probe,
    results,
    score,
    variants,
)


@pytest.mark.parametrize(
    ("features", "share", "label"),
    [
        ("clip", None, "CLIP only"),
        ("ssl", None, "SSL only"),
        ("additive", 0.5, "Additive, SSL share 0.5"),
        ("additive", 0.625, "Additive, SSL share 0.625"),
        ("interleaved", None, "Interleaved"),
        ("clip-control", None, "CLIP only, telling captions (control)"),
        ("unheard-of", None, "unheard-of"),
    ],
)
def test_a_model_is_called_by_what_it_sees(features, share, label):
    assert label_of(features, share, TINY) == label


def test_a_control_that_is_not_shipped_is_called_by_its_name():
    assert label_of("clip-control", None, {"control": "siglip-0123456789ab"}) == "CLIP only, siglip"
    assert encoder_label("tiny-clip-0123456789ab") == "tiny CLIP"
    assert encoder_label("facebook-dinov2-large-0123456789ab") == "facebook-dinov2-large"


def test_models_stand_in_the_order_of_what_they_see_and_encoders_last():
    found = standings(results(reversed(variants())), "mined")

    assert [each.label for each in found] == [
        "CLIP only",
        "SSL only",
        "Additive, SSL share 0.25",
        "Additive, SSL share 0.5",
        "Additive, SSL share 0.75",
        "Interleaved",
        "CLIP only, telling captions (control)",
        "tiny CLIP by MMVP-VLM's rule",
    ]


def test_seeds_of_a_model_are_one_standing_with_their_mean():
    rows = [
        score(seed=1, pair_accuracy=0.6, pair_low=0.5, pair_high=0.7),
        score(seed=0, pair_accuracy=0.4, pair_low=0.3, pair_high=0.5),
    ]

    (found,) = standings(results(rows), "mined")

    assert [row.seed for row in found.seeds] == [0, 1]
    assert (found.accuracy, found.low, found.high) == pytest.approx((0.5, 0.4, 0.6))


def test_models_trained_for_more_steps_are_other_models():
    rows = [score(steps=300), score(steps=600, model="longer")]

    assert [each.seeds[0].steps for each in standings(results(rows), "mined")] == [300, 600]


def test_each_model_stands_under_the_first_protocol_that_it_was_asked_by():
    rows = [score(), score(protocol="free"), score("Only free", protocol="free"), *variants()[-1:]]

    found = {each.label: each.protocol for each in standings(results(rows), "mined")}

    assert found["CLIP only"] == "option-logprob"
    assert found["Only free"] == "free"
    assert found["tiny CLIP by MMVP-VLM's rule"] == "mmvp-vlm"


def test_of_the_additive_models_the_main_one_is_the_most_even():
    main = main_standings(standings(results(variants()), "mined"))

    assert [each.ssl_share for each in main if each.look == "additive"] == [0.5]
    assert len(main) == 5


@pytest.mark.parametrize("share", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="pair_high"):
        score(pair_high=share)
    with pytest.raises(ValueError, match="has chance"):
        probe(chance=share)


def test_benchmarks_and_protocols_stand_side_by_side():
    rows = [
        score(benchmark=benchmark, protocol=protocol)
        for benchmark in ("captioned", "mined", "random")
        for protocol in ("free", "option-logprob")
    ]
    rows += [score("Half asked", benchmark="mined"), *variants()[-1:]]

    table = overview(results(rows))

    assert (table.benchmarks, table.protocols) == (
        ["mined", "random", "captioned"],
        ["option-logprob", "free"],
    )
    whole, half = table.trained
    assert [(c.seeds[0].benchmark, c.protocol) for c in whole.cells] == [
        (benchmark, protocol) for benchmark in table.benchmarks for protocol in table.protocols
    ]
    assert [cell is None for cell in half.cells] == [False] + [True] * 5
    (encoder,) = table.encoders
    assert [cell is None for cell in encoder.cells] == [False, True, True]


def test_a_leaderboard_holds_every_seed_at_both_levels_best_first():
    rows = [*variants(seeds=(0, 1)), score("Best", pair_accuracy=0.9, question_accuracy=0.95)]

    ((benchmark, (pairs, questions)),) = boards(results(rows))

    assert (benchmark, pairs.level, questions.level) == ("mined", "pair", "question")
    assert len(pairs.rows) == len(questions.rows) == 16
    assert [board.rows[0].label for board in (pairs, questions)] == ["Best, seed 0, 300 steps"] * 2
    assert (pairs.rows[0].value, questions.rows[0].value) == pytest.approx((90, 95))
    assert questions.rows[0].outcomes is None


def published(level, value, **changes):
    fields = {
        "benchmark": "mined",
        "level": level,
        "label": "theirs",
        "value": value,
        "low": None,
        "high": None,
        "pairs": 150,
        "protocol": None,
        "key": None,
        "origin": "published",
        "source": "a report",
    }
    return RankedRow(**fields | changes)


def test_published_numbers_stand_only_beside_those_of_their_level():
    found = results(
        [score()],
        evidence=Evidence(published=[published("pair", 60.0), published("group", 40.0)]),
    )

    ((_, levels),) = boards(found)

    assert {
        board.level: [(row.label, row.is_measured) for row in board.rows] for board in levels
    } == {
        "pair": [("theirs", False), ("CLIP only, seed 0, 300 steps", True)],
        "question": [("CLIP only, seed 0, 300 steps", True)],
        "group": [("theirs", False)],
    }


def test_another_rule_for_clips_is_another_level():
    rules = ("mmvp-vlm", "mmvp-vlm-text", "mmvp-vlm-group")
    rows = [score("a CLIP", protocol=rule, seed=None, steps=None) for rule in rules]

    ((_, levels),) = boards(results(rows))

    assert [(board.level, [row.protocol for row in board.rows]) for board in levels] == [
        ("pair", ["mmvp-vlm"]),
        ("question", ["mmvp-vlm"]),
        ("text", ["mmvp-vlm-text"]),
        ("group", ["mmvp-vlm-group"]),
    ]


def test_scores_under_other_keys_stand_on_the_leaderboard_alone():
    found = results([score()], other_keys=[score(key="other", pair_accuracy=0.6)])

    ((_, (pairs, _)),) = boards(found)

    assert [(row.key, row.value) for row in pairs.rows] == [("other", 60.0), ("metadata", 50.0)]
    assert [each.accuracy for each in standings(found, "mined")] == [0.5]


def test_models_from_elsewhere_are_compared_protocol_by_protocol_without_controls():
    foreign = {"features": None, "seed": None, "steps": None}
    rows = [
        score(name, model=name, protocol=way, **foreign)
        for way in ("letter", "paper-2024", "letter+text-only")
        for name in ("one", "two")
    ]
    compared = [
        dataclasses.replace(comparison("one", "two", 30, 10, 0.01), protocol=row.protocol)
        for row in rows[::2]
    ]

    found = matrices(results(rows, comparisons=compared))

    assert [(each.seed, each.protocol) for each in found] == [
        (None, "letter"),
        (None, "paper-2024"),
    ]
    assert found[0].labels == ["one", "two"]


def test_where_nothing_was_trained_the_main_models_are_the_best():
    foreign = {"features": None, "seed": None, "steps": None}
    rows = [score(f"m{n}", model=f"m{n}", pair_accuracy=n / 10, **foreign) for n in range(9)]

    main = main_standings(standings(results(rows), "mined"))

    assert [each.label for each in main] == ["m8", "m7", "m6", "m5", "m4", "m3"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_difference_is_that_of_row_minus_column_whichever_was_named_first(turned):
    names = ("CLIP only-0", "SSL only-0")
    counts = comparison(*reversed(names), 30, 10, 0.01) if turned else None
    found = counts or comparison(*names, 10, 30, 0.01)
    rows = [score(), score("SSL only", features="ssl")]

    (matrix,) = matrices(results(rows, comparisons=[found]))

    ((cell,),) = matrix.rows
    assert cell.points == "+10.0"
    assert (cell.p_value, cell.is_sure) == ("0.010", True)
    assert cell.said == "SSL only alone is right on 30 of 200 pairs, CLIP only on 10"


def test_what_holm_does_not_call_different_is_not_marked():
    rows = [score(), score("SSL only", features="ssl")]
    found = comparison("CLIP only-0", "SSL only-0", 30, 10, 0.05)

    (matrix,) = matrices(results(rows, comparisons=[found]))

    ((cell,),) = matrix.rows
    assert (cell.points, cell.is_sure) == (f"{MINUS}10.0", False)


def test_models_are_compared_seed_by_seed_and_one_alone_with_none():
    rows = [score(seed=n) for n in range(3)] + [score("SSL only", features="ssl", seed=2)]
    found = comparison("CLIP only-2", "SSL only-2", 1, 2, 1.0)

    assert [matrix.seed for matrix in matrices(results(rows, comparisons=[found]))] == [2]
    assert matrices(results(rows[:1], comparisons=[found])) == []
    assert matrices(results(rows)) == []


@pytest.mark.parametrize(
    ("p_value", "text"), [(1e-12, "< 0.001"), (0.04, "0.040"), (0.3, "0.30"), (1.0, "1.00")]
)
def test_a_p_value_is_never_zero(p_value, text):
    assert p_text(p_value) == text


def test_patterns_stand_in_the_papers_order_and_others_after():
    rows = [score()]
    rows += [score(pattern=name, pairs=n) for n, name in enumerate(["zebra", *PATTERNS[::-1]], 1)]

    labels, table = pattern_table(results(rows))

    assert labels == ["CLIP only"]
    assert [(row.pattern, row.pairs) for row in table] == [
        (PATTERNS[0], 4),
        (PATTERNS[1], 3),
        (PATTERNS[2], 2),
        ("zebra", 1),
    ]


def test_the_markdown_table_never_mixes_pairs_and_questions():
    text = results_markdown(results([score(), score(benchmark="captioned", pair_accuracy=0.9)]))

    head, _, row = text.splitlines()[:3]
    assert head == (
        "| Model | Asked by | mined: pair accuracy, % | captioned: pair accuracy, % "
        "| mined: question accuracy, % |"
    )
    assert row == (
        "| CLIP only, 300 steps | option-logprob | 50.0 (35.0 to 65.0) | 90.0 (35.0 to 65.0) "
        "| 71.0 |"
    )


def test_names_cannot_break_the_markdown_table():
    text = results_markdown(results([score("a|b<script>\n`c`[d](e)")]))

    row = text.splitlines()[2]
    assert row.startswith("| a\\|b&lt;script&gt; \\`c\\`\\[d\\](e), 300 steps |")


def test_without_scores_there_is_no_table():
    assert results_markdown(results()) == ""
    assert overview(results()).trained == []
    assert pattern_table(results()) == ([], [])
