"""The order in which rows are learnt from: a function of seed and epoch.

Put here: batches of like rows; filling the last ones.
Keep out: which process computes what of a batch, which accelerate decides.
Source: LLaVA's grouping of samples by length and modality (Liu et al. 2023, arXiv 2310.03744).

A batch here is that of a step over all processes and accumulations. Accelerate deals it out in
runs of neighbours, so rows of like length meet in a process, and each process needs as long.

A batch of training is never mixed: a process that has images beside one that has none would wait
for the other wherever towers are sharded or trained. So the last batch of each kind is filled up,
with rows of its own whose labels are muted: every row is learnt exactly once an epoch.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from torch.utils.data import Dataset, Sampler

from tasks.training.conversation import IGNORED, Row, TrainingSet

SORTED_BATCHES: Final = 50
"""Batches that are sorted by length together: more make them more alike, and less by lot."""


def muted(number: int) -> int:
    """Return what stands for a row of which nothing is learnt: a negative number.

    It is its own inverse.
    """
    return ~number


class Rows(Dataset[Row]):
    """A training set in which `muted` numbers are rows without labels; rows know their number."""

    def __init__(self, data: TrainingSet) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, number: int) -> Row:
        return self._marked(number, self.data[_of(number)])

    def __getitems__(self, numbers: Sequence[int]) -> list[Row]:
        """Return several rows, at once where the training set can."""
        read = getattr(self.data, "__getitems__", None)
        wanted = [_of(number) for number in numbers]
        rows = read(wanted) if read else [self.data[number] for number in wanted]
        return [self._marked(number, row) for number, row in zip(numbers, rows, strict=True)]

    def _marked(self, number: int, row: Row) -> Row:
        marked: dict[str, Any] = {**row, "number": _of(number)}
        if number < 0:
            marked["labels"] = [IGNORED] * len(row["labels"])
        return marked


def _of(number: int) -> int:
    return number if number >= 0 else muted(number)


class OrderedSampler(Sampler[int]):
    """Rows in their own order, the last batch filled up."""

    def __init__(self, data: TrainingSet, batch: int) -> None:
        self._numbers = _filled(list(range(len(data))), batch)

    def set_epoch(self, epoch: int) -> None:
        """Take the next epoch's order, which is the same."""

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)


class LengthModalitySampler(Sampler[int]):
    """Batches of like length, either all with images or all without, by lot."""

    def __init__(self, data: TrainingSet, batch: int, seed: int) -> None:
        """Make a sampler.

        Args:
            data: what is sampled.
            batch: rows of a step over all processes.
            seed: of the lot, with the epoch.

        Raises:
            ValueError: if the training set does not say as many lengths and modalities as rows.
        """
        self._lengths, self._has_image = list(data.lengths), list(data.has_image)
        for name, found in (("lengths", self._lengths), ("has_image", self._has_image)):
            if len(found) != len(data):
                message = f"{name} of the training set are {len(found)}, expected {len(data)} rows"
                raise ValueError(message)
        self._batch, self._seed, self._epoch = batch, seed, 0
        shown = sum(map(bool, self._has_image))
        batches = -(-shown // batch) + -(-(len(data) - shown) // batch)
        self._size = batches * batch

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed}/order/{self._epoch}")
        batches = [batch for kind in (True, False) for batch in self._batches(kind, chance)]
        chance.shuffle(batches)
        return (number for batch in batches for number in batch)

    def _batches(self, kind: bool, chance: random.Random) -> list[list[int]]:  # noqa: FBT001
        numbers = [n for n, shows in enumerate(self._has_image) if bool(shows) is kind]
        chance.shuffle(numbers)
        at_once = self._batch * SORTED_BATCHES
        alike: list[int] = []
        for start in range(0, len(numbers), at_once):
            alike += sorted(numbers[start : start + at_once], key=lambda n: -self._lengths[n])
        alike = _filled(alike, self._batch)
        return [alike[s : s + self._batch] for s in range(0, len(alike), self._batch)]


def _filled(numbers: list[int], batch: int) -> list[int]:
    """Return numbers, and muted ones of the last batch until that is full."""
    rest = len(numbers) % batch
    if not rest:
        return numbers
    last = numbers[-rest:]
    return numbers + [muted(last[i % rest]) for i in range(batch - rest)]
