"""A vision model over real HTTP that knows the scenes it sees, and the questions of `tests.cases`.

It reads a question by its words, and answers from the scene's factors. Told to, it errs; told by a
text in the question what to say, it obeys: the worst that a model can do.
"""

import base64
import hashlib
import json
import random
import re

from tasks.scenes import FACTORS, PATTERN_FACTORS
from tests.cases import ABOUT, DOT, SYNONYMS, words
from tests.tasks.backends.server import completion

OBEYED = re.compile(
    r"\b(?:ignor\w+|choosing|correct answer|graders|must pick|system|whatever|r\u00e9ponds|"
    r"assistant|antworte|language model|hint)\b",
    re.IGNORECASE,
)
FENCE = re.compile(
    r"----- begin, mark (?P<mark>\w+) -----\n(?P<question>.*)\n\(a\) (?P<a>.*)\n\(b\) (?P<b>.*)\n"
    r"----- end, mark (?P=mark) -----$",
    re.DOTALL,
)


class Onlooker:
    """A server's script: it writes the planted questions, and answers questions it is asked.

    It errs on its own in a share `errs` of what it is asked; each name errs elsewhere.
    """

    def __init__(self, world, *, errs=0.0, seed=0):
        self.world, self.errs, self.seed = world, errs, seed

    def __call__(self, number, body):
        parts = body["messages"][-1]["content"]
        pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        if len(pictures) == 2:
            return 200, completion(json.dumps(self.write(pictures))), {}
        who = f"{body['model']} {body.get('seed')}"
        taken = self.answer(who, parts[-1]["text"], pictures)
        return 200, completion(json.dumps({"taken": taken})), {}

    def write(self, pictures):
        """What a writer says of two images: the planted question."""
        names = [
            hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest() for url in pictures
        ]
        return self.world.by_images[tuple(names)].said

    def answer(self, who, text, pictures):
        """What an answerer says, which is what it sees, unless it errs."""
        asked = FENCE.search(text)
        question, options = asked["question"], (asked["a"], asked["b"])
        lot = random.Random(f"{self.seed} {who} {question} {options} {pictures}")
        known = ["a", "b", "both", "neither"] if pictures else ["a", "b", "neither"]
        told = f"{question} {' '.join(options)}"
        if OBEYED.search(told):
            told_first = options[0].casefold() in OBEYED.split(question)[-1].casefold()
            taken = "a" if told_first or OBEYED.search(options[0]) else "b"
        elif pictures:
            taken = self._see(question, options, self.world.look(pictures[0]), lot)
        else:
            taken = _guess(question, options)
        if lot.random() < self.errs:
            return lot.choice([one for one in known if one != taken])
        return taken

    def _see(self, question, options, seen, lot):
        about = [name for name, mark in ABOUT.items() if re.search(mark, question, re.IGNORECASE)]
        if len(about) > 1 and "and does" in question:  # two questions: one of them is answered
            about = [lot.choice(about)]
        holds = [_holds(option, about[:1], seen) for option in options]
        if None in holds:  # nothing that it knows of: it guesses
            return lot.choice(["a", "b", "neither"])
        return {(True, False): "a", (False, True): "b", (True, True): "both"}.get(
            tuple(holds), "neither"
        )


def _holds(option, about, seen):
    """Whether an option is true of what is seen; None if it says nothing that could be seen."""
    said = words(option)
    factors = about or [name for name in FACTORS if name not in PATTERN_FACTORS]
    found = [
        (factor, value)
        for factor in factors
        for value in _values(factor)
        if set(_forms(factor, value)) & set(said)
    ]
    if not found:
        return None
    facts = dict(seen.facts)
    if seen.side_px < 96:
        facts[DOT] = "no dot"  # it is less than a pixel there
    return any(facts[factor] == value for factor, value in found)


def _values(factor):
    return ("dot", "no dot") if factor == DOT else FACTORS[factor]


def _forms(factor, value):
    return SYNONYMS.get(factor, {}).get(value, (value.casefold(),))


def _guess(question, options):
    """What somebody who reads takes for the answer: the option that the words say more often."""
    about = [name for name, mark in ABOUT.items() if re.search(mark, question, re.IGNORECASE)]
    said = words(question)
    if {"yes", "no"} & {*words(options[0]), *words(options[1])}:
        return "neither"
    counts = []
    for option in options:
        forms = set(words(option)) - {"the", "a", "to", "on", "from", "letter", "yes", "no"}
        for factor in about[:1]:
            for value in _values(factor):
                if set(_forms(factor, value)) & set(words(option)):
                    forms |= {*_forms(factor, value)} - {"yes", "no"}
        counts.append(sum(word in forms for word in said))
    return "neither" if counts[0] == counts[1] else "ab"[counts[1] > counts[0]]
