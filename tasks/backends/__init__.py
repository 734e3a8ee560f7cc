"""Back ends: ask a model on a server, or replay what was stored, each request under its own name.

The package needs neither torch nor Prefect nor a store. What it is asked is complete and frozen;
what comes back is a reply or a recorded failure.
"""

from tasks.backends.ledger import Forecast, Ledger, Price, Prices, forecast, read_prices
from tasks.backends.openai import OpenAIServer, label_scores
from tasks.backends.pace import Pacing
from tasks.backends.replay import Replay, read_answers
from tasks.backends.request import (
    REASONS,
    Backend,
    Decoding,
    Failure,
    Images,
    Message,
    Outcome,
    Picture,
    Reason,
    Reply,
    Request,
    Text,
    Usage,
)
from tasks.backends.running import ServerFailsError, ask_all
from tasks.backends.secrets import Secret, read_secret

__all__ = [
    "REASONS",
    "Backend",
    "Decoding",
    "Failure",
    "Forecast",
    "Images",
    "Ledger",
    "Message",
    "OpenAIServer",
    "Outcome",
    "Pacing",
    "Picture",
    "Price",
    "Prices",
    "Reason",
    "Replay",
    "Reply",
    "Request",
    "Secret",
    "ServerFailsError",
    "Text",
    "Usage",
    "ask_all",
    "forecast",
    "label_scores",
    "read_answers",
    "read_prices",
    "read_secret",
]
