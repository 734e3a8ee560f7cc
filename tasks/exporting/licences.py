"""Which images may be exported, by the licences that their corpora tell.

Put here: the policies, what of a licence's writing counts, why a pair is refused.
Keep out: reading licences from corpora (`tasks.corpora.rights`).

A policy is `any`, `known`, or a list of licences. An image with several files is allowed by a list
only if every licence that one of them tells is in it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tasks.exporting.benchmark_pairs import NumberedPair
from tasks.exporting.material import Objection, Origin

ANY: Final = "any"
KNOWN: Final = "known"
UNKNOWN: Final = frozenset(("unknown", "none", "n-a", "na", "null", "not-specified", "unspecified"))
"""Texts that say that nobody knows."""


def written(licence: str) -> str:
    """Return a licence so that `CC BY 4.0` and `cc-by-4.0` are one."""
    return re.sub(r"[^a-z0-9.+]+", "-", licence.casefold()).strip("-")


def licences_of(files: Sequence[Origin]) -> set[str]:
    """Return the licences that the files of an image tell, as `written`."""
    told = {written(file.rights.licence) for file in files if file.rights.licence}
    return told - UNKNOWN - {""}


class Policy:
    """Which licences an export allows.

    Args:
        allowed: `any`, `known`, or names of licences.

    Raises:
        ValueError: if `any` or `known` stands in a list with others.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self.text = ", ".join(allowed)
        self._allowed = {written(licence) for licence in allowed}
        words = self._allowed & {ANY, KNOWN}
        if not self._allowed or (words and len(self._allowed) > 1):
            message = (
                f"--licences {self.text or 'nothing'}: expected any, known, or the licences that "
                f"are allowed, such as CC0-1.0 CC-BY-4.0"
            )
            raise ValueError(message)

    def object_to(
        self, pair: NumberedPair, origins: Mapping[str, Sequence[Origin]]
    ) -> Objection | None:
        """Return why a pair may not be exported, if it may not; the worse of its two images."""
        if ANY in self._allowed:
            return None
        images = {row.image for row in pair.rows}
        told = {image: licences_of(origins.get(image, ())) for image in images}
        unknown = sorted(image[:12] for image, licences in told.items() if not licences)
        if unknown:
            return Objection("licence-unknown", f"image {' and '.join(unknown)}")
        others = sorted(set().union(*told.values()) - self._allowed)
        if KNOWN in self._allowed or not others:
            return None
        return Objection("licence-not-allowed", ", ".join(others))
