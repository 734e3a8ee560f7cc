"""Minimising a loss: what decays, what stays, how fast, and what is told of it."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from tasks.optimiser import REST, SCALAR_BOOST, TOLD_STEPS, minimise, schedule


class Numbers(nn.Module):
    """A matrix, a vector, a single number, and a frozen matrix."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(2, 2))
        self.vector = nn.Parameter(torch.ones(2))
        self.single = nn.Parameter(torch.ones(()))
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)

    def distance(self, target=0.0):
        """The squared distance of what is trained from a target."""
        trained = (self.matrix, self.vector, self.single)
        return sum(((each - target) ** 2).sum() for each in trained)


def take(module, loss_at, steps=1, **changes):
    settings = {"rate": 0.1, "decay": 0.0, "warm_up": 1} | changes
    return minimise(module, loss_at, steps=steps, **settings)


def test_the_loss_falls():
    numbers = Numbers()

    curve = take(numbers, lambda _: numbers.distance(), steps=50)

    assert curve == [pytest.approx(curve[0])]
    assert numbers.distance().item() < 0.1 * Numbers().distance().item()


def test_only_matrices_decay():
    numbers = Numbers()

    take(numbers, lambda _: numbers.distance(target=1.0), decay=0.5)  # its gradient is zero

    assert numbers.matrix.tolist() == [[pytest.approx(1 - 0.1 * 0.5)] * 2] * 2
    assert numbers.vector.tolist() == [1, 1]
    assert numbers.single.item() == 1


def test_single_numbers_learn_faster():
    numbers = Numbers()

    take(numbers, lambda _: numbers.distance())  # Adam's first step is the learning rate

    assert numbers.vector.tolist() == [pytest.approx(1 - 0.1)] * 2
    assert numbers.single.item() == pytest.approx(1 - 0.1 * SCALAR_BOOST)


def test_what_is_frozen_stays_even_if_the_loss_depends_on_it():
    numbers = Numbers()

    take(numbers, lambda _: (numbers.frozen * numbers.matrix).sum(), steps=5, decay=0.5)

    assert torch.equal(numbers.frozen, torch.ones(2, 2))
    assert numbers.frozen.grad is None


@pytest.mark.parametrize("warm_up", [1, 5, 50])
def test_the_learning_rate_warms_up_and_comes_to_rest(warm_up):
    shares = [schedule(step, 200, warm_up) for step in range(201)]

    assert shares[0] == pytest.approx(1 / warm_up)
    assert max(shares) == shares[warm_up - 1] > 0.85
    assert shares[warm_up - 1 :] == sorted(shares[warm_up - 1 :], reverse=True)
    assert shares[200] == pytest.approx(REST)
    assert shares[100] == pytest.approx(REST + (1 - REST) / 2)


def test_the_learning_rate_follows_the_schedule():
    numbers, steps = nn.Linear(1, 1, bias=False), 3
    seen = [numbers.weight.item()]

    def loss_at(step):
        seen.append(numbers.weight.item())
        return numbers.weight.sum()  # a constant gradient, so that a step is the learning rate

    take(numbers, loss_at, steps=steps, warm_up=2)

    moves = [before - after for before, after in pairwise(seen[1:])]
    expected = [0.1 * schedule(step, steps, 2) for step in range(steps - 1)]
    assert moves == pytest.approx(expected, rel=1e-3)


def test_gradients_are_bounded():
    """Adam forgets a gradient's length, but not how it compares with those before."""
    numbers = nn.Linear(1, 1, bias=False)
    start = numbers.weight.item()

    def loss_at(step):
        return numbers.weight.sum() * (1e6 if step == 0 else -1.0)

    take(numbers, loss_at, steps=2)

    assert abs(numbers.weight.item() - start) < 0.1, "the second step takes the first one back"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (TOLD_STEPS, [1.0]),
        (2 * TOLD_STEPS + 1, [1.0, 2.0, 3.0]),
        (TOLD_STEPS // 2, [1.0]),
        (0, []),
    ],
)
def test_the_curve_is_the_mean_of_every_hundred_steps_and_of_the_rest(steps, expected):
    numbers = Numbers()
    asked = []

    def loss_at(step):
        asked.append(step)
        return 0 * numbers.matrix.sum() + 1.0 + step // TOLD_STEPS

    assert take(numbers, loss_at, steps=steps) == expected
    assert asked == list(range(steps))


def test_the_curve_is_rounded():
    numbers = Numbers()

    (mean,) = take(numbers, lambda _: 0 * numbers.matrix.sum() + math.pi)

    assert mean == 3.1416
