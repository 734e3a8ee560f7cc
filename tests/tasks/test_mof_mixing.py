"""Features of several towers become the tokens of an image, as each mode says."""

import pytest
import torch
from torch.nn import functional

from tasks.mof import MofMixer
from tests.tasks.test_mof_config import TEXT, stored, tiny_config

MODES = ["interleaved", "append", "additive", "concat"]
WIDTH = TEXT["hidden_size"]


def mixer(*towers, seed=0, **options):
    torch.manual_seed(seed)
    return MofMixer(tiny_config(*(towers or (stored("clip"), stored("ssl"))), **options))


def random_features(count=2, tokens=16, width=32, images=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(images, tokens, width, generator=generator) for _ in range(count)]


def labelled(tower, tokens=4):
    """Features of one image that say which tower and which patch they are of."""
    return torch.tensor([[float(tower), float(patch)] for patch in range(tokens)])[None]


def see_through(mode, *names):
    """A mixer on a 2 x 2 grid whose adapters hand on what they get."""
    text = {**TEXT, "hidden_size": 2, "num_attention_heads": 1, "num_key_value_heads": 1}
    towers = [stored(name, hidden_size=2, grid_size=2) for name in names]
    model = mixer(*towers, mode=mode, projector_layers=1, text=text)
    for adapter in model.projectors.values():
        torch.nn.init.eye_(adapter[0].weight)
        torch.nn.init.zeros_(adapter[0].bias)
    return model


def test_interleaved_tokens_alternate_patch_by_patch_clip_first():
    tokens_BLE = see_through("interleaved", "clip", "ssl")([labelled(0), labelled(1)])

    assert tokens_BLE[0].tolist() == [
        [0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2], [0, 3], [1, 3],
    ]  # fmt: skip


def test_three_towers_take_turns():
    tokens_BLE = see_through("interleaved", "a", "b", "c")([labelled(each) for each in range(3)])

    assert tokens_BLE[0, :4].tolist() == [[0, 0], [1, 0], [2, 0], [0, 1]]


def test_appended_tokens_follow_tower_by_tower():
    tokens_BLE = see_through("append", "clip", "ssl")([labelled(0), labelled(1)])

    assert tokens_BLE[0].tolist() == [
        [0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1], [1, 2], [1, 3],
    ]  # fmt: skip


def test_added_features_are_weighed_before_the_one_adapter():
    model = mixer(mode="additive", ssl_share=0.25)
    clip, ssl = random_features()

    tokens_BLE = model([clip, ssl])

    assert list(model.projectors) == ["shared"]
    expected = model.projectors["shared"](0.75 * clip + 0.25 * ssl)
    assert torch.allclose(tokens_BLE, expected, atol=1e-6)


def test_concatenated_features_go_through_one_wide_adapter():
    towers = (stored("clip", hidden_size=32), stored("ssl", hidden_size=24))
    model = mixer(*towers, mode="concat")
    (clip,), (ssl,) = random_features(1), random_features(1, width=24)

    tokens_BLE = model([clip, ssl])

    assert model.projectors["shared"][0].in_features == 56
    assert torch.equal(tokens_BLE, model.projectors["shared"](torch.cat([clip, ssl], dim=-1)))


@pytest.mark.parametrize(
    ("mode", "tokens"), list(zip(MODES, [32, 32, 16, 16], strict=True)), ids=MODES
)
def test_an_image_takes_as_many_tokens_as_the_config_says(mode, tokens):
    model = mixer(mode=mode)

    tokens_BLE = model(random_features())

    assert tokens_BLE.shape == (3, tokens, WIDTH)
    assert tiny_config(stored("clip"), stored("ssl"), mode=mode).image_seq_length == tokens


@pytest.mark.parametrize(("share", "seen"), [(0, 0), (1, 1)])
def test_at_either_end_of_the_share_only_one_tower_is_seen(share, seen):
    added = mixer(mode="additive", ssl_share=share)
    alone = mixer(stored(["clip", "ssl"][seen]))
    (adapter,) = alone.projectors.values()
    adapter.load_state_dict(added.projectors["shared"].state_dict())
    features = random_features()

    expected = alone([features[seen]])

    assert torch.equal(added(features), expected)
    features[1 - seen] = torch.full_like(features[1 - seen], torch.inf)
    assert torch.equal(added(features), expected), "the other tower is not even looked at"


