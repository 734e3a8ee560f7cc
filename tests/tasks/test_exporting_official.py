"""What MMVP's own scripts see of an export: the items that our evaluator sees, one by one."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.benchmarks import read_questions, read_statements
from tasks.exporting.benchmark_pairs import number_pairs, questions_of
from tasks.images import decode
from tasks.patterns import PATTERNS
from tasks.protocols import protocol_named
from tests.tasks.test_exporting_benchmark import both, write

PAPER = protocol_named("paper-2024")
QUESTIONS = (
    "Is it \"open\", closed, or 'ajar'?",
    "First line,\nsecond line;\ttab?",
    "Ist es groß oder klein? 是红色还是蓝色? أحمر؟ 🙂",
    "Does (a) hold, or (b)?",
    "<b onclick='x()'>Which</b> & why &amp; how?",
    "=1+1, +2, -3, @x: which?",
    " blanks before and after? ",
    "Long " * 3000 + "?",
    "\ufeffIs it so?",
    "Is it 1,000 or 1\u00a0000?\u2028",
)
OPTIONS = (
    ("yes, it is", 'no "not"'),
    ("round (like a ball)", "flat (d)"),
    ("None", "NA"),
    ("червоний", "синій"),
    ("1", "2"),
    ("<i>left</i>", "right;\nor so"),
    ("(yes)", "no)"),
)


def picture(number, form):
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (5, 7, 4), np.uint8)
    mode = {"rgba": "RGBA", "cmyk": "CMYK", "grey": "L"}.get(form, "RGB")
    image = Image.fromarray(pixels, "RGBA").convert(mode)
    data = io.BytesIO()
    if form == "palette":
        image = image.quantize(16)
    options = {"exif": turned()} if form == "turned" else {}
    image.save(data, "JPEG" if form in ("rgb", "cmyk", "grey", "turned") else "PNG", **options)
    return data.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 8
    return exif


FORMS = ("rgb", "cmyk", "grey", "turned", "png", "rgba", "palette")


def benchmark(pairs):
    """Rows about so many pairs, and their images: all odd words, all kinds of images."""
    patterns = [*PATTERNS.values(), None]
    rows, images = [], {}
    for pair in range(pairs):
        names = f"{pair:04}a", f"{pair:04}b"
        forms = FORMS[pair % 7], FORMS[(pair // 7) % 7]
        images |= {n: picture(2 * pair + k, forms[k]) for k, n in enumerate(names)}
        options = OPTIONS[pair % len(OPTIONS)]
        rows += both(
            names,
            options[:: -1 if pair % 2 else 1],
            question=QUESTIONS[pair % len(QUESTIONS)],
            options=options,
            pattern=patterns[pair % len(patterns)],
            attribute="x",
        )
    return rows, images


def official(folder):
    """Yield what `evaluate_mllm.py` asks: it goes by the place of a row, and opens `.jpg` alone."""
    for index, row in pd.read_csv(folder / "Questions.csv").iterrows():
        image = Image.open(folder / "MMVP Images" / f"{index + 1}.jpg")
        said = row["Question"] + " " + row["Options"]
        yield index + 1, said, row["Correct Answer"], image.mode, np.asarray(image).tobytes()


@pytest.mark.parametrize("pairs", [9, 161])
def test_mmvps_script_and_our_evaluator_see_the_items_that_are_stored(tmp_path, pairs):
    rows, images = benchmark(pairs)

    record = write(tmp_path / "out", "mmvp", rows=rows, read_image=images.__getitem__)

    numbered = number_pairs(rows)
    stored = [(q, row) for q, row in zip(questions_of(numbered), rows_of(numbered), strict=True)]
    expected = [
        (
            q.number,
            PAPER.prompt(q).user,
            "(a)" if row.answer == row.options[0] else "(b)",
            "RGB",
            decode(images[row.image]).pixels_HWC.tobytes(),
        )
        for q, row in stored
    ]
    assert (record["pairs"], len(expected)) == (pairs, 2 * pairs)
    assert list(official(tmp_path / "out")) == expected
    ours = read_questions(tmp_path / "out").questions
    assert [
        (
            q.number,
            PAPER.prompt(q).user,
            f"({'ab'[q.answer('original')]})",
            "RGB",
            decode(q.image.read_bytes()).pixels_HWC.tobytes(),
        )
        for q in ours
    ] == expected
    assert [(q.options, q.pattern) for q in ours] == [
        (row.options, row.pattern) for _, row in stored
    ]


def rows_of(numbered):
    return [row for pair in numbered for row in pair.rows]


def test_after_pairs_are_left_out_the_script_still_sees_each_question_with_its_image(tmp_path):
    rows, images = benchmark(12)
    gone = {1: "None", 4: "a\rb?", 7: "x" * 60_000}
    for pair, text in gone.items():
        names = rows[2 * pair].image, rows[2 * pair + 1].image
        rows[2 * pair : 2 * pair + 2] = both(names, question=text, pattern=rows[2 * pair].pattern)

    record = write(tmp_path / "out", "mmvp", rows=rows, read_image=images.__getitem__)

    assert record["left_out"] == {"control-characters": 1, "read-as-missing": 1, "too-long": 1}
    kept = [row for row in rows_of(number_pairs(rows)) if row.question not in gone.values()]
    assert [
        (number, said, pixels) for number, said, _, _, pixels in official(tmp_path / "out")
    ] == [
        (
            place,
            f"{row.question} (a) {row.options[0]} (b) {row.options[1]}",
            decode(images[row.image]).pixels_HWC.tobytes(),
        )
        for place, row in enumerate(kept, start=1)
    ]
    with (tmp_path / "out" / "sources.csv").open(newline="") as file:
        sources = list(csv.DictReader(file))
    assert [(int(row["number"]), row["question_id"]) for row in sources] == [
        (place, row.question_id) for place, row in enumerate(kept, start=1)
    ]


def test_an_option_with_a_mark_of_its_own_is_left_out(tmp_path):
    rows, images = benchmark(3)
    names = rows[0].image, rows[1].image
    rows[:2] = both(names, ("it is (b)", "no"), options=("it is (b)", "no"))

    record = write(tmp_path / "out", "mmvp", rows=rows, read_image=images.__getitem__)

    assert record["left_out"] == {"options-hold-marks": 1}
    assert all(
        len(re.findall(r"\([ab]\)", said)) >= 2 for _, said, *_ in official(tmp_path / "out")
    )


def official_statements(folder):
    """Yield what `evaluate_vlm.py` matches: two rows at a time, the folder of the first's type."""
    with (folder / "Questions.csv").open() as file:
        reader = csv.reader(file)
        next(reader)
        for one, kind, first in reader:
            other, _, second = next(reader)
            places = (folder / "MLLM_VLM Images" / kind / f"{n}.jpg" for n in (one, other))
            pixels = tuple(np.asarray(Image.open(place)).tobytes() for place in places)
            yield (int(one), int(other)), kind, (first, second), pixels


def test_mmvp_vlms_script_and_our_evaluator_see_the_statements_that_are_stored(tmp_path):
    rows, images = benchmark(27)
    rows = [row for row in rows if row.pattern is not None]

    write(tmp_path / "out", "mmvp-vlm", rows=rows, read_image=images.__getitem__)

    expected = [
        (
            (2 * pair.pair - 1, 2 * pair.pair),
            pair.rows[0].pattern,
            tuple(" ".join(row.statement.split()) for row in pair.rows),
            tuple(decode(images[row.image]).pixels_HWC.tobytes() for row in pair.rows),
        )
        for pair in number_pairs(rows)
    ]
    found = list(official_statements(tmp_path / "out"))
    assert [(n, s, p) for n, _, s, p in found] == [(n, s, p) for n, _, s, p in expected]
    ours = read_statements(tmp_path / "out").pairs
    assert [
        (
            pair.numbers,
            PATTERNS[pair.pattern],
            pair.statements,
            tuple(decode(image.read_bytes()).pixels_HWC.tobytes() for image in pair.images),
        )
        for pair in ours
    ] == expected
    order = list(dict.fromkeys(pattern for _, pattern, *_ in expected))
    assert order == list(PATTERNS.values()), "the script tells patterns by the place of a pair"
