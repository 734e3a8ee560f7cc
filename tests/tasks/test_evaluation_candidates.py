"""Which encoders are asked: those with a text tower that can be had, others are told of."""

import logging

from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig, identify, identify_texts
from tasks.evaluation.candidates import clips
from tests import dual


def asked(tmp_path, **specs):
    encoders = EmbedConfig(**{role: EncoderConfig(spec=spec) for role, spec in specs.items()})
    found = {role: identify(config) for role, config in encoders.roles().items()}
    return clips(encoders, found, "cpu", tmp_path / "weights.json")


def test_encoders_with_a_text_tower_are_asked_by_a_name_that_covers_it(tmp_path):
    spec, _ = dual.write("clip", tmp_path / "clip")

    found = asked(tmp_path, clip=spec, control="tiny:clip-control")

    assert [one.weights for one in found] == [
        identify_texts(EncoderConfig(spec=each)).fingerprint for each in (spec, "tiny:clip-control")
    ]
    assert [one.features for one in found] == [None, "clip-control"]


def test_an_encoder_that_plays_two_roles_is_asked_once(tmp_path):
    assert len(asked(tmp_path, clip="tiny:clip", control="tiny:clip")) == 1


def test_an_encoder_of_images_alone_is_not_asked(tmp_path):
    assert asked(tmp_path, clip="tiny:ssl") == []


def test_an_encoder_whose_tokenizer_is_missing_is_told_of_and_the_others_are_asked(
    tmp_path, caplog
):
    spec, _ = dual.write("clip", tmp_path / "clip")
    (tmp_path / "clip" / "tokenizer.json").unlink()

    with caplog.at_level(logging.WARNING, logger="tasks.evaluation"):
        found = asked(tmp_path, clip=spec, control="tiny:clip")

    assert [one.features for one in found] == ["clip-control"]
    assert f"of encoder '{spec}' has no tokenizer" in caplog.text
