"""Images to vectors on a worker: every image once, in order, and an end whatever fails."""

import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tasks.encoders import EncoderConfig, load
from tasks.images import decode_pixels, image_id
from tasks.pipeline import Busy, ImageItem, embed_items
from tests import pictures


@pytest.fixture(scope="module")
def encoders():
    return {
        name: load(EncoderConfig(spec=f"tiny:{name}", batch_images=16)) for name in ("clip", "ssl")
    }


@pytest.fixture
def items(tmp_path):
    """Forty images, of which the last half lacks the vector of one encoder only."""
    made = []
    for number in range(40):
        path = tmp_path / f"{number:02}.png"
        pictures.draw_photo(path, number, side=48)
        roles = ("clip", "ssl") if number < 20 else ("ssl",)
        made.append(ImageItem(image_id(path.read_bytes()), [str(path)], roles))
    return made


def collect(kept, role, width, batches):
    """A writer that keeps what it is given."""
    kept[role] = [(list(keys), vectors_BD) for keys, vectors_BD in batches]
    return f"{role} of width {width}"


def run(items, encoders, write, threads=2):
    return embed_items(items, encoders, write, threads=threads, busy=Busy())


def expected(items, encoder):
    return encoder.embed([decode_pixels(Path(item.paths[0]).read_bytes()) for item in items])


def test_every_image_gets_the_vectors_it_lacks_in_order(items, encoders):
    kept = {}

    results, failures = run(items, encoders, partial(collect, kept))

    assert results == {"clip": "clip of width 96", "ssl": "ssl of width 96"}
    assert failures == []
    for role, wanted in {"clip": items[:20], "ssl": items}.items():
        assert [key for keys, _ in kept[role] for key in keys] == [item.key for item in wanted]
        vectors_ND = np.concatenate([vectors_BD for _, vectors_BD in kept[role]])
        np.testing.assert_array_equal(vectors_ND, expected(wanted, encoders[role]))


def test_an_image_is_read_once_for_all_encoders(items, encoders, monkeypatch):
    read = []
    monkeypatch.setattr(
        "tasks.pipeline.decode_pixels", lambda data: read.append(1) or decode_pixels(data)
    )

    run(items, encoders, partial(collect, {}))

    assert len(read) == 40


def test_an_image_without_pixels_is_a_failure_and_the_others_go_on(items, encoders, tmp_path):
    (tmp_path / "03.png").write_bytes(b"other bytes")
    (tmp_path / "05.png").unlink()
    kept = {}

    _, failures = run(items, encoders, partial(collect, kept))

    assert [(one.image, one.reason) for one in failures] == [
        (items[3].key, "changed"),
        (items[5].key, "vanished"),
    ]
    assert sum(len(keys) for keys, _ in kept["ssl"]) == 38


def test_nothing_is_written_when_no_image_has_pixels(items, encoders, tmp_path):
    for path in tmp_path.iterdir():
        path.unlink()

    results, failures = run(items, encoders, partial(collect, {}))

    assert (results, len(failures)) == ({}, 40)


def fail_at_once(role, width, batches):
    message = "no space"
    raise OSError(message)


def fail_later(role, width, batches):
    next(batches)
    return fail_at_once(role, width, batches)


@pytest.mark.parametrize("write", [fail_at_once, fail_later])
def test_a_writer_that_fails_ends_it_all_with_its_own_error(items, encoders, write):
    before = threading.active_count()

    with pytest.raises(OSError, match="no space"):
        run(items * 6, encoders, write)

    assert threading.active_count() <= before + 1


def test_an_encoder_that_fails_ends_it_all_with_its_own_error(items, encoders, monkeypatch):
    before = threading.active_count()
    monkeypatch.setattr(encoders["ssl"], "unit", lambda _: fail_at_once("", 0, ()))

    with pytest.raises(OSError, match="no space"):
        run(items, encoders, partial(collect, {}))

    assert threading.active_count() <= before + 1


def test_decoding_stays_a_few_passes_ahead(items, encoders, monkeypatch):
    decoded, lead = [], []
    monkeypatch.setattr(
        "tasks.pipeline.decode_pixels", lambda data: decoded.append(1) or decode_pixels(data)
    )

    def slow(role, width, batches):
        for keys, _ in batches:
            time.sleep(0.02)
            lead.append((role, len(keys), len(decoded)))

    one = {"ssl": encoders["ssl"]}
    run([item._replace(roles=("ssl",)) for item in items * 10], one, slow)

    done = np.cumsum([count for _, count, _ in lead])
    most = 16 * (2 + 4 + 3) + 2  # decoded ahead, waiting for the writer, in passes and its hands
    assert all(total - count <= most for count, (_, _, total) in zip(done, lead, strict=True))


def test_the_parts_tell_how_long_they_were_at_work(items, encoders):
    busy = Busy()

    def slow(role, width, batches):
        for _ in batches:
            time.sleep(0.05)

    begun = time.perf_counter()
    embed_items(
        [item._replace(roles=("ssl",)) for item in items],
        {"ssl": encoders["ssl"]},
        slow,
        threads=1,
        busy=busy,
    )
    whole = time.perf_counter() - begun

    assert 0 < busy.seconds["decode"] < whole
    assert 0 < busy.seconds["model"] < whole
    assert 0.15 <= busy.seconds["write"] < whole, "three batches"
