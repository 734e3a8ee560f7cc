"""Count tokens and money by model, forecast a run, and stop it at a budget.

Put here: prices as the user gives them, what was spent, what a call may cost at most.
Keep out: sending (`running`, beside this file).

No price is built in: prices change, and a stale one is worse than none.

Shapes: prices are a million tokens, in the currency of their file.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from tasks.backends.request import Outcome, Picture, Request, Text, Usage

BYTES_A_TOKEN: Final = 3
"""Fewer than texts have (about 4 in English), so that an estimate is rather too high."""
TOKENS_AN_IMAGE: Final = 1600
"""A guess for a forecast before the first reply; LLaVA-1.5 reads 576, tiled models thousands."""
_MILLION: Final = 1_000_000


class Price(NamedTuple):
    """What a million tokens cost, read and written."""

    read: float
    written: float

    def of(self, usage: Usage) -> float:
        """Return the cost of tokens."""
        return (usage.read * self.read + usage.written * self.written) / _MILLION


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model, their currency, and the day on which they held."""

    currency: str
    as_of: date
    models: Mapping[str, Price]


def read_prices(path: Path) -> Prices:
    """Read `{"currency", "as_of": "YYYY-MM-DD", "models": {NAME: {"read", "written"}}}`.

    Raises:
        ValueError: if the file has another form, or a negative price.
    """
    form = (
        '{"currency": "USD", "as_of": "YYYY-MM-DD", '
        '"models": {NAME: {"read": PER_MILLION, "written": PER_MILLION}}}'
    )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        models = {
            str(name): Price(float(row["read"]), float(row["written"]))
            for name, row in found["models"].items()
        }
        prices = Prices(str(found["currency"]), date.fromisoformat(found["as_of"]), models)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = f"prices in {str(path)!r}: {type(error).__name__}: {error}; expected {form}"
        raise ValueError(said) from None
    wrong = sorted(name for name, price in models.items() if not min(price) >= 0)
    if wrong:
        message = f"prices in {str(path)!r}: {', '.join(wrong)} cost less than nothing"
        raise ValueError(message)
    return prices


@dataclass(slots=True)
class Spent:
    """What one model took: of `counted` calls the server told the tokens, of `unknown` it did not.

    `presumed` is what the unknown ones may have cost; `longest` are the tokens of a prompt.
    """

    calls: int = 0
    counted: int = 0
    read: int = 0
    written: int = 0
    unknown: int = 0
    longest: int = 0
    presumed: float = 0.0


@dataclass(slots=True)
class Ledger:
    """What a run has spent and may still spend.

    Args:
        prices: None if nothing costs money; then there can be no budget.
        budget: the most to spend, in the currency of `prices`.
    """

    prices: Prices | None = None
    budget: float | None = None
    models: dict[str, Spent] = field(default_factory=dict)
    reserved: float = 0.0

    def __post_init__(self) -> None:
        if self.budget is not None and self.prices is None:
            message = f"a budget of {self.budget} needs prices; give a file of them"
            raise ValueError(message)

    def most(self, request: Request) -> float:
        """Return what a call may cost: as long a prompt as any, and all the words it may write.

        Raises:
            ValueError: if there is a budget and the model has no price.
        """
        seen = self.models.get(request.model, Spent()).longest
        usage = Usage(max(seen, estimated_tokens(request)), request.decoding.max_new_tokens)
        return self.cost(request.model, usage)

    def fits(self, cost: float) -> bool:
        """Return whether a call of at most this cost may start beside those under way."""
        return self.budget is None or self.money() + self.reserved + cost <= self.budget

    def settle(self, request: Request, outcome: Outcome, most: float) -> None:
        """Write down a call that has ended; one of unknown cost is presumed to have cost all."""
        spent = self.models.setdefault(request.model, Spent())
        spent.calls += 1
        usage = outcome.usage
        if usage is not None:
            spent.counted += 1
            spent.read += usage.read
            spent.written += usage.written
            spent.longest = max(spent.longest, usage.read)
        elif _may_be_billed(outcome):
            spent.unknown += 1
            spent.presumed += most

    def money(self) -> float:
        """Return what was spent, and presumed to be."""
        return sum(
            self.cost(name, Usage(spent.read, spent.written)) + spent.presumed
            for name, spent in self.models.items()
        )

    def as_json(self) -> dict[str, Any]:
        """Return what was spent by model, for reports."""
        return {
            "currency": self.prices.currency if self.prices else None,
            "prices_as_of": self.prices.as_of.isoformat() if self.prices else None,
            "budget": self.budget,
            "money": self.money(),
            "models": {
                name: {
                    "calls": spent.calls,
                    "tokens_read": spent.read,
                    "tokens_written": spent.written,
                    "calls_of_unknown_cost": spent.unknown,
                }
                for name, spent in sorted(self.models.items())
            },
        }

    def cost(self, model: str, usage: Usage) -> float:
        """Return what tokens of a model cost; nothing if it has no price.

        Raises:
            ValueError: if there is a budget and the model has no price.
        """
        price = None if self.prices is None else self.prices.models.get(model)
        if price is not None:
            return price.of(usage)
        if self.budget is not None:
            message = f"there is a budget and no price of model {model!r}; add it to the prices"
            raise ValueError(message)
        return 0.0


def _may_be_billed(outcome: Outcome) -> bool:
    reason = getattr(outcome, "reason", None)
    return reason not in {"rate-limited", "rejected", "over-budget"}


def estimated_tokens(request: Request, *, image: int = TOKENS_AN_IMAGE) -> int:
    """Return about how many tokens a request is to read, from its words and its images."""
    total = 0
    for part in (part for message in request.messages for part in message.parts):
        if isinstance(part, Picture):
            total += image
        elif isinstance(part, Text):
            total += -(-len(part.text.encode()) // BYTES_A_TOKEN)
    return total


class Forecast(NamedTuple):
    """What a run is to take; `most` is its cost if every reply is as long as it may be."""

    calls: int
    read: int
    written: int
    money: float
    most: float


def forecast(
    requests: Iterable[Request], ledger: Ledger, *, written: int | None = None
) -> Forecast:
    """Return what requests are to take, before one is sent.

    Tokens read and written are the ledger's averages where it has seen the model, else estimates;
    `written` is the guess of words a reply, the most allowed if None.
    """
    calls = read = wrote = 0
    money = most = 0.0
    for request in requests:
        usage = _expected(request, ledger.models.get(request.model), written)
        calls, read, wrote = calls + 1, read + usage.read, wrote + usage.written
        cost = ledger.cost(request.model, usage)
        money, most = money + cost, most + ledger.most(request)
    return Forecast(calls, read, wrote, money, most)


def _expected(request: Request, spent: Spent | None, written: int | None) -> Usage:
    if spent is not None and spent.counted:
        return Usage(round(spent.read / spent.counted), round(spent.written / spent.counted))
    guess = request.decoding.max_new_tokens if written is None else written
    return Usage(estimated_tokens(request), min(guess, request.decoding.max_new_tokens))
