"""Say how far a stage is: counts, rate and time left, in the log and as a Prefect artifact.

Put here: when to speak and what to say.
Keep out: deciding what counts as progress; that is the stage's.
"""

import logging
import time
from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 2.0


class Progress:
    """Counts items of one stage and speaks at most every two seconds, and at the end."""

    def __init__(self, stage: str, total: int, unit: str) -> None:
        self._stage, self._total, self._unit = stage, total, unit
        self._done = 0
        self._begun = self._spoken = time.monotonic()
        self._artifact: Any = None
        if total and TaskRunContext.get() is not None:
            self._artifact = create_progress_artifact(
                0.0, key=f"{stage}-progress", description=f"{stage}: {unit}"
            )

    def add(self, count: int) -> None:
        """Count items that are done."""
        self._done += count
        now = time.monotonic()
        if now - self._spoken >= SECONDS_BETWEEN or self._done >= self._total:
            self._spoken = now
            log.info("%s", self.sentence(now - self._begun))
            if self._artifact is not None:
                share = 100.0 * min(self._done, self._total) / self._total
                update_progress_artifact(self._artifact, progress=share)

    def sentence(self, seconds: float) -> str:
        """Return the state after `seconds`, in words."""
        rate = self._done / max(seconds, 1e-9)
        pace = f"{rate:,.0f}/s" if rate >= 1 else f"{60 * rate:.2g}/min"
        words = f"{self._stage}: {self._done:,} of {self._total:,} {self._unit}, {pace}"
        if 0 < self._done < self._total:
            words += f", {(self._total - self._done) / rate:,.0f} s left"
        return words
