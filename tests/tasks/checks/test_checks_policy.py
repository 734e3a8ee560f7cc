"""From findings to a ruling: majorities by image, guesses, and what is not known."""

import pytest
from pydantic import ValidationError

from storage.checks import CheckRow
from storage.questions import QuestionRow
from tasks.checks.balance import balance
from tasks.checks.policy import CHECKS, CheckPolicy, rule
from tasks.checks.wording import RULES

NAMES = CheckPolicy().names(answerers=True)


def row_of(check, by="rules", passed=True, detail=""):
    return CheckRow(
        mining="m",
        check=check,
        by=by,
        proposal_id="p",
        passed=passed,
        detail=detail,
        request="r",
    )


def found(a="rrr", b="rrr", guesses="---", rules=True):
    """Findings: r right, w wrong, ? not known; of those who see no image, the option taken."""
    verdict = {"r": True, "w": False, "?": None, "-": True}
    rows = [row_of(name, passed=rules) for name in (*RULES, "visible")]
    for check, said in (("agree-a", a), ("agree-b", b)):
        rows += [row_of(check, f"m#{n}", verdict[one]) for n, one in enumerate(said)]
    rows += [
        row_of("text-only", f"m#{n}", verdict.get(one, False), f"takes {one!r}")
        for n, one in enumerate(guesses)
    ]
    return rows


@pytest.mark.parametrize(
    ("told", "failed", "lacks", "why"),
    [
        ({}, (), (), "all is well"),
        ({"a": "rrw", "b": "wrr"}, (), (), "one errs about each image"),
        ({"a": "rww"}, ("agree",), (), "most take another answer for an image"),
        ({"a": "rrr", "b": "www"}, ("agree",), (), "the images' answers are counted apart"),
        ({"a": "rw", "b": "rr"}, ("agree",), (), "a half is no majority"),
        ({"a": "r??"}, (), ("agree",), "most could not answer"),
        ({"a": "rr?"}, (), (), "one of three could not"),
        ({"a": "r??", "b": "www"}, ("agree",), (), "what is known of the other image is enough"),
        ({"guesses": "xx-"}, ("text-only",), (), "most know it from the words"),
        ({"guesses": "xy-"}, (), (), "they guess different options"),
        ({"guesses": "x--"}, (), (), "one guesses"),
        ({"guesses": "???"}, (), ("text-only",), "none could be asked"),
        ({"a": "", "b": "", "guesses": ""}, (), ("text-only", "agree"), "nobody was asked"),
        ({"rules": False}, (*RULES, "visible"), (), "rules count alone"),
        ({"rules": None}, (), (*RULES, "visible"), "nor is a rule's finding made up"),
    ],
)
def test_a_ruling_follows_from_the_findings(told, failed, lacks, why):
    ruling = rule(found(**told), CheckPolicy(), NAMES)

    assert (ruling.failed, ruling.lacks) == (failed, lacks), why
    assert ruling.taken is (not failed and not lacks)


def test_thresholds_and_required_checks_are_the_policys():
    strict = CheckPolicy(agree_above=0.7)
    rows = found(a="rrw")

    assert rule(rows, strict, NAMES).failed == ("agree",)
    assert rule(rows, strict, CheckPolicy(required=("form",)).names(answerers=True)).taken
    assert CheckPolicy().names(answerers=False) == CHECKS.keys() - {"agree", "text-only"}
    with pytest.raises(ValidationError, match="required"):
        CheckPolicy(required=("taste",))


def test_a_balanced_set_gives_nothing_away_and_another_is_seen():
    def pair(name, first, options=("yes", "no way")):
        return [
            QuestionRow(
                mining="m",
                benchmark="mined",
                question_id=f"{name}{image}",
                pair_id=name,
                image=image,
                attribute="",
                question="Is it?",
                options=options,
                answer=answer,
                statement=None,
                pattern=None,
                source="model",
                key="model",
            )
            for image, answer in zip("ab", (first, *({*options} - {first})), strict=True)
        ]

    assert balance([*pair("p", "yes"), *pair("q", "no way")]) == (0.5, 0.5, 0.5)
    assert balance([*pair("p", "yes"), *pair("q", "yes")]) == (0.5, 0.5, 1.0)
    assert balance(pair("p", "yes")[:1]) == (1.0, 0.0, 1.0)
    assert balance([]) == (None, None, None)
