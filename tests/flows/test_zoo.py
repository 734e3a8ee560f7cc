"""The flow `zoo`: encoders of several families, from folder and list to scores and page."""

import json
from pathlib import Path

import lancedb
import numpy as np
import pytest
import torch
import transformers

from flows.benchmark import benchmark
from flows.mmvp import mmvp
from flows.zoo import print_zoo, zoo
from storage import zoo as table
from storage.database import Database
from tasks.encoders import EncoderConfig, load_texts
from tasks.mining.thresholds import MineConfig
from tasks.questions.stage import QuestionConfig
from tasks.zoo.imagenet import ImagenetConfig
from tasks.zoo.listing import entries_of
from tests import dual, pictures, vlm_folder
from tests.flows import runs

RULES = ("mmvp-vlm", "mmvp-vlm-text", "mmvp-vlm-group")
NO_HUB = "open_clip:ViT-B-32/openai"
WORKING = ("tiny:clip", "tiny:clip-control")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "drawn"
    vlm_folder.draw_benchmark(place)
    return place


def entries(*specs):
    return entries_of(specs, "a test")


def vectors_of(home, model):
    """An encoder's vectors by image as plain LanceDB reads them, float64, of unit length."""
    rows = lancedb.connect(home / "store").open_table(f"embeddings_{model}").to_arrow().to_pylist()
    found = {row["image"]: np.array(row["vector"], np.float64) for row in rows}
    return {image: vector / np.linalg.norm(vector) for image, vector in found.items()}


def texts_of(spec, prompts):
    """Unit vectors of texts by the library's own means, in float64."""
    if spec.startswith("hf:"):
        place = spec.removeprefix("hf:")
        model = transformers.AutoModel.from_pretrained(place).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        length = {"padding": "max_length", "max_length": dual.LENGTH} if "siglip" in spec else {}
        rows = []
        with torch.no_grad():
            for prompt in prompts:
                ids = tokenizer([prompt], return_tensors="pt", truncation=True, **length).input_ids
                rows.append(model.get_text_features(input_ids=ids).pooler_output[0].double())
        found = torch.stack(rows).numpy()
    else:
        found = load_texts(EncoderConfig(spec=spec)).embed(prompts).astype(np.float64)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def brute_force(home, spec, model, questions):
    """Pair accuracy by each rule, and by pattern by the paper's, straight from the definition."""
    vectors = vectors_of(home, model)
    pairs = {}
    for row in questions:
        pairs.setdefault(row["pair_id"], []).append(row)
    said = {row["question_id"]: f"a photo of {row['statement']}" for row in questions}
    texts_by_id = dict(zip(said, texts_of(spec, list(said.values())), strict=True))
    right = {rule: {} for rule in RULES}
    for name, (a, b) in pairs.items():
        texts = np.stack([texts_by_id[row["question_id"]] for row in (a, b)])
        images = np.stack([vectors[row["image"]] for row in (a, b)])
        cosines = texts @ images.T
        by_text = cosines[0, 0] > cosines[0, 1] and cosines[1, 1] > cosines[1, 0]
        by_image = cosines[0, 0] > cosines[1, 0] and cosines[1, 1] > cosines[0, 1]
        for rule, ok in zip(RULES, (by_text, by_image, by_text and by_image), strict=True):
            right[rule][name] = bool(ok)
    return right, {name: both[0]["pattern"] for name, both in pairs.items()}