@pytest.mark.parametrize("mode", MODES)
def test_with_one_tower_every_mode_is_the_same(mode):
    model, plain = mixer(stored("ssl"), mode=mode), mixer(stored("ssl"))
    features = random_features(1)

    assert list(model.projectors) == ["ssl"]
    assert torch.equal(model(features), plain(features))
    assert torch.equal(model(features), model.projectors["ssl"](features[0]))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_adapter_has_gelu_between_its_layers(layers):
    model = mixer(stored("clip"), projector_layers=layers)
    (features,) = random_features(1)
    linear = [each for each in model.projectors["clip"] if isinstance(each, torch.nn.Linear)]

    expected = linear[0](features)
    for each in linear[1:]:
        expected = each(functional.gelu(expected))

    assert len(linear) == layers
    assert torch.allclose(model([features]), expected, atol=1e-6)


def test_the_norm_gives_every_token_mean_0_and_variance_1():
    normed = stored("ssl", feature_norm="layernorm")
    model = mixer(stored("clip"), normed)
    clip, ssl = random_features()

    left, right = model.align([clip, 40 * ssl + 7])

    assert torch.equal(left, clip)
    assert torch.allclose(right.mean(-1), torch.zeros(()), atol=1e-5)
    assert torch.allclose(right.var(-1, correction=0), torch.ones(()), atol=1e-3)
    assert torch.allclose(right, model.align([clip, ssl])[1], atol=1e-3)


def test_the_norm_also_holds_where_a_grid_was_resized():
    normed = stored("ssl", grid_size=8, feature_norm="layernorm")
    model = mixer(stored("clip"), normed)

    _, ssl = model.align([*random_features(1), *random_features(1, tokens=64)])

    assert torch.allclose(ssl.var(-1, correction=0), torch.ones(()), atol=1e-3)


def test_the_norm_of_half_precision_features_is_computed_in_full():
    model = mixer(stored("clip", feature_norm="layernorm"))
    (features,) = random_features(1)
    large = (features * 1000).half()  # whose squares are infinite in half precision

    (aligned,) = model.align([large])

    assert aligned.dtype == torch.float32
    assert torch.allclose(aligned, functional.layer_norm(large.float(), (32,)), atol=1e-5)


@pytest.mark.parametrize("side", [2, 3, 8])
def test_a_tower_of_another_grid_is_resized_to_the_common_one(side):
    model = mixer(stored("clip"), stored("ssl", grid_size=side))
    clip = random_features(1)[0]
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centres = (torch.stack([rows, columns, rows * 0], dim=-1) + 0.5) / side
    places = centres.flatten(0, 1).repeat(1, 11)[None, :, :32].expand(3, -1, -1)

    left, right = model.align([clip, places])

    assert torch.equal(left, clip)
    assert right.shape == (3, 16, 32)
    row, column = right[0, :, 0].view(4, 4), right[0, :, 1].view(4, 4)
    assert torch.allclose(row, column.T), "rows stay rows"
    assert torch.allclose(row, row[:, :1].expand(4, 4), atol=1e-6)
    assert torch.allclose(row[1:3, 0], torch.tensor([0.375, 0.625]), atol=0.03)
    assert (row.diff(dim=0) > 0).all()


def test_resizing_is_bilinear_in_both_directions():
    model = mixer(stored("clip"), stored("ssl", grid_size=8), mode="append")
    clip, ssl = *random_features(1), *random_features(1, tokens=64)

    _, right = model.align([clip, ssl])

    grid = ssl.view(3, 8, 8, 32).permute(0, 3, 1, 2)
    expected = functional.interpolate(grid, (4, 4), mode="bilinear", antialias=True)
    assert torch.allclose(right, expected.permute(0, 2, 3, 1).flatten(1, 2), atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_features_may_have_another_dtype_than_the_adapters(mode):
    towers = (stored("clip"), stored("ssl", grid_size=2, feature_norm="layernorm"))
    model = mixer(*towers, mode=mode).to(torch.bfloat16)
    features = [*random_features(1), *random_features(1, tokens=4)]

    tokens_BLE = model([each.half() for each in features])

    assert tokens_BLE.dtype == torch.bfloat16
    assert torch.allclose(tokens_BLE.float(), model.float()(features), atol=1e-2)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (random_features(1), ["holds 1 towers", "expected 2: clip, ssl"]),
        (random_features(3), ["holds 3 towers", "expected 2"]),
        (random_features(tokens=9), ["tower 'clip'", "(3, 9, 32)", "(3, 16, 32)"]),
        ([*random_features(1), *random_features(1, width=48)], ["tower 'ssl'", "(3, 16, 48)"]),
        ([*random_features(1), *random_features(1, images=2)], ["tower 'ssl'", "(2, 16, 32)"]),
        ([each[0] for each in random_features()], ["tower 'clip'", "(16, 32)"]),
    ],
)
def test_features_that_do_not_fit_are_refused_by_the_name_of_their_tower(features, words):
    with pytest.raises(ValueError, match="expected") as refused:
        mixer()(features)

    for word in words:
        assert word in str(refused.value)
