"""Parsers agree with the harnesses' own functions on a stored table of replies.

`verdicts.jsonl` holds the place of the option that each harness' own function took, run outside
this project: `_extract_answer_letter` of lmms-eval 0.7.2 (75571cf), `can_infer` of VLMEvalKit
(e8e78f0), `extract_mcq_answer` of Cambrian (0d7ca41), `post_process` of InternVL (0355722), whose
crash on an empty reply stands as unread. The grader of paper-2024 is a language model, so has none.
"""

import json
from pathlib import Path

import pytest

from tasks.benchmarks import read_questions
from tasks.protocols import PROTOCOLS

HERE = Path(__file__).parent
QUESTIONS = read_questions(HERE.parent / "benchmarks" / "mmvp" / "Questions.csv").questions
ROWS = [json.loads(line) for line in (HERE / "verdicts.jsonl").read_text().splitlines()]
HARNESSES = ("lmms-eval-0.7", "vlmevalkit-2026", "cambrian-2024", "internvl")


def test_the_table_has_more_than_200_replies():
    assert len({(row["number"], row["reply"]) for row in ROWS}) > 200


@pytest.mark.parametrize("name", HARNESSES)
def test_a_parser_agrees_with_the_harness_on_every_reply(name):
    apart = [
        (row["reply"], row[name], taken)
        for row in ROWS
        if (taken := PROTOCOLS[name].parse(row["reply"], QUESTIONS[row["number"] - 1].options))
        != row[name]
    ]

    assert apart == []
