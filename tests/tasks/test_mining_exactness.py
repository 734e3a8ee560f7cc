"""Every kernel and every plan finds the pairs of a double loop in float64, on hard corpora."""

import numpy as np
import pytest

from tasks.mining import propose, tiles
from tasks.mining.blocks import make_block
from tasks.mining.kernels import choose_kernel, kernels_here
from tasks.mining.pairs import join
from tasks.mining.plan import fixed_plan, plan_search
from tasks.mining.tiles import cut_tiles, mine_tile

UNDECIDED = 1e-14
"""How far two ways of computing a cosine in float64 can be apart."""

PLANS = [(), (32,), (64,), (48, 256), (128,)]


def unit(vectors_ND):
    wide_ND = vectors_ND.astype(np.float64)
    return wide_ND / np.linalg.norm(wide_ND, axis=1, keepdims=True)


def spread(rng, count, width):
    """Vectors with a spectrum between flat and steep."""
    return rng.normal(size=(count, width)) * (np.arange(width) + 1) ** -rng.uniform(0, 1.2)


def isotropic(rng, count, width, _near):
    return rng.normal(size=(count, width))


def cone(rng, count, width, _near):
    return spread(rng, count, width) + 3 * rng.normal(size=width) / np.sqrt(width)


def low_rank(rng, count, width, _near):
    rank = max(1, width // 16)
    return rng.normal(size=(count, rank)) @ rng.normal(size=(rank, width))


def cliques(rng, count, width, _near):
    centres = spread(rng, max(1, count // 40), width)
    noise = rng.normal(size=(count, width)) * rng.choice([0, 1e-4, 0.02, 0.05], (count, 1))
    return centres[rng.integers(0, len(centres), count)] + noise


def duplicates(rng, count, width, _near):
    rows = spread(rng, max(1, count // 3), width)
    return rows[rng.integers(0, len(rows), count)] * rng.uniform(0.01, 50, (count, 1))


def outliers(rng, count, width, _near):
    """All in one small cone but for a few that no code fits."""
    rows = 10 + 0.5 * rng.normal(size=(count, width))
    rows[::37] = rng.normal(size=(len(rows[::37]), width))
    return rows


def boundary(rng, count, width, near, off=1e-5):
    """Half of the rows turned so that their cosine with another is within `off` of `near`."""
    rows = unit(spread(rng, count, width))
    for at in range(count // 2, count):
        one = rows[rng.integers(0, max(1, count // 2))]
        aside = rng.normal(size=width)
        aside -= aside @ one * one
        cosine = np.clip(near + rng.uniform(-off, off), -1, 1)
        rows[at] = cosine * one + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    return rows


def tight(rng, count, width, near):
    return boundary(rng, count, width, near, off=1e-7)


CORPORA = [isotropic, cone, low_rank, cliques, duplicates, outliers, boundary, tight]
SIZES = [(0, 3), (1, 5), (2, 2), (61, 2), (300, 3), (700, 17), (900, 64), (1100, 130), (1300, 768)]


def brute_force(clip_ND, ssl_NE, clip_above, ssl_below):
    """Whether each pair is blind for sure, and whether rounding in float64 decides it."""
    clip_NN, ssl_NN = (unit(rows) @ unit(rows).T for rows in (clip_ND, ssl_NE))
    gap_NN = np.minimum(clip_NN - clip_above, ssl_below - ssl_NN)
    upper = np.triu(np.ones(gap_NN.shape, bool), 1)
    return upper & (gap_NN > UNDECIDED), upper & (np.abs(gap_NN) <= UNDECIDED)


def assert_exact(found, clip_ND, ssl_NE, clip_above, ssl_below):
    sure, undecided = brute_force(clip_ND, ssl_NE, clip_above, ssl_below)
    mined = np.zeros_like(sure)
    mined[found.i, found.j] = True
    assert len(found.i) == mined.sum(), "a pair was found twice"
    assert not (sure & ~mined).any(), f"missed {np.argwhere(sure & ~mined)[:5]}"
    assert not (mined & ~sure & ~undecided).any(), "a pair is not blind"


def cases():
    """A corpus of each kind, size and dtype by turns, with thresholds from -1 to 1."""
    number = 0
    for corpus in CORPORA:
        for count, width in SIZES:
            above = (0.95, 0.95, 0.8, 0.99, 0.3, 0.95, -1.0, 0.9999, 0.0, 1.0)[number % 10]
            below = (0.6, 1.0, 0.2, 0.9, -0.3)[number % 5]
            dtype = (np.float32, np.float16, np.float64)[(number + number // 9) % 3]
            name = f"{corpus.__name__}-{count}x{width}-{above}-{np.dtype(dtype).name}"
            yield pytest.param(number, corpus, count, width, dtype, above, below, id=name)
            number += 1


@pytest.fixture(params=kernels_here())
def kernel(request):
    return choose_kernel(request.param)


@pytest.fixture
def small_cuts(monkeypatch):
    """Cuts of a size that these corpora have many of."""
    for size, images in (("CUT_ROWS", 250), ("CUT_COLUMNS", 512), ("PRODUCT_IMAGES", 200)):
        monkeypatch.setattr(propose, size, images)


@pytest.mark.usefixtures("small_cuts")
@pytest.mark.parametrize(
    ("number", "corpus", "count", "width", "dtype", "above", "below"), list(cases())
)
def test_mining_is_exact(number, corpus, count, width, dtype, above, below):
    rng = np.random.default_rng(number)
    clip_ND = corpus(rng, count, width, above).astype(dtype)
    ssl_NE = cone(rng, count, 12, below).astype(dtype)
    kernels, results = kernels_here(), []
    for turn in range(2):
        codes = PLANS[(number + turn) % len(PLANS)]
        kernel = choose_kernel(kernels[(number + turn) % len(kernels)])
        plan = fixed_plan(clip_ND, *codes, clip_above=above, ssl_below=below)
        size = (count or 1, 333)[turn]
        blocks = {
            start: make_block(plan, start, clip_ND[start:][:size], ssl_NE[start:][:size])
            for start in range(0, count, size)
        }
        parts = [
            mine_tile(plan, blocks[rows.start], blocks[columns.start], kernel=kernel)
            for rows, columns in cut_tiles(count, size)
        ]
        results.append(join(parts))

    assert_exact(results[0], clip_ND, ssl_NE, above, below)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("count", "width"), [(5000, 96), (4097, 40), (600, 4096)])
def test_mining_is_exact_in_cuts_of_full_size(count, width):
    rng = np.random.default_rng(count)
    clip_ND = boundary(rng, count, width, 0.95).astype(np.float16)
    clip_ND[-20:] = clip_ND[0]
    ssl_NE = cone(rng, count, 12, None).astype(np.float16)
    plan = fixed_plan(clip_ND, 32, 256, clip_above=0.95, ssl_below=0.6)
    block = make_block(plan, 0, clip_ND, ssl_NE)

    found = [mine_tile(plan, block, block, kernel=choose_kernel(name)) for name in kernels_here()]

    assert_exact(found[0], clip_ND, ssl_NE, 0.95, 0.6)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_codes_that_leave_most_pairs_give_way_to_products(kernel, monkeypatch):
    rng = np.random.default_rng(0)
    clip_ND, ssl_NE = spread(rng, 400, 50), spread(rng, 400, 8)
    plan = fixed_plan(clip_ND, 32, clip_above=-0.5, ssl_below=0.5)
    block = make_block(plan, 0, clip_ND, ssl_NE)
    multiplied = []
    by_products = propose._by_products
    monkeypatch.setattr(
        propose, "_by_products", lambda *a, **k: multiplied.append(a) or by_products(*a, **k)
    )

    found = mine_tile(plan, block, block, kernel=kernel)

    assert len(multiplied) == 1
    assert_exact(found, clip_ND, ssl_NE, -0.5, 0.5)


def test_the_plan_that_is_chosen_is_exact_too(kernel):
    rng = np.random.default_rng(5)
    clip_ND, ssl_NE = cone(rng, 3000, 200, None), cone(rng, 3000, 30, None)
    plan = plan_search(clip_ND, clip_above=0.9, ssl_below=0.6, images=10**6, kernel=kernel)
    block = make_block(plan, 0, clip_ND, ssl_NE)

    assert plan.codebooks
    assert_exact(mine_tile(plan, block, block, kernel=kernel), clip_ND, ssl_NE, 0.9, 0.6)


def test_near_pairs_of_one_encoder_can_be_decided_by_several():
    rng = np.random.default_rng(6)
    clip_ND, one_NE, other_NE = cone(rng, 500, 30, None), spread(rng, 500, 8), cone(rng, 500, 9, 0)
    plan = fixed_plan(clip_ND, 32, clip_above=0.8, ssl_below=0.5)
    rows, columns = (make_block(plan, at, clip_ND[at:][:250]) for at in (250, 0))
    near = tiles.near_pairs(plan, rows, columns)

    for ssl_NE in (one_NE, other_NE):
        blocks = [make_block(plan, at, clip_ND[at:][:250], ssl_NE[at:][:250]) for at in (250, 0)]
        expected = mine_tile(plan, *blocks)
        found = tiles.decide(near, rows, columns, blocks[0].ssl, blocks[1].ssl, 0.5)

        assert len(expected.i)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, two)
