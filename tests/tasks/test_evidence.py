"""What stands beside scores in a report: published rows by level, correlations, doubts."""

import dataclasses

import pytest

from storage.questions import QuestionRow
from storage.zoo import ZooRow
from tasks import evidence
from tasks.benchmarks.keys import WRONG
from tasks.evaluation.asking import MMVP_VLM
from tasks.evidence import evidence_of, paper_correlations, published_encoders, published_name
from tasks.patterns import PATTERNS
from tests.tasks.test_evaluation_beside import ASKED, OPTIONS, SET, always_open, say, scored, truth


def of_mmvp():
    """Three hundred questions, of which those that are disputed are MMVP's."""
    return [
        dataclasses.replace(
            ASKED[(number - 1) % 2],
            question_id=f"{SET}-{number:04}",
            pair_id=f"{SET}-pair-{(number + 1) // 2:04}",
            question=WRONG.get(number, (f"Question {number}?", 0))[0],
        )
        for number in range(1, 301)
    ]


def of_mmvp_vlm(pairs=15):
    """Statements about the nine patterns, so many pairs each."""
    return [
        QuestionRow(
            mining="s-0123456789ab",
            benchmark="s",
            question_id=f"s-0123456789ab-{2 * pair + place:04}",
            pair_id=f"s-0123456789ab-pair-{pair:04}",
            image="",
            attribute="",
            question="Which?",
            options=OPTIONS,
            answer=OPTIONS[place],
            statement=OPTIONS[place],
            pattern=pattern,
            source="published",
            key="original",
        )
        for n, pattern in enumerate(PATTERNS.values())
        for pair in range(n * pairs, (n + 1) * pairs)
        for place in (0, 1)
    ]


def gathered(asked, rows, given, **changes):
    labels = {(row.model, row.protocol): row.model for row in rows}
    wanted = {
        "labels": labels,
        "shown": [row for row in rows if row.key == "original"],
        "main": "doors",
        "ways": sorted({row.protocol for row in rows}),
    }
    return evidence_of(asked, rows, given, **wanted | changes)


def test_a_published_benchmark_is_known_by_what_it_asks_and_not_by_its_name():
    assert published_name(of_mmvp()) == "mmvp"
    assert published_name(of_mmvp()[:-2]) is None
    assert published_name(of_mmvp_vlm()) == MMVP_VLM
    assert published_name(of_mmvp_vlm(pairs=14)) is None
    assert published_name(ASKED) is None
    mine = [dataclasses.replace(row, source="attribute") for row in of_mmvp()]
    assert published_name(mine) is None


def test_published_numbers_stand_beside_mmvp_and_beside_nothing_else():
    asked = of_mmvp()
    found = gathered(*scored(say("m", truth, asked=asked), asked=asked))
    other = gathered(*scored(say("m", truth)))

    levels = {row.level for row in found.published}
    assert levels == {"pair", "question"}
    assert {row.benchmark for row in found.published} == {"doors"}
    gemini = next(row for row in found.published if row.label == "Gemini (Pro)")
    assert (gemini.level, gemini.value, gemini.low, gemini.key) == ("pair", 40.7, None, None)
    assert gemini.is_reference
    human = next(row for row in found.published if row.label == "Human")
    assert human.level == "question"
    assert all(row.source for row in found.published)
    assert other.published == []


def test_clips_stand_beside_imagenet_where_the_benchmark_is_theirs():
    asked = of_mmvp_vlm()
    found = gathered(*scored(say("m", truth, way=MMVP_VLM, asked=asked), asked=asked), main="s")

    assert [len(panel.points) for panel in found.imagenet] == [10]
    assert len(found.scaled) == len(published_encoders()) == 10
    assert all(one.is_published for one in found.scaled)
    assert gathered(*scored(say("m", truth))).scaled == []


