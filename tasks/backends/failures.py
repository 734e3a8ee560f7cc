"""Turn what goes wrong between us and a server into recorded failures.

Put here: HTTP statuses and Retry-After.
Keep out: what a good reply looks like (the back ends); whether to try again (`running`).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from tasks.backends.request import Failure, Reason

MOST_SIGNS: Final = 300
"""Of a server's own words in a failure; some send whole pages."""
FILTERED: Final = ("content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation")

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time of the wall clock, which dates in Retry-After refer to."""
    return datetime.now(UTC)


def status_failure(
    status: int, text: str, headers: Mapping[str, str], *, now: Now = utc_now
) -> Failure:
    """Return the failure that an HTTP status other than 200 is.

    `headers` are looked up in lower case.
    """
    said = " ".join(text.split())[:MOST_SIGNS]
    message = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    return Failure(
        reason=_reason(status, text),
        message=message,
        retry_after=retry_after(headers.get("retry-after"), now=now),
    )


def _reason(status: int, text: str) -> Reason:
    if status == 429:
        return "rate-limited"
    if status in {408, 504}:
        return "timeout"
    if status >= 500:
        return "server-error"
    return "refused" if any(mark in text for mark in FILTERED) else "rejected"


def retry_after(value: str | None, *, now: Now = utc_now) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number or an HTTP date.

    What cannot be read is no wish; a date that has passed is 0.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:  # "-0000": UTC, of a sender that does not know its zone
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now()).total_seconds())
