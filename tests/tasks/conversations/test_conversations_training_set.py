"""Stored conversations are read in the order asked for, at one version, also in other processes."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from transformers.models.llava.image_processing_llava import LlavaImageProcessor

from storage import conversations, paths
from storage.conversations import ConversationRow, Turn
from storage.database import StoreError
from storage.paths import PathRow
from tasks.conversations.training_set import ConversationSet, ImagePlaces, StoredConversations
from tasks.images import image_id
from tasks.training.conversation import IGNORED, Collator
from tasks.training.words import IMAGE, PAD, make_tokenizer
from tests import lessons, pictures

MIX, ROWS, SIDE = "mix-1", 40, 16
CANVAS = LlavaImageProcessor(
    size={"shortest_edge": SIDE},
    crop_size={"height": SIDE, "width": SIDE},
    do_rescale=False,
    do_normalize=False,
)


def row(position, images=(), mix=MIX, answer=None):
    asked = "".join("<image>\n" for _ in images) + lessons.HAT
    turns = (Turn(asked, answer or f"red {position}"), Turn(lessons.KIND + "\n", "duck"))
    return ConversationRow(
        mix=mix, position=position, id=None, system=None, images=tuple(images), turns=turns
    )


@pytest.fixture
def album(db, tmp_path):
    """Three stored pictures; their ids."""
    rows = []
    for number in range(3):
        file = pictures.draw_photo(tmp_path / f"album/{number}.png", number, side=24)
        told = dict.fromkeys(("label", "caption", "attributes"))
        rows.append(
            PathRow(
                corpus=str(tmp_path / "album"),
                path=str(file),
                image=image_id(file.read_bytes()),
                size_bytes=1,
                mtime_ns=1,
                made_by="test",
                **told,
            )
        )
    paths.upsert(db, rows)
    return [one.image for one in rows]


@pytest.fixture
def mix(db, album):
    """A mix in three parts, with another between them, of images, pairs of images and text."""
    shown = [(), (album[0],), (album[1], album[2]), (album[2],)]
    rows = [row(n, shown[n % 4]) for n in range(ROWS) if n % 7]
    for start in (16, 0, 32):  # parts lie in the table as they were written
        part = [one for one in rows if start <= one.position < start + 16]
        conversations.replace(db, MIX, part, start=start, stop=start + 16)
        conversations.replace(db, "other", [row(start, mix="other")], start=start, stop=start + 1)
    return rows


def stored(db, **options):
    return StoredConversations(db.uri, MIX, db.version(conversations.SPEC), **options)


def training_set(db, tmp_path, **options):
    places = ImagePlaces(db.uri, [str(tmp_path / "album")], db.version(paths.SPEC))
    return ConversationSet(
        conversations=stored(db, **options),
        places=places,
        tokenizer=make_tokenizer(lessons.examples_of(12)),
        canvas=CANVAS,
        image_tokens=2,
    )


def test_conversations_come_in_the_order_asked_for_repeats_included(db, mix):
    data = stored(db)
    numbers = np.random.default_rng(0).integers(0, len(mix), 60).tolist()

    found = data.__getitems__(numbers)

    assert len(data) == len(mix)
    assert [one.turns for one in found] == [mix[number].turns for number in numbers]
    assert [one.images for one in found] == [mix[number].images for number in numbers]
    assert data[3].turns == mix[3].turns
    assert data.words == [one.words for one in mix]
    assert data.has_image == [bool(one.images) for one in mix]


def test_what_is_written_later_changes_nothing(db, mix):
    data = stored(db)
    before = data.__getitems__(range(len(mix)))
    changed = [row(n, answer="blue") for n in range(16)]
    conversations.replace(db, MIX, changed, start=0, stop=16)
    conversations.replace(db, MIX, [row(n) for n in range(100, 120)], start=100)

    again = pickle.loads(pickle.dumps(data))

    assert again.__getitems__(range(len(mix))) == before
    assert len(stored(db)) == len(mix) + 20 + 3
    assert stored(db)[0].turns[0] == (lessons.HAT, "blue")


def test_conversations_about_images_of_a_benchmark_are_left_out_and_counted(db, mix, album):
    data = stored(db, without={album[1], "unheard of"})

    expected = [one.turns for one in mix if album[1] not in one.images]
    assert [one.turns for one in data.__getitems__(range(len(data)))] == expected
    assert data.left_out == len(mix) - len(expected) > 0
    assert len(data.words) == len(data.has_image) == len(expected)


def test_a_mix_that_is_all_about_a_benchmark_is_an_error(db, album):
    conversations.replace(db, MIX, [row(n, (album[0],)) for n in range(2)], start=0)

    with pytest.raises(ValueError, match="all 2 conversations of mix 'mix-1' are about images"):
        stored(db, without={album[0]})


def test_a_mix_or_a_version_that_is_not_there_is_an_error(db, mix):
    version = db.version(conversations.SPEC)

    with pytest.raises(ValueError, match=f"mix 'none' has no conversation in version {version}"):
        StoredConversations(db.uri, "none", version)
    with pytest.raises(StoreError, match="version 999 of table 'conversations'"):
        StoredConversations(db.uri, MIX, 999)


def test_the_place_of_a_single_image_can_be_put_first(db, album):
    asked = Turn(f"{lessons.HAT}\n<image>", "no")
    rows = [
        dataclasses.replace(row(0, (album[0],)), turns=(asked,)),
        row(1, (album[0], album[1])),
    ]
    conversations.replace(db, MIX, rows, start=0)

    first, second = stored(db, images_first=True).__getitems__([0, 1])

    assert first.turns[0][0] == f"<image>\n{lessons.HAT}"
    assert second.turns == rows[1].turns
    assert stored(db)[0].turns[0][0] == f"{lessons.HAT}\n<image>"


def test_rows_have_tokens_labels_and_a_canvas_an_image(db, mix, album, tmp_path):
    data = training_set(db, tmp_path)
    rows = data.__getitems__(range(len(mix)))

    for told, one in zip(mix, rows, strict=True):
        assert one["input_ids"].count(IMAGE) == 2 * len(told.images)
        assert any(label != IGNORED for label in one["labels"])
        assert ("pixel_values" in one) == bool(told.images)
    two = next(one for told, one in zip(mix, rows, strict=True) if len(told.images) == 2)
    expected = [
        CANVAS(Image.open(tmp_path / f"album/{number}.png"), return_tensors="pt")["pixel_values"]
        for number in (1, 2)
    ]
    assert two["pixel_values"].dtype == torch.uint8
    assert torch.equal(two["pixel_values"], torch.cat(expected))
    assert len(data.lengths) == len(data)
    assert data.lengths[0] > data.conversations.words[0] + 2


@pytest.mark.parametrize("context", [pytest.param("spawn", marks=pytest.mark.slow), "forkserver"])
def test_a_loader_process_gives_the_batches_of_this_one(db, mix, tmp_path, context):
    data = training_set(db, tmp_path)
    data[0]  # opened here, which must not travel
    options = {"batch_size": 8, "collate_fn": Collator(PAD)}

    here = list(DataLoader(data, **options))
    there = list(DataLoader(data, num_workers=1, multiprocessing_context=context, **options))

    assert len(here) == len(there)
    for one, other in zip(here, there, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_an_image_that_is_gone_or_changed_is_an_error_that_says_what_to_do(
    db, mix, album, tmp_path, damage
):
    data = training_set(db, tmp_path)
    file = tmp_path / "album/0.png"
    file.unlink()
    if damage == "changed":
        pictures.draw_photo(file, 5)
    number = next(n for n, one in enumerate(mix) if one.images == (album[0],))

    with pytest.raises(ValueError, match=rf"conversation {number} is about image {album[0]}") as e:
        data[number]

    assert "run `mmvp conversations` again" in str(e.value)