def test_encoders_of_a_zoo_stand_with_their_sizes_beside_published_ones():
    asked = of_mmvp_vlm()
    clips = [say(f"clip-{n}", truth, way=MMVP_VLM, asked=asked) for n in range(3)]
    rows = scored(*clips, say("clip-0", truth, way="mmvp-vlm-group", asked=asked), asked=asked)
    encoders = [
        ZooRow(
            mining="m",
            entry=f"e{n}",
            name=f"E{n}",
            spec=f"e{n}",
            model=f"clip-{n}" if n < 3 else None,
            image_px=224,
            parameters=10**8,
            imagenet=0.5 + n / 10,
        )
        for n in range(4)
    ]

    found = gathered(*rows, main="s", encoders=encoders)

    assert [(one.name, one.accuracy) for one in found.scaled[:3]] == [
        ("E0", 100.0),
        ("E1", 100.0),
        ("E2", 100.0),
    ]
    assert not any(one.is_published for one in found.scaled[:3])
    assert len(found.scaled) == 3 + 10
    assert [len(panel.points) for panel in found.imagenet] == [3, 10]


@pytest.mark.parametrize(
    ("model", "r", "stated"),
    [
        ("LLaVA-1.5", 0.870, 0.87),
        ("Gemini", 0.721, 0.72),
        ("GPT-4V", 0.308, 0.31),
        ("InstructBLIP", 0.605, 0.71),  # the paper's own points give another number
    ],
)
def test_the_papers_figure_is_computed_anew(model, r, stated):
    (panel,) = (each for each in paper_correlations() if each.title == model)

    assert panel.numbers["pearson"] == pytest.approx(r, abs=0.0025)  # digitised to 0.2
    assert panel.said.startswith(f"r {panel.numbers['pearson']:.3f} (")
    assert panel.said.endswith(f"stated: {stated:.2f}")
    assert len(panel.points) == 9


def test_a_clip_stands_against_each_model_in_its_first_way_over_the_patterns_of_both():
    patterns = list(PATTERNS.values())[:4]
    asked = [dataclasses.replace(row, pattern=patterns[n // 2 % 4]) for n, row in enumerate(ASKED)]

    def knows(count):
        return lambda row: row.answer if row.pattern in patterns[:count] else "Open"

    rows = scored(
        say("clip", knows(1), way=MMVP_VLM, asked=asked),
        say("vlm", knows(2), way="letter", asked=asked),
        say("vlm", knows(3), way="paper-2024", asked=asked),
        say("vlm", always_open, way="letter+text-only", asked=asked),
        asked=asked,
    )

    found = gathered(*rows, ways=["letter", "letter+text-only", "paper-2024", MMVP_VLM])

    (panel,) = found.correlations
    assert (panel.title, panel.clip) == ("vlm (letter)", "clip")
    assert panel.points == {
        name: (100.0 * (n < 1), 100.0 * (n < 2)) for n, name in enumerate(patterns)
    }
    assert panel.numbers["pearson"] == pytest.approx(1 / 3**0.5)


def test_two_patterns_are_no_correlation():
    asked = [
        dataclasses.replace(row, pattern=("Text", "State")[n // 2 % 2])
        for n, row in enumerate(ASKED)
    ]

    found = gathered(
        *scored(
            say("clip", truth, way=MMVP_VLM, asked=asked),
            say("vlm", truth, asked=asked),
            asked=asked,
        )
    )

    assert found.correlations == []


def test_controls_and_doubts_have_the_labels_of_their_models():
    asked, rows, given = scored(
        say("m", truth), say("m", always_open, way="letter+text-only"), say("n", truth)
    )
    found = gathered(asked, rows, given, labels=dict.fromkeys(_ways(rows), "M!"))

    assert {row.label for row in found.beside} == {"M!"}
    text = next(row.text_only for row in found.beside if row.text_only)
    assert text["pair_accuracy"] == 0
    assert found.heard == {"doors": 2}
    assert [one.name for one in found.guessers] == ["independent", "always-same", "opposite"]


def _ways(rows):
    return {(row.model, row.protocol) for row in rows}


def test_of_no_scores_there_is_no_evidence(monkeypatch):
    monkeypatch.setattr(evidence, "tell", None)  # nothing is computed

    found = evidence_of(ASKED, [], [], labels={}, shown=[], main="doors", ways=[])

    assert (found.published, found.beside, found.as_published) == ((), (), ())
