"""A study's answers and scores, written where models' answers and scores are.

Put here: when they are written, under the lock that runs hold.
Keep out: what an answer is (`tasks.annotation.study`), scores (`tasks.evaluation.people`).
"""

from collections.abc import Callable, Sequence

from flows.settings import Settings
from storage import answers, comparisons, questions, scores
from storage.answers import AnswerRow
from storage.database import Database
from storage.questions import QuestionRow
from tasks.annotation.state import State
from tasks.annotation.study import answers_of
from tasks.people import PEOPLE


def publisher(
    settings: Settings, mining: str, rows: Sequence[QuestionRow]
) -> Callable[[State], Callable[[], None] | None]:
    """Return what writes the study into the store once participants are through, and after."""
    last: list[AnswerRow] | None = None

    def publish(state: State) -> Callable[[], None] | None:
        names = {row.question_id for row in rows}
        through = {who for who, given in state.choices.items() if names <= given.keys()}
        given = answers_of(state, rows, through)
        if not given or given == last:
            return None

        def write_once() -> None:
            nonlocal last
            write(settings, mining, given)
            last = given

        return write_once

    return publish


def write(settings: Settings, mining: str, given: Sequence[AnswerRow]) -> None:
    """Write answers of people and their scores, beside those of models.

    Raises:
        StoreError: if a run works on the store.
    """
    from flows.site import hold_store
    from tasks.evaluation.people import score_people

    with hold_store(settings, "annotate", wait_s=2):
        db = Database(settings.store)
        answers.upsert(db, given)
        asked = questions.read(db, mining)
        rows, compared = score_people(mining, asked, answers.read(db, question_ids=_ids(asked)))
        scores.upsert(db, rows)
        others = [row for row in comparisons.read(db, mining) if row.protocol != PEOPLE]
        comparisons.replace(db, mining, [*others, *compared])


def _ids(rows: Sequence[QuestionRow]) -> list[str]:
    return [row.question_id for row in rows]
