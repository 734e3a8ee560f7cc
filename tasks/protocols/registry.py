"""The protocols by name.

Put here: what each asks, reads and counts, and where its facts are from.
Keep out: prompts, parsers and rules for pairs (`prompts`, `harnesses`, `rules`, `pairs`).

Another package adds a protocol by an entry point of the group `mmvp.protocols`: its name is the
protocol's, its value names the `Protocol`.
"""

import difflib
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Final

from tasks import plugins
from tasks.benchmarks.keys import CORRECTED, ORIGINAL
from tasks.protocols import harnesses, pairs, prompts, rules
from tasks.protocols.protocol import LOGPROBS, Decoding, Judge, Protocol

OWN_IMAGE: Final = "the model's own processor"
PAIRS: Final = "pairs"
BOTH: Final = "questions and pairs"

_ALL: Final = (
    Protocol(
        name="paper-2024",
        about="MMVP's script: free words, sampled, judged by GPT-4; here read by our rules",
        prompt=prompts.as_published,
        image="CLIP's processor of LLaVA: centre crop, no padding",
        decoding=Decoding(temperature=0.2, beams=1, most_tokens=1024),
        parse=rules.read_free,
        judge=Judge(
            model="gpt-4-0314",
            temperature=0.2,
            system=prompts.JUDGE_SYSTEM,
            ask=prompts.judge_request,
            says_right=harnesses.judge_says_right,
        ),
        key=ORIGINAL,
        pair_rule=pairs.CONSECUTIVE,
        headline=PAIRS,
        source="scripts/evaluate_mllm.py and gpt_grader.py of github.com/tsb0601/MMVP, 2024-01",
        quirks=(
            "it samples without a seed, so two runs differ",
            "its judge's 'Yes.' counts as wrong; without a judge our rules read the reply",
            "a lost line shifts all pairs behind it",
        ),
    ),
    Protocol(
        name="lmms-eval-0.7",
        about="lmms-eval 0.7: the option's letter, at most 16 tokens, five patterns",
        prompt=prompts.with_letters,
        image=OWN_IMAGE,
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=16),
        parse=harnesses.read_lmms_eval,
        key=CORRECTED,
        pair_rule=pairs.COMPLETE,
        headline=BOTH,
        source="lmms_eval/tasks/mmvp of github.com/EvolvingLMMs-Lab/lmms-eval, 0.7.2 (75571cf)",
        quirks=(
            "16 tokens cut off models that think first",
            "a word that ends in a or b is taken for that letter",
            "pairs with an answer missing are left out",
        ),
    ),
    Protocol(
        name="vlmevalkit-2026",
        about="VLMEvalKit of August 2026: its default prompt, a letter or the option's text",
        prompt=prompts.of_vlmevalkit,
        image="the model's own wrapper; LLaVA's pads",
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=2048),
        parse=harnesses.read_vlmevalkit,
        draws=True,
        key=ORIGINAL,
        pair_rule=pairs.CHECKED,
        headline="questions as Average, pairs as Overall",
        source="vlmeval/dataset of github.com/open-compass/VLMEvalKit, 2026-08 (e8e78f0)",
        quirks=(
            "many models have a prompt and decoding of their own there; these are the defaults",
            "what its rules cannot read goes to a language model, then by lot without a seed to "
            "A, B or wrong; without that model it is wrong, as here without a seed",
        ),
    ),
    Protocol(
        name="cambrian-2024",
        about="Cambrian of October 2024: the letter or the option's text, nothing else",
        prompt=prompts.of_cambrian,
        image=OWN_IMAGE,
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=512),
        parse=harnesses.read_cambrian,
        key=ORIGINAL,
        pair_rule=pairs.COUNTER,
        headline=PAIRS,
        source="eval/eval/mmvp of github.com/cambrian-mllm/cambrian, 2024-10 (0d7ca41)",
        quirks=("a reply must be the letter or the option's text; more words are wrong",),
    ),
    Protocol(
        name="internvl",
        about="InternVL: the letter, by five beams, read from its first sign",
        prompt=prompts.with_letters,
        image="the model's own size; tiles, at most 6, with --dynamic",
        decoding=Decoding(temperature=0.0, beams=5, most_tokens=100),
        parse=harnesses.read_internvl,
        key=ORIGINAL,
        pair_rule=pairs.CONSECUTIVE,
        headline=PAIRS,
        source="internvl_chat/eval/mmvp of github.com/OpenGVLab/InternVL (0355722)",
        quirks=(
            "one beam above 20 billion parameters or with --dynamic",
            "a reply that begins with a capital A or B is that letter, as in 'Both'",
            "an empty reply stops the harness; here it is unread",
        ),
    ),
    Protocol(
        name="letter",
        about="our letter: a or b however it is written, or the option's text; all else is unread",
        prompt=prompts.for_letter,
        image=OWN_IMAGE,
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=1024),
        parse=rules.read_letter,
        key=CORRECTED,
        pair_rule=pairs.BY_PAIR,
        headline=PAIRS,
        source="ours",
    ),
    Protocol(
        name="option-logprob",
        about="the option that the model finds likelier as the answer, word by word",
        asks=LOGPROBS,
        prompt=prompts.bare,
        image=OWN_IMAGE,
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=0),
        parse=rules.read_option,
        key=CORRECTED,
        pair_rule=pairs.BY_PAIR,
        headline=PAIRS,
        source="ours",
        quirks=("a longer option is less likely, as log-probabilities are summed",),
    ),
    Protocol(
        name="free",
        about="the model's own words, greedily, which must be one of the two options",
        prompt=prompts.bare,
        image=OWN_IMAGE,
        decoding=Decoding(temperature=0.0, beams=1, most_tokens=64),
        parse=rules.read_whole,
        key=CORRECTED,
        pair_rule=pairs.BY_PAIR,
        headline=PAIRS,
        source="ours",
        quirks=("the options are not told, so only models that learnt to answer so do well",),
    ),
)

PROTOCOLS: Final[Mapping[str, Protocol]] = {protocol.name: protocol for protocol in _ALL}


def protocol_named(name: str) -> Protocol:
    """Return a protocol, ours or of another package.

    Raises:
        ValueError: if there is none of that name, with the nearest and all others; or if another
            package's cannot be loaded, or is none.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    others = plugins.offered(plugins.PROTOCOLS, PROTOCOLS)
    if name in others:
        return _loaded(others[name])
    known = [*PROTOCOLS, *others]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    message = f"no protocol is called {name!r}{hint} known: {', '.join(known)}"
    raise ValueError(message)


def protocol_of(way: str) -> Protocol:
    """Return the protocol of a way to ask, which is written before `~`, `+` and `#`.

    Raises:
        ValueError: if there is no such protocol.
    """
    return protocol_named(re.split(r"[~+#]", way, maxsplit=1)[0])


def _loaded(point: EntryPoint) -> Protocol:
    found = plugins.load(point)
    if not isinstance(found, Protocol) or found.name != point.name:
        what = f"a protocol called {found.name!r}" if isinstance(found, Protocol) else repr(found)
        message = (
            f"package {plugins.package_of(point)} offers {what} as the protocol {point.name!r}; "
            f"expected a tasks.protocols.Protocol of that name"
        )
        raise ValueError(message)
    return found
