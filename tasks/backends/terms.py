"""On which terms servers are asked: what may be spent, how long a call may take, how many at once.

Put here: the settings, for every stage that asks servers, and the ledger that they open.
Keep out: what is asked (the stages), money (`ledger`), pace (`pace`), beside this file.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.backends.ledger import Ledger, read_prices


class Terms(BaseModel):
    """On which terms servers are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prices: Path | None = None
    """A file of prices of models on servers (docs/evaluate.md)."""

    budget: float | None = Field(default=None, ge=0)
    """The most to spend, in the currency of the prices; asking stops before more is spent."""

    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds that a server has for one answer."""

    at_once: int = Field(default=64, ge=1)
    """Calls under way at once, at most; the server's own limits are found by trying."""

    own_decoding: bool = False
    """Leave temperature and seed to servers, and room for thoughts: some models take no others.
    Scores of models are then called PROTOCOL~own."""

    @model_validator(mode="after")
    def _budget_has_prices(self) -> "Terms":
        if self.budget is not None and self.prices is None:
            message = f"a budget of {self.budget:g} needs prices; give a file of them"
            raise ValueError(message)
        return self

    def ledger(self) -> Ledger:
        """Open the ledger.

        Raises:
            ValueError: if the file of prices cannot be read.
        """
        prices = read_prices(self.prices) if self.prices is not None else None
        return Ledger(prices=prices, budget=self.budget)
