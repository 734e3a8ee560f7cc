"""What a table of texts can hold so that every reader of CSV gives it back.

Put here: texts that pandas or the module csv read as something else.
Keep out: layouts (`benchmark_mmvp`, `benchmark_harnesses`, beside this file).
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

MISSING: Final = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Words that pandas takes for an empty cell."""

MOST_SIGNS: Final = 50_000
"""A cell of two such texts is within the 131,072 signs that the module csv reads."""


def refuse_texts(texts: Iterable[str]) -> str | None:
    """Return why texts cannot be cells, if they cannot; line ends and tabs are read as they are."""
    texts = set(texts)
    if texts & MISSING:
        return "read-as-missing"
    if any(len(text) > MOST_SIGNS for text in texts):
        return "too-long"
    return "control-characters" if any(map(is_control, set("".join(texts)))) else None


def is_control(sign: str) -> bool:
    """Say whether a sign is a control character, but for line ends and tabs, or no text at all."""
    return unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t"
