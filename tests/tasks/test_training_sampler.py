"""Batches of like rows: which, in which order, and each row learnt once an epoch."""

import random

import pytest

from tasks.training.conversation import IGNORED
from tasks.training.sampler import LengthModalitySampler, OrderedSampler, Rows, muted


class Data:
    def __init__(self, count, images):
        chance = random.Random(0)
        self.lengths = [chance.randrange(10, 500) for _ in range(count)]
        self.has_image = [True] * images + [False] * (count - images)
        chance.shuffle(self.has_image)

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, number):
        return {"input_ids": [number, 7], "labels": [IGNORED, 7]}


def batches_of(sampler, batch):
    numbers = list(sampler)
    assert len(numbers) == len(sampler)
    assert len(numbers) % batch == 0
    return [numbers[start : start + batch] for start in range(0, len(numbers), batch)]


def learnt(numbers):
    return sorted(number for number in numbers if number >= 0)


@pytest.mark.parametrize(
    ("count", "images"), [(64, 40), (61, 40), (9, 8), (9, 9), (3, 0), (1000, 500)]
)
def test_every_row_is_learnt_once_and_no_batch_is_mixed(count, images):
    data = Data(count, images)

    batches = batches_of(LengthModalitySampler(data, 8, seed=0), 8)

    assert learnt(n for batch in batches for n in batch) == list(range(count))
    for batch in batches:
        kinds = {data.has_image[n if n >= 0 else muted(n)] for n in batch}
        assert len(kinds) == 1


def test_the_order_follows_from_seed_and_epoch():
    data = Data(200, 100)
    one, again, other = (LengthModalitySampler(data, 8, seed) for seed in (0, 0, 1))

    first = list(one)
    random.random()
    assert list(again) == first
    assert list(other) != first
    one.set_epoch(1)
    second = list(one)
    assert second != first
    again.set_epoch(1)
    assert list(again) == second
    one.set_epoch(0)
    assert list(one) == first


def test_rows_of_a_batch_are_of_like_length():
    data = Data(2000, 2000)

    batches = batches_of(LengthModalitySampler(data, 8, seed=0), 8)

    spread = [
        max(data.lengths[n] for n in batch) - min(data.lengths[n] for n in batch)
        for batch in batches
    ]
    assert sum(spread) / len(spread) < 20, "490 tokens lie between the shortest and the longest"
    means = [sum(data.lengths[n] for n in batch) for batch in batches]
    assert means != sorted(means, reverse=True), "batches come by lot"


def test_processes_that_take_turns_see_the_same_modality_at_once():
    data = Data(90, 50)
    numbers = list(LengthModalitySampler(data, 8, seed=0))
    kinds = [data.has_image[n if n >= 0 else muted(n)] for n in numbers]

    for start in range(0, len(kinds), 4):  # two processes, two rows each
        assert len(set(kinds[start : start + 4])) == 1


def test_rows_in_their_order_stay_in_it_and_the_last_batch_is_filled():
    assert list(OrderedSampler(Data(8, 8), 4)) == list(range(8))
    filled = list(OrderedSampler(Data(6, 6), 4))

    assert filled == [0, 1, 2, 3, 4, 5, muted(4), muted(5)]


def test_a_muted_row_is_the_row_without_labels():
    rows = Rows(Data(6, 6))

    (row,) = rows.__getitems__([muted(2)])

    assert row == {"input_ids": [2, 7], "labels": [IGNORED, IGNORED], "number": 2}
    assert rows[2] == {"input_ids": [2, 7], "labels": [IGNORED, 7], "number": 2}
    assert muted(muted(5)) == 5


def test_rows_are_read_together_where_that_can_be_done():
    class Together(Data):
        def __getitems__(self, numbers):
            self.asked = numbers
            return [self[number] for number in numbers]

    data = Together(6, 6)

    rows = Rows(data).__getitems__([3, muted(1)])

    assert data.asked == [3, 1]
    assert [row["number"] for row in rows] == [3, 1]


def test_a_training_set_that_does_not_know_its_lengths_is_refused():
    data = Data(6, 6)
    data.lengths.pop()
    data.__class__ = type("Longer", (Data,), {"__len__": lambda self: 6})

    with pytest.raises(ValueError, match="lengths of the training set are 5, expected 6 rows"):
        LengthModalitySampler(data, 2, seed=0)
