"""What a zoo shows: who stands where, published values beside measured ones, the correlation."""

from dataclasses import replace

import pytest

from storage import scores, zoo
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from storage.zoo import ZooRow
from tasks.correlation import correlate, correlate_scores
from tasks.patterns import PATTERNS
from tasks.scores.statistics import wilson
from tasks.zoo.standing import (
    imagenet_correlation,
    is_mmvp_vlm,
    record_of,
    said,
    standing,
)

RULES = ("mmvp-vlm", "mmvp-vlm-text", "mmvp-vlm-group")
LARGE, SIGLIP = "open_clip:ViT-L-14/openai", "open_clip:ViT-SO400M-14-SigLIP/webli"


def score(model, protocol, right, pattern=None, pairs=20):
    low, high = wilson(right, pairs)
    share = right / pairs
    return ScoreRow(
        mining="m", benchmark="mined", model=model, features=None, ssl_share=None, seed=None,
        steps=None, protocol=protocol, key="original", pattern=pattern, pairs=pairs,
        pair_accuracy=share, pair_low=low, pair_high=high, question_accuracy=share,
        question_low=low, question_high=high, both_right=share, same_answer=1 - share, swapped=0,
        other=0, unread=0, chance=0.25,
    )  # fmt: skip


def encoder(db, spec, right, imagenet=None):
    name = spec.partition("/")[0]
    zoo.upsert(
        db,
        [ZooRow(mining="m", entry=spec, name=name, spec=spec, model=name, imagenet=imagenet)],
    )
    rows = [score(name, rule, right) for rule in RULES]
    rows += [score(name, "mmvp-vlm", right, pattern) for pattern in ("Text", "State")]
    scores.upsert(db, rows)


def question(pattern, number):
    return QuestionRow(
        mining="m", benchmark="b", question_id=f"{pattern}{number}", pair_id="p", image="i",
        attribute="", question="?", options=("x", "y"), answer="x", statement="x",
        pattern=pattern, source="published", key="original",
    )  # fmt: skip


def test_encoders_stand_by_the_papers_rule_and_those_refused_come_last(db):
    encoder(db, LARGE, 4)
    encoder(db, SIGLIP, 9)
    zoo.upsert(db, [ZooRow(mining="m", entry="x", name="x", spec="x", refused="why")])

    found = standing(db, "m", "mined")

    assert [model.row.spec for model in found] == [SIGLIP, LARGE, "x"]
    assert found[0].scores.keys() == set(RULES)
    assert found[0].patterns["mmvp-vlm"]["Text"].pair_accuracy == 0.45
    assert found[2].scores == {}
    assert [model.row.spec for model in standing(db, "m", "mined", {LARGE})] == [LARGE]
    assert standing(db, "m", "random")[0].scores == {}


def test_published_values_stand_beside_the_same_weights_on_the_same_benchmark(db):
    encoder(db, LARGE, 4)
    encoder(db, "open_clip:ViT-B-32/openai", 3)

    beside = standing(db, "m", "mined", beside_published=True)
    apart = standing(db, "m", "mined")

    assert [model.published for model in beside] == [19.3, None]
    assert beside[0].published_imagenet == 75.5
    assert [model.published for model in apart] == [None, None]


@pytest.mark.parametrize(
    ("name", "pairs", "expected"),
    [
        ("mmvp-vlm", 15, True),
        ("mmvp-vlm", 14, False),
        ("drawn", 15, False),
        ("mmvp", 15, False),
    ],
)
def test_mmvp_vlm_is_known_by_its_name_and_its_patterns(name, pairs, expected):
    rows = [question(p, n) for p in PATTERNS.values() for n in range(2 * pairs)]

    assert is_mmvp_vlm(name, rows) is expected


def test_pair_accuracy_is_correlated_with_imagenet(db):
    for place, (right, imagenet) in enumerate([(2, 0.6), (5, 0.7), (4, 0.75), (9, 0.8)]):
        encoder(db, f"open_clip:{place}/x", right, imagenet)
    encoder(db, "open_clip:unknown/x", 20)

    found = imagenet_correlation(standing(db, "m", "mined"))

    assert found == correlate([60, 70, 75, 80], [10, 25, 20, 45])
    assert said(found).startswith("r 0.8")
    assert said(found).endswith("; 4 encoders")
    assert record_of("m", "mined", standing(db, "m", "mined"))["imagenet_said"] == said(found)


def test_a_single_encoder_has_no_correlation(db):
    encoder(db, LARGE, 4, 0.7)

    assert imagenet_correlation(standing(db, "m", "mined")) is None
    assert said(None) == "too few encoders for a correlation"


def test_only_the_papers_rule_is_set_against_multimodal_models(db):
    encoder(db, LARGE, 4)
    rows = scores.read(db, "m")
    other = [replace(row, model="llava", protocol="letter") for row in rows if row.pattern]

    (found,) = correlate_scores([*rows, *other], [*rows, *other])

    assert (found.clip, found.model, found.protocol) == ("open_clip:ViT-L-14", "llava", "letter")
    assert found.points.keys() == {"Text", "State"}
