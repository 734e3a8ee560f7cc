"""Read MMVP's published folder, or any CSV of that form.

Put here: its columns, options and labels; wrong labels; the image of a question.
Keep out: damaged CSV (`table`), image folders (`pictures`), beside this file.
Source: huggingface.co/datasets/MMVP/MMVP, whose `Questions.csv` has no column of patterns.
"""

import re
from pathlib import Path
from typing import Final

from tasks.benchmarks.keys import MMVP, WRONG, is_mmvp
from tasks.benchmarks.pictures import image_folder, images_by_number
from tasks.benchmarks.question import Question, QuestionSet
from tasks.benchmarks.table import Row, Table, number_rows, pair_of, read_table

FILE: Final = "Questions.csv"
FOLDERS: Final = ("MMVP Images", "MMVP_Images", "MMVP Imgaes", "images", "Images")
INDEX, QUESTION, OPTIONS, ANSWER = "Index", "Question", "Options", "Correct Answer"
PATTERN: Final = "Pattern"
_NAMES: Final = {
    INDEX: ("index", "lndex", "id", "question id"),
    QUESTION: ("question",),
    OPTIONS: ("options",),
    ANSWER: ("correct answer", "answer"),
    PATTERN: ("pattern", "type", "category"),
}
_OPTIONS: Final = re.compile(r"\s*\([aA1]\)(.*?)\([bB2]\)(.*)", re.DOTALL)
_THIRD: Final = re.compile(r"\([cC3]\)")


def read_questions(place: Path) -> QuestionSet:
    """Read a benchmark's questions; `place` is its folder, or its CSV file.

    Raises:
        ValueError: if the file is damaged, or some of its images are missing.
    """
    file = place / FILE if place.is_dir() else place
    table = read_table(file, _NAMES, (INDEX, QUESTION, OPTIONS, ANSWER))
    rows = number_rows(table, INDEX)
    folder = image_folder(file.parent, FOLDERS, table.notes)
    images = images_by_number(folder, list(rows)) if folder else {}
    options = {number: _options(table, row) for number, row in rows.items()}
    labels = {number: _label(table, row, options[number]) for number, row in rows.items()}
    published = is_mmvp({number: row.cells[QUESTION] for number, row in rows.items()})
    original, corrected = _keys(labels, table.notes) if published else (labels, labels)
    questions = tuple(
        Question(
            number=number,
            pair=pair_of(number),
            image=images.get(number),
            text=_text(table, row),
            options=options[number],
            options_written=row.cells[OPTIONS],
            original=original[number],
            corrected=corrected[number],
            pattern=row.cells.get(PATTERN, "").strip() or None,
        )
        for number, row in rows.items()
    )
    _note_pairs(questions, table.notes)
    name = MMVP if published else file.parent.name
    return QuestionSet(name=name, questions=questions, notes=tuple(table.notes))


def _text(table: Table, row: Row) -> str:
    if not row.cells[QUESTION].strip():
        table.damaged(row, QUESTION, "a question")
    return row.cells[QUESTION]


def _options(table: Table, row: Row) -> tuple[str, str]:
    found = _OPTIONS.fullmatch(row.cells[OPTIONS])
    if found is None or _THIRD.search(row.cells[OPTIONS]):
        table.damaged(row, OPTIONS, "two options, as in '(a) Open (b) Closed'")
    first, second = (option.strip() for option in found.groups())
    if not first or not second or first == second:
        table.damaged(row, OPTIONS, "two different options with text, '(a) Open (b) Closed'")
    return first, second


def _label(table: Table, row: Row, options: tuple[str, str]) -> int:
    label = row.cells[ANSWER].strip()
    if label in options:
        return options.index(label)
    bare = label.casefold().removeprefix("(").removesuffix(".").removesuffix(")")
    if bare not in ("a", "b"):
        table.damaged(row, ANSWER, "'(a)' or '(b)', or the text of an option")
    return "ab".index(bare)


def _keys(labels: dict[int, int], notes: list[str]) -> tuple[dict[int, int], dict[int, int]]:
    """Return MMVP's labels as published and as corrected, whichever of the two the file has."""
    published = {number: place for number, (_, place) in WRONG.items()}
    put_right = [number for number, place in published.items() if labels[number] != place]
    original = labels | published
    corrected = original | {number: 1 - place for number, place in published.items()}
    if len(put_right) == len(published):
        notes.append("the file has the corrected labels of pairs 50 and 140")
    elif put_right:
        notes.append(
            f"only some labels of pairs 50 and 140 are corrected, those of {put_right}; the keys "
            f"take the published and the corrected labels all the same"
        )
    else:
        notes.append("the labels of pairs 50 and 140 are swapped; the key 'corrected' mends them")
    return original, corrected


def _note_pairs(questions: tuple[Question, ...], notes: list[str]) -> None:
    blanks = [q.number for q in questions if q.options_written != q.options_written.strip()]
    if blanks:
        notes.append(f"{len(blanks)} questions have blanks around their options")
    for first, second in zip(questions[::2], questions[1::2], strict=True):
        if (first.text, first.options) != (second.text, second.options):
            notes.append(f"pair {first.pair} does not ask the same about its two images")
        elif first.corrected == second.corrected:
            notes.append(
                f"pair {first.pair} has the same answer to both: an answer that never changes "
                f"gets it right"
            )
