"""The card of an export of questions.

Put here: its words; the reasons for which pairs are left out.
Keep out: cards of models (`card`, beside this file).
"""

from collections.abc import Mapping
from typing import Any, Final

from storage.questions import BENCHMARKS
from tasks.exporting.sources import NO_LICENCE, as_table

LEFT_OUT: Final[Mapping[str, str]] = {
    "options-hold-marks": "an option holds a mark such as (a), or the options are the same words",
    "question-is-blank": "the question has no words",
    "no-statements": "no two different statements were written for the pair",
    "read-as-missing": "pandas, which reads tables, takes a text such as 'None' for an empty cell",
    "control-characters": "a text holds a control character",
    "too-long": "a text is longer than a cell of CSV may be",
    "two-questions": "the pair's images are asked two different questions",
    "licence-unknown": "the corpus tells no licence of an image, and one was asked for",
    "licence-not-allowed": "an image has a licence that was not allowed",
    "in-other-data": "an image is, or nearly is, one of the data that were compared with",
}

CARD: Final = """\
# {name}

{pairs} pairs of images, two questions a pair: {about}. Written by `mmvp export`.

{use}

| | |
|---|---|
{facts}

A pair is right if both its questions are. Of two questions with two options each, guessing gets
25 % of the pairs; an answer that never changes gets none.
{left_out}
## Composition

{composition}
{agreement}{compared}
## Licence

The questions follow from what is known of the images, and carry no licence of their own. The images
belong to whoever made them{check}. `sources.csv` has licence, source and attribution of each.

{licences}
"""

FACTS: Final = ("mining", "clip", "clip_above", "ssl", "ssl_below", "questions", "digest")


def card_of(record: Mapping[str, Any], use: str) -> str:
    """Return the card of an export by its record; `use` says how its files are read."""
    told = "".join(
        f"\n{count} pairs are left out: {LEFT_OUT[reason]}.\n"
        for reason, count in record["left_out"].items()
    )
    licences = [{"licence": name, "images": n} for name, n in record["licences"].items()]
    check = ": before you pass this folder on, check the licence of the corpus"
    return CARD.format(
        name=record["name"],
        pairs=record["pairs"],
        about=BENCHMARKS.get(record["benchmark"], record["benchmark"]),
        use=use,
        facts="\n".join(f"| {name.replace('_', ' ')} | {record[name]} |" for name in FACTS),
        left_out=told,
        composition=as_table(record["composition"]),
        agreement=_agreement(record["agreement"]),
        compared=_compared(record.get("compared")),
        check=check if NO_LICENCE in record["licences"] else "",
        licences=as_table(licences),
    )


def _agreement(found: Mapping[str, float]) -> str:
    if not found:
        return "\nHow far annotators agree was not measured.\n"
    rows = [{"agreement of annotators": name, "value": value} for name, value in found.items()]
    return f"\n{as_table(rows)}\n"


def _compared(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    left = "are left out" if found["leave_out"] else "are kept"
    how = ", as they are and mirrored" if found["mirrored"] else ""
    places = ", ".join(found["with"])
    images = found["images"] - found["unreadable"]
    return (
        f"\n## Compared with other data\n\n{images:,} images of {places} "
        f"were compared{how}: the same bytes, or both cosines above {found['duplicate_above']:g}. "
        f"{found['pairs']} pairs hold one of them and {left}; `compared.csv` lists them.\n"
    )
