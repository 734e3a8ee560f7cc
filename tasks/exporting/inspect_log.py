"""Write what a model was asked and said as a log that Inspect View opens.

Put here: questions, answers and scores of one model under one protocol as an `.eval` file.
Keep out: scoring (`tasks.scores`), where rows are from (`storage`).

inspect_ai is an optional extra, imported when a log is written. It asks no model here.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from storage.answers import AnswerRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.backends.extras import library
from tasks.backends.request import media_type
from tasks.fingerprints import digest

EXTRA: Final = "inspect"
_METRICS: Final = (
    "pair_accuracy", "pair_low", "pair_high", "question_accuracy", "question_low", "question_high",
    "both_right", "same_answer", "swapped", "other", "unread", "chance",
)  # fmt: skip

Images = Callable[[str], bytes]
"""Gives an image of a question as a file in PNG, JPEG, WebP or GIF."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What one model was asked under one protocol, and how it did; a question may lack an answer.

    `created` is when, as ISO 8601 with a time zone.
    """

    model: str
    protocol: str
    created: str
    questions: Sequence[QuestionRow]
    answers: Sequence[AnswerRow]
    scores: Sequence[ScoreRow]


def write_inspect_log(to: Path, sitting: Sitting, *, images: Images | None = None) -> None:
    """Write a sitting to a file whose name ends with `.eval`; it is there completely or not at all.

    Without `images` samples show the text of questions alone.

    Raises:
        ImportError: if inspect_ai is not installed.
        ValueError: if the file has another ending, or an answer or a score is of something else.
    """
    if to.suffix != ".eval":
        message = f"{str(to)!r} is to be a log of Inspect; expected a name that ends with .eval"
        raise ValueError(message)
    _check(sitting)
    log = library("inspect_ai.log", extra=EXTRA)
    part = to.with_name(f".{to.stem}.part.eval")
    log.write_eval_log(_log(sitting, images), str(part), format="eval")
    part.replace(to)


def _check(sitting: Sitting) -> None:
    asked = {question.question_id for question in sitting.questions}
    strange = [
        row.question_id
        for row in sitting.answers
        if row.question_id not in asked
        or (row.model, row.protocol) != (sitting.model, sitting.protocol)
    ]
    others = [
        row
        for row in sitting.scores
        if (row.model, row.protocol) != (sitting.model, sitting.protocol)
    ]
    if strange or others:
        message = (
            f"{len(strange)} answers ({', '.join(strange[:5])}) and {len(others)} scores are not "
            f"of model {sitting.model!r} under {sitting.protocol!r} and its {len(asked)} "
            f"questions; expected those of one model, protocol and benchmark"
        )
        raise ValueError(message)


def _log(sitting: Sitting, images: Images | None) -> Any:  # inspect_ai's classes, by its own check
    """Return the log; inspect_ai makes its classes from plain values and checks them."""
    log = library("inspect_ai.log", extra=EXTRA)
    answers = {row.question_id: row for row in sitting.answers}
    samples = [_sample(one, answers.get(one.question_id), images) for one in sitting.questions]
    complete = all("error" not in sample for sample in samples)
    return log.EvalLog.model_validate(
        {
            "status": "success" if complete else "error",
            "eval": _spec(sitting),
            "results": {
                "total_samples": len(samples),
                "completed_samples": sum("error" not in sample for sample in samples),
                "scores": [_score(sitting.protocol, row) for row in sitting.scores],
            },
            "samples": samples,
        }
    )


def _spec(sitting: Sitting) -> dict[str, Any]:
    asked = [question.question_id for question in sitting.questions]
    requests = [answer.request for answer in sitting.answers]
    name = digest([sitting.model, sitting.protocol, sitting.created, asked, requests])
    benchmarks = {row.benchmark: None for row in sitting.questions}
    return {
        "eval_id": name[:22],
        "run_id": name[:22],
        "task_id": name[:22],
        "created": sitting.created,
        "task": f"mmvp-{sitting.protocol}",
        "dataset": {
            "name": ", ".join(benchmarks),
            "samples": len(asked),
            "sample_ids": asked,
        },
        "model": sitting.model,
        "config": {},
        "metadata": {"keys": sorted({row.key for row in sitting.questions})},
    }


def _sample(
    question: QuestionRow, answer: AnswerRow | None, images: Images | None
) -> dict[str, Any]:
    content: list[dict[str, str]] = [{"type": "text", "text": question.question}]
    if images is not None:
        content.append({"type": "image", "image": _data_uri(images(question.image))})
    shown: list[dict[str, Any]] = [{"role": "user", "content": content}]
    sample = {
        "id": question.question_id,
        "epoch": 1,
        "input": shown,
        "choices": list(question.options),
        "target": question.answer,
        "metadata": {
            "pair_id": question.pair_id,
            "image": question.image,
            "pattern": question.pattern,
            "key": question.key,
        },
    }
    why = "not asked" if answer is None else answer.failure
    if answer is None or why is not None:
        return sample | {"error": {"message": why, "traceback": "", "traceback_ansi": ""}}
    said = {"role": "assistant", "content": answer.response}
    return sample | {
        "messages": [*shown, said],
        "output": {"model": answer.model, "choices": [{"message": said, "stop_reason": "stop"}]},
        "scores": {answer.protocol: _verdict(question, answer)},
    }


def _verdict(question: QuestionRow, answer: AnswerRow) -> dict[str, Any]:
    return {
        "value": "C" if answer.choice == question.answer else "I",  # Inspect's correct, incorrect
        "answer": answer.choice,
        "explanation": "could not be read" if answer.choice is None else None,
        "metadata": {"request": answer.request},
    }


def _score(protocol: str, row: ScoreRow) -> dict[str, Any]:
    values: Mapping[str, Any] = asdict(row)
    return {
        "name": row.pattern or "all pairs",
        "scorer": protocol,
        "scored_samples": 2 * row.pairs,
        "metrics": {name: {"name": name, "value": values[name]} for name in _METRICS},
        "metadata": {"key": row.key, "pairs": row.pairs},
    }


def _data_uri(data: bytes) -> str:
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"
