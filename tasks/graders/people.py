"""People tell which option a reply takes.

Put here: a grade from what people marked.
Keep out: the page on which they do so.
"""

from collections.abc import Mapping

from tasks.fingerprints import digest
from tasks.graders.given import Given, Grade, Taken, Verdict
from tasks.graders.votes import grade


def grade_by_people(given: Given, marks: Mapping[str, Taken]) -> Grade:
    """Return the grade of what people marked, by person; votes are in the order of their names.

    Raises:
        ValueError: if nobody marked anything.
    """
    people = sorted(marks)
    return grade(
        given,
        [Verdict(marks[person], "") for person in people],
        grader="people",
        request=digest([given.reply, [[person, marks[person]] for person in people]]),
    )
