"""Graders: rules, a language model or people tell which option a reply takes.

All are pure: a judge's requests are built here, asked by `tasks.backends` and read here again.
"""

from tasks.graders.agreement import Agreement, agreement, disagreements, to_csv
from tasks.graders.given import Given, Grade, NoVerdict, Taken, Verdict
from tasks.graders.judge import LLMJudge, grade_by_judge, judge_requests, read_verdict
from tasks.graders.paper import grade_by_paper, paper_request
from tasks.graders.people import grade_by_people
from tasks.graders.rules import grade_by_rules
from tasks.graders.votes import grade, majority

__all__ = [
    "Agreement",
    "Given",
    "Grade",
    "LLMJudge",
    "NoVerdict",
    "Taken",
    "Verdict",
    "agreement",
    "disagreements",
    "grade",
    "grade_by_judge",
    "grade_by_paper",
    "grade_by_people",
    "grade_by_rules",
    "judge_requests",
    "majority",
    "paper_request",
    "read_verdict",
    "to_csv",
]
