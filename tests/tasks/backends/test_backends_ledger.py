"""Tokens and money: prices are the user's, a forecast comes before a run."""

import json
from datetime import date

import pytest

from tasks.backends import Failure, Ledger, Price, Reply, Usage, forecast, read_prices
from tests.tasks.backends.asked import request

FILE = {
    "currency": "EUR",
    "as_of": "2026-11-01",
    "models": {"stub": {"read": 2.5, "written": 10}},
}


@pytest.fixture
def prices(tmp_path):
    place = tmp_path / "prices.json"
    place.write_text(json.dumps(FILE))
    return read_prices(place)


def test_prices_are_read_with_their_day(prices):
    assert (prices.currency, prices.as_of) == ("EUR", date(2026, 11, 1))
    assert prices.models == {"stub": Price(2.5, 10.0)}


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        json.dumps({"currency": "EUR", "models": {}}),
        json.dumps(FILE | {"as_of": "yesterday"}),
        json.dumps(FILE | {"models": {"stub": {"read": 1}}}),
        json.dumps(FILE | {"models": {"stub": {"read": -1, "written": 1}}}),
        json.dumps(FILE | {"models": {"stub": {"read": float("nan"), "written": 1}}}),
    ],
)
def test_a_file_of_another_form_is_refused_by_name(tmp_path, content):
    place = tmp_path / "prices.json"
    place.write_text(content)
    with pytest.raises(ValueError, match=r"prices in .*prices\.json"):
        read_prices(place)


def test_a_ledger_adds_up_by_model(prices):
    ledger = Ledger(prices)
    asked = request()
    ledger.settle(asked, Reply(text="(a)", usage=Usage(1000, 10)), 0.5)
    ledger.settle(asked, Reply(text="(b)", usage=Usage(3000, 30)), 0.5)
    ledger.settle(asked, Failure(reason="rate-limited", message=""), 0.5)
    ledger.settle(asked, Failure(reason="bad-reply", message="", usage=Usage(1000, 0)), 0.5)
    ledger.settle(request(model="free"), Reply(text="(a)", usage=Usage(7, 7)), 0.0)

    assert ledger.money() == pytest.approx((5000 * 2.5 + 40 * 10) / 1e6)
    assert ledger.as_json()["models"] == {
        "free": {
            "calls": 1,
            "tokens_read": 7,
            "tokens_written": 7,
            "calls_of_unknown_cost": 0,
        },
        "stub": {
            "calls": 4,
            "tokens_read": 5000,
            "tokens_written": 40,
            "calls_of_unknown_cost": 0,
        },
    }


def test_a_forecast_before_the_first_reply_estimates_words_and_images(prices):
    asked = [request("x" * 300, picture=f"image-{n}") for n in range(10)]

    told = forecast(asked, Ledger(prices), written=4)

    assert told[:3] == (10, 10 * (100 + 1600), 40)
    assert told.money == pytest.approx((17000 * 2.5 + 40 * 10) / 1e6)
    assert told.most == pytest.approx((17000 * 2.5 + 160 * 10) / 1e6)


def test_a_forecast_after_replies_goes_by_what_was_seen(prices):
    ledger = Ledger(prices)
    ledger.settle(request(), Reply(text="(a)", usage=Usage(600, 2)), 0.0)
    ledger.settle(request(), Reply(text="(a)", usage=Usage(800, 4)), 0.0)

    assert forecast([request()] * 10, ledger)[:3] == (10, 7000, 30)


def test_a_budget_needs_prices():
    with pytest.raises(ValueError, match="needs prices"):
        Ledger(budget=1.0)
