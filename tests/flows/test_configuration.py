"""A run's settings from a file, checked before anything is started."""

import pytest

from flows.cli import build_parser
from flows.parameters import parameters

FILE = """
corpus: [photos, "parquet:rows/a.parquet", "s3://bucket/x", "scenes:10"]
train_corpus: more
clip: {spec: tiny:clip, batch_images: 8}
ssl: tiny:ssl
through: pairs
rehash: true
reading: {captions: told.csv, columns: {a: label}, words: {label: {0: cat}}, fetch_urls: true}
mine: {clip_above: 0.9, benchmark_pairs: 7}
evaluate: {models: [hf/model], budget: 2, prices: prices.json, allow_incomplete: true}
"""


def read(tmp_path, text, *options):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return parameters(build_parser().parse_args(["run", "--config", str(file), *options]))


def test_a_file_sets_the_parameters_of_the_flow(tmp_path):
    found = read(tmp_path, FILE)

    assert found["corpus"] == [
        f"{tmp_path}/photos",
        f"parquet:{tmp_path}/rows/a.parquet",
        "s3://bucket/x",
        "scenes:10",
    ]
    assert found["train_corpus"] == [f"{tmp_path}/more"]
    assert (found["clip"].spec, found["clip"].batch_images) == ("tiny:clip", 8)
    assert (found["ssl"].spec, found["control"]) == ("tiny:ssl", None)
    assert (found["through"], found["rehash"]) == ("pairs", True)
    assert found["reading"].captions == f"{tmp_path}/told.csv"
    assert (found["reading"].words, found["reading"].fetch_urls) == ({"label": {"0": "cat"}}, True)
    assert (found["mine"].clip_above, found["mine"].ssl_below) == (0.9, 0.6)
    assert str(found["evaluate"].prices) == f"{tmp_path}/prices.json"
    assert found["evaluate"].allow_incomplete


def test_an_option_goes_before_the_file(tmp_path):
    options = ("--corpus", "x", "--clip-above", "0.8", "--ssl", "hf:b", "--clip-px", "64")

    found = read(tmp_path, FILE, *options)

    assert found["corpus"] == ["x"]
    assert (found["mine"].clip_above, found["mine"].benchmark_pairs) == (0.8, 7)
    assert found["ssl"].spec == "hf:b"
    assert (found["clip"].image_px, found["clip"].batch_images) == (64, 8)


def test_an_option_within_a_policy_leaves_the_rest_of_it(tmp_path):
    text = "questions: {by: [people], checks: {required: [form], guessed_most: 0.25}}"

    found = read(tmp_path, text, "--require", "leak")

    assert found["questions"].by == ("people",)
    assert found["questions"].checks.required == ("leak",)
    assert found["questions"].checks.guessed_most == 0.25


def test_without_a_file_all_is_as_it_was():
    found = parameters(build_parser().parse_args(["run"]))

    assert (found["corpus"], found["clip"].spec, found["through"]) == ([], "tiny:clip", "report")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corpus: [", "cannot be read: while parsing"),
        ("- photos", "holds list, expected keys such as corpus: DIR"),
        ("!!python/object/apply:os.system [x]", "cannot be read: could not determine"),
        ("corpuss: x", "corpuss is no setting; did you mean 'corpus'"),
        ("mine: {clip_abov: 1}", "mine.clip_abov is no setting; did you mean 'clip_above'"),
        ("clip: {spek: x}", "clip.spek is no setting; did you mean 'spec'"),
        ("mine: {clip_above: 2}", "mine.clip_above: .* less than or equal to 1, found 2"),
        ("ssl: dinov2", "ssl.spec: .* does not read library:model"),
        ("reading: {words: {label: cat}}", "reading.words.label: .* valid dict.*, found 'cat'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, said):
    with pytest.raises(ValueError, match=said) as error:
        read(tmp_path, text)

    assert str(tmp_path / "run.yaml") in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    options = build_parser().parse_args(["run", "--config", str(tmp_path / "none.yaml")])

    with pytest.raises(ValueError, match=r"none\.yaml' cannot be read: .* No such file"):
        parameters(options)