def test_encoders_of_many_families_are_scored_as_by_hand_and_others_are_told_of(
    server, cluster, home, folder, tmp_path, capsys
):
    specs = [dual.write(family, tmp_path / family)[0] for family in ("siglip", "open_clip")]
    listed = entries(*WORKING, *specs, NO_HUB, "tiny:ssl")

    found = zoo(listed, str(folder), workers=cluster)
    again = zoo(listed, str(folder), workers=runs.NO_WORKERS)
    print_zoo(found)

    models = {model["spec"]: model for model in found["models"]}
    questions = runs.stored(home, "questions")
    for spec in (*WORKING, *specs):
        right, patterns = brute_force(home, spec, models[spec]["model"], questions)
        for rule in RULES:
            score = models[spec]["scores"][rule]
            assert score["pairs"] == len(patterns) == 18
            assert score["pair_accuracy"] == np.mean(list(right[rule].values())), (spec, rule)
            for pattern, one in score["patterns"].items():
                mine = [ok for name, ok in right[rule].items() if patterns[name] == pattern]
                assert (one["pairs"], one["pair_accuracy"]) == (len(mine), np.mean(mine))
            assert len(score["patterns"]) == 9
    shares = {models[spec]["scores"][rule]["pair_accuracy"] for spec in WORKING for rule in RULES}
    assert len(shares - {0, 1}) > 2, "neither all right nor all wrong"
    assert models[NO_HUB]["scores"] == models["tiny:ssl"]["scores"] == {}
    assert "which encoder 'open_clip:ViT-B-32/openai' needs" in models[NO_HUB]["refused"]
    assert "has no text tower to ask" in models["tiny:ssl"]["refused"]

    assert found["stages"]["zoo"]["reasons"] == {"refused": 2}
    assert runs.states(again["stages"]) == dict.fromkeys(again["stages"], "current")
    assert {name: stage["new"] for name, stage in again["stages"].items()} == dict.fromkeys(
        again["stages"], 0
    )
    assert again["models"] == found["models"]
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].split()[:2] == ["encoder", "px"]
    assert "refused: tiny:ssl: encoder 'tiny:ssl' has no text tower to ask" in printed


def test_a_zoo_has_sizes_published_accuracies_and_a_page(server, cluster, home, folder):
    found = zoo(entries(*WORKING), str(folder), workers=cluster)

    rows = {row["entry"]: row for row in runs.stored(home, "zoo")}
    row = rows["tiny:clip"]
    assert row["image_px"] == 48
    assert row["parameters"] == row["image_parameters"] + row["text_parameters"] + 1
    assert row["imagenet"] is None
    page = Path(found["page"])
    assert {file.name for file in page.parent.iterdir()} == {
        *("index.html", "zoo.json", "scaling.png", "scaling-dark.png")
    }
    text = page.read_text()
    assert "tiny:clip-control" in text
    assert "<script" not in text
    assert json.loads((page.parent / "zoo.json").read_text())["models"] == found["models"]
    before = {file.name: file.read_bytes() for file in page.parent.iterdir()}
    zoo(entries(*WORKING), str(folder), workers=runs.NO_WORKERS)
    assert {file.name: file.read_bytes() for file in page.parent.iterdir()} == before


def test_a_run_that_can_score_none_says_so_and_keeps_the_reasons(server, cluster, home, folder):
    with pytest.raises(ValueError, match=r"not one of 1 encoders could be scored; the first, .*"):
        zoo(entries(NO_HUB), str(folder), workers=cluster)

    (row,) = runs.stored(home, "zoo")
    assert row["model"] is None
    assert "is not in the hub's cache" in row["refused"]


def test_zero_shot_accuracy_is_measured_on_a_folder_by_class(
    server, cluster, home, folder, tmp_path
):
    by_class = tmp_path / "classes"
    for number in range(12):
        kind = ("n01", "n02", "n03")[number % 3]
        pictures.draw_photo(by_class / kind / f"{number}.png", number)
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"n01": "red car", "n02": "blue duck", "n03": "hat"}))
    config = ImagenetConfig(folder=by_class, class_names=names)
    spec, _ = dual.write("clip", tmp_path / "clip")

    found = zoo(entries(spec, "tiny:clip"), str(folder), config, workers=cluster)
    again = zoo(entries(spec, "tiny:clip"), str(folder), config, workers=runs.NO_WORKERS)

    from open_clip.zero_shot_metadata import SIMPLE_IMAGENET_TEMPLATES

    images = {
        row["image"]: Path(row["path"]).parent.name
        for row in runs.stored(home, "paths")
        if row["path"].startswith(str(by_class))
    }
    for model in found["models"]:
        vectors = vectors_of(home, model["model"])
        classes = {}
        for kind, name in json.loads(names.read_text()).items():
            prompts = [template(name) for template in SIMPLE_IMAGENET_TEMPLATES]
            mean = texts_of(model["spec"], prompts).mean(0)
            classes[kind] = mean / np.linalg.norm(mean)
        taken = {
            image: max(classes, key=lambda kind: classes[kind] @ vectors[image]) for image in images
        }
        right = np.mean([taken[image] == kind for image, kind in images.items()])
        assert model["imagenet"] == right
        assert (model["imagenet_images"], model["imagenet_source"]) == (12, "measured")
        assert model["imagenet_low"] < model["imagenet"] < model["imagenet_high"]
    assert runs.states(again["stages"]) == dict.fromkeys(again["stages"], "current")
    assert found["imagenet_said"] == "too few encoders for a correlation"


