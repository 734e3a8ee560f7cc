"""What each model is asked, question by question, and the names of the requests.

Put here: from questions and candidates to what is put to a model, and its fingerprint.
Keep out: asking (`jobs`, `remote`), who is asked (`candidates`), beside this file.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from storage.answers import AnswerName
from storage.questions import QuestionRow
from tasks.benchmarks.question import Question
from tasks.evaluation.asking import CONTRASTS, Asked, Picture, request_of
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.contrast import said
from tasks.evaluation.rows import question_of
from tasks.evaluation.ways import Way, way_named
from tasks.fingerprints import code_digest, library_versions
from tasks.protocols.protocol import LOGPROBS

LANGUAGE: Final = "tasks.evaluation.language"
LOCAL: Final = "tasks.evaluation.local"
CONTRAST: Final = "tasks.evaluation.contrast"

PairName = tuple[str, str, str]
"""Benchmark, pair, attribute."""


class ToAsk(NamedTuple):
    """A question to put to a model in a way; `question` is what its reply is read by."""

    name: AnswerName
    way: Way
    asked: Asked
    question: Question


def by_pair(rows: Sequence[QuestionRow]) -> dict[PairName, list[QuestionRow]]:
    """Return the two questions of each pair."""
    pairs: dict[PairName, list[QuestionRow]] = defaultdict(list)
    for row in rows:
        pairs[row.benchmark, row.pair_id, row.attribute].append(row)
    return pairs


def list_asked(
    rows: Sequence[QuestionRow],
    candidates: Sequence[Candidate],
    held: Mapping[str, Sequence[str]],
) -> dict[AnswerName, ToAsk]:
    """Return what the candidates are asked that read; `held` are the files of each image.

    Raises:
        ValueError: if models are to be asked and a question's image is not there.
    """
    readers = [one for one in candidates if one.way not in CONTRASTS]
    ways = {name: way_named(name) for name in {one.way for one in readers}}
    asked = {}
    for pair in by_pair(rows).values() if readers else ():
        pictures = {row.question_id: _picture(row, held) for row in pair}
        for row in pair:
            question = question_of(row)
            own = pictures[row.question_id]
            other = next((p for name, p in pictures.items() if name != row.question_id), own)
            for one in readers:
                way = ways[one.way]
                put = way.asks(question, row.question_id, own, other)
                name = AnswerName(row.question_id, one.model, one.way)
                asked[name] = ToAsk(name, way, put, question)
    return asked


def _picture(row: QuestionRow, held: Mapping[str, Sequence[str]]) -> Picture:
    if row.image not in held:
        message = (
            f"question {row.question_id!r} is about an image that is not there; copy the images "
            f"of the benchmark beside its CSV, or ingest their corpus, then run again"
        )
        raise ValueError(message)
    return Picture(row.image, held[row.image])


def fingerprints(
    rows: Sequence[QuestionRow],
    candidates: Sequence[Candidate],
    asked: Mapping[AnswerName, ToAsk],
) -> dict[AnswerName, str]:
    """Return the fingerprint of all that each model is asked."""
    code = {
        module: f"{code_digest(module)} {library_versions(module)}"
        for module in (LANGUAGE, LOCAL, CONTRAST)
    }
    found = {}
    pairs = by_pair(rows)
    for one in candidates:
        if one.way in CONTRASTS:
            for pair in pairs.values():
                content = [one.way, *sorted([row.image, said(row)] for row in pair)]
                for row in pair:
                    name = AnswerName(row.question_id, one.model, one.way)
                    found[name] = request_of(one.weights, code[CONTRAST], row.image, content)
            continue
        for row in rows:
            name = AnswerName(row.question_id, one.model, one.way)
            if one.server is not None:
                found[name] = one.server.request(asked[name].way, asked[name].asked).fingerprint
            else:
                module = LOCAL if one.folder else LANGUAGE
                found[name] = request_of(one.weights, code[module], _content(asked[name]))
    return found


def _content(one: ToAsk) -> list[Any]:
    manner, put = one.way.manner, one.asked
    options = list(put.options) if manner.asks == LOGPROBS else None
    made = [manner.asks, list(manner.decoding), manner.seed]
    return [made, put.image, put.system, put.question, options]
