"""The digest of a receipt: other rows, another order or another maker is another digest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.receipts import Receipt, digest_rows

TEXTS = st.lists(st.text(alphabet="part;:0123é", max_size=9), max_size=4)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_two_digests_are_equal_only_if_makers_and_keys_are(
    made_by, keys, other_made_by, other_keys
):
    is_same = (made_by, keys) == (other_made_by, other_keys)

    assert (digest_rows(made_by, keys) == digest_rows(other_made_by, other_keys)) is is_same


@given(TEXTS)
def test_a_digest_does_not_depend_on_how_the_rows_are_held(keys):
    assert digest_rows([], iter(keys)) == digest_rows((), tuple(keys))


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (([], ["a", "b"]), ([], ["b", "a"]), "the order counts"),
        ((["a", "b"], []), (["b", "a"], []), "the order of makers counts"),
        (([], ["ab"]), ([], ["a", "b"]), "keys do not run together"),
        (([], ["a", "bc"]), ([], ["ab", "c"]), "keys do not run into each other"),
        ((["a"], ["b"]), (["a", "b"], []), "makers do not run into keys"),
        (([], ["a"]), ([], ["a", "a"]), "a key twice is not a key once"),
        (([], [""]), ([], []), "an empty key is a key"),
        (([], ["1:a"]), ([], ["a"]), "a key may look like a length"),
        (([], ["part;"]), ([], ["", ""]), "a key may look like a border"),
    ],
)
def test_different_rows_have_different_digests(one, other, why):
    assert digest_rows(*one) != digest_rows(*other), why


def test_a_digest_is_the_same_everywhere():
    assert digest_rows(["code"], ["a", "é"]) == (
        "fd68413fa2daa0c4aa251b9555639e9702a457a757c783e99c15b8414e407932"
    )
    assert re.fullmatch("[0-9a-f]{64}", digest_rows([], []))


def test_a_receipt_survives_json():
    receipt = Receipt(table="pairs", version=3, rows=7, digest="d")

    assert Receipt(**receipt.to_json()) == receipt