def test_what_evaluate_asked_before_is_not_asked_again_and_scores_stand_side_by_side(
    server, cluster, home, folder
):
    asked = benchmark(str(folder), workers=cluster)
    before = {row["question_id"]: row for row in runs.stored(home, "answers")}
    zoo(entries(*WORKING), str(folder), workers=cluster)
    again = benchmark(str(folder), workers=runs.NO_WORKERS)

    after = runs.stored(home, "answers")
    assert [row for row in after if row["protocol"] == "mmvp-vlm" and row in before.values()]
    assert len(after) == 2 * 3 * 36
    scored = {(row["model"], row["protocol"]) for row in again["scores"]}
    assert len(scored) == 2 * 3
    first = {(r["model"], r["protocol"], r["pattern"]): r for r in asked["scores"]}
    for row in again["scores"]:
        name = (row["model"], row["protocol"], row["pattern"])
        assert name not in first or first[name] == row
    chances = {row["protocol"]: row["chance"] for row in again["scores"]}
    assert chances == {"mmvp-vlm": 0.25, "mmvp-vlm-text": 0.25, "mmvp-vlm-group": 1 / 6}


def test_without_a_benchmark_the_mined_one_is_scored_and_survives_an_evaluation(
    server, cluster, home
):
    mine = MineConfig(clip_above_quantile=0.9, ssl_below_quantile=0.5, benchmark_pairs=6)
    through = {"mine": mine, "questions": QuestionConfig(lot_pairs=1), "workers": cluster}
    mmvp(["scenes:60"], through="questions", **through)
    found = zoo(entries(*WORKING), workers=cluster)
    embedded = found["stages"]["embed"]
    mmvp(["scenes:60"], through="scores", **through)
    again = zoo(entries(*WORKING), workers=runs.NO_WORKERS)

    asked = {row["image"] for row in runs.stored(home, "questions")}
    held = Database(str(home / "store"))
    assert found["benchmark"] == "mined"
    assert embedded["new"] == len(asked), "the control, of images in questions only"
    assert len(asked) < 60
    assert [model["refused"] for model in found["models"]] == [None, None]
    assert again["models"] == found["models"]
    assert runs.states(again["stages"]) == {"embed": "current", "zoo": "current"}
    assert len(table.read(held, found["set"])) == 2


def test_nothing_to_score_on_is_said(server, home, folder, tmp_path):
    with pytest.raises(ValueError, match="no questions were written yet"):
        zoo(entries("tiny:clip"), workers=runs.NO_WORKERS)
    (tmp_path / "mmvp").mkdir()
    (tmp_path / "mmvp" / "Questions.csv").write_text(
        "Index,Question,Options,Correct Answer\n1,A?,(a) x (b) y,(a)\n2,A?,(a) x (b) y,(b)\n"
    )
    with pytest.raises(ValueError, match="has questions and no statements"):
        zoo(entries("tiny:clip"), str(tmp_path / "mmvp"), workers=runs.NO_WORKERS)
    (folder / "MLLM_VLM Images").rename(folder / "elsewhere")
    with pytest.raises(ValueError, match="has no images, so no encoder can match"):
        zoo(entries("tiny:clip"), str(folder), workers=runs.NO_WORKERS)
