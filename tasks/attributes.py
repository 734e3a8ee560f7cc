"""What a corpus' own metadata tells apart: which attributes of two images can be asked about.

Put here: an image's facts, which of them captions name anyway, what two images differ in.
Keep out: wording questions (`tasks.questions.wording`), choosing pairs (`tasks.mining.selection`).

Facts are the metadata's attributes; of a corpus without any, the label; without that, the caption.
Columns that name their image, as ids do, are no facts; one value for all images tells none apart.
An attribute whose values captions often state is *captioned*: it measures general ability. The rest
is what captions omit, and what the benchmark asks about.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from tasks.fingerprints import digest
from tasks.patterns import pattern_of

LABEL: Final = "label"
CAPTION: Final = "caption"

CONTEXT: Final = (LABEL, "kind", "hue")
"""Attributes in which two images must agree to be asked about another: what statements name."""

CAPTIONED_SHARE: Final = 0.3
"""An attribute is captioned if at least this share of the captions states its value."""

MOST_VALUES: Final = 100
"""An attribute of more values than this, with fewer than two images each, names its images."""

Facts = Mapping[str, str]


class Told(Protocol):
    """What the files of an image tell of it, as `storage.paths` has it."""

    @property
    def label(self) -> str | None:
        """The name of its folder."""

    @property
    def caption(self) -> str | None:
        """Its caption."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """All else: name -> text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The facts of a corpus' images, and what is known of the attributes in general."""

    facts: Mapping[str, Facts]
    """Facts by image id; images without any are left out."""

    captioned: frozenset[str] = frozenset()
    """Attributes that captions often name."""

    patterns: Mapping[str, str | None] = field(default_factory=dict)
    """Every attribute that tells images apart, and the short name of its pattern, if any."""

    source: str = "none"
    """Where the facts come from: attribute, label, caption, or none."""

    def differences(self, one: str, other: str) -> list[str]:
        """Return the attributes by which two images can be told apart, captioned ones left out."""
        a, b = self.facts.get(one, {}), self.facts.get(other, {})
        clashing = {name for name in CONTEXT if a.get(name) != b.get(name)}
        return [
            name
            for name in sorted(a.keys() & b.keys() - self.captioned)
            if clashing <= {name} and not read_alike(a[name], b[name])
        ]

    def context(self, image: str, attribute: str) -> tuple[str | None, ...]:
        """Return what another image must agree in with this one to be asked about `attribute`."""
        facts = self.facts.get(image, {})
        return tuple(facts.get(name) for name in CONTEXT if name != attribute)

    def digest(self) -> str:
        """Return the fingerprint of all that is known."""
        return digest(
            [{k: dict(v) for k, v in self.facts.items()}, sorted(self.captioned), self.source]
        )


def read_alike(one: str, other: str) -> bool:
    """Say whether two values are the same words."""
    return one.casefold() == other.casefold()


def know(metadata: Mapping[str, Told]) -> Knowledge:
    """Gather the facts of a corpus' images: their attributes, else labels, else captions."""
    facts = _attributes(metadata)
    telling = {name: found for name, found in sorted(_values(facts).items()) if len(found) > 1}
    if telling.keys() - {LABEL}:
        captioned = _captioned(facts, metadata)
        patterns = {
            name: None if name in captioned else pattern_of(name, found)
            for name, found in telling.items()
        }
        return Knowledge(facts=facts, captioned=captioned, patterns=patterns, source="attribute")
    labels = {image: found.attributes.get(LABEL, found.label) for image, found in metadata.items()}
    captions = {image: found.caption for image, found in metadata.items()}
    for source, told in ((LABEL, labels), (CAPTION, captions)):
        single = {image: {source: text} for image, text in told.items() if text}
        if len({facts[source].casefold() for facts in single.values()}) > 1:
            return Knowledge(facts=single, patterns={source: None}, source=source)
    return Knowledge(facts={})


def _attributes(metadata: Mapping[str, Told]) -> dict[str, Facts]:
    """Return the attributes of images, and the label unless one of them says the same."""
    repeating = _repeating(metadata)
    told: dict[str, Facts] = {}
    for image, found in metadata.items():
        told[image] = dict(found.attributes)
        if found.label is not None and not repeating & found.attributes.keys():
            told[image] = {LABEL: found.label, **found.attributes}
    held = Counter(name for facts in told.values() for name in facts)
    naming = {
        name
        for name, found in _values(told).items()
        if len(found) > MOST_VALUES and 2 * len(found) > held[name]
    }
    kept = {
        image: {name: value for name, value in facts.items() if name not in naming}
        for image, facts in told.items()
    }
    return {image: facts for image, facts in kept.items() if facts}


def _repeating(metadata: Mapping[str, Told]) -> frozenset[str]:
    """Return the attributes that mostly say what the label says."""
    alike: Counter[str] = Counter()
    for found in metadata.values():
        for name, value in found.attributes.items():
            if found.label is not None:
                alike[name] += 1 if read_alike(value, found.label) else -1
    return frozenset(name for name in alike if alike[name] > 0)


def _values(told: Mapping[str, Facts]) -> dict[str, set[str]]:
    """Return the values of each attribute, those that read alike once."""
    values: dict[str, set[str]] = defaultdict(set)
    for facts in told.values():
        for name, value in facts.items():
            values[name].add(value.casefold())
    return values


def _captioned(told: Mapping[str, Facts], metadata: Mapping[str, Told]) -> frozenset[str]:
    known: Counter[str] = Counter()
    stated: Counter[str] = Counter()
    for image, facts in told.items():
        caption = metadata[image].caption
        if caption is None:
            continue
        words = _words(caption)
        for name, value in facts.items():
            known[name] += 1
            said = _words(value)
            stated[name] += bool(said) and said <= words
    return frozenset(name for name in known if stated[name] >= CAPTIONED_SHARE * known[name])


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+(?:-\w+)*", text.casefold()))
