"""Ask models the questions of general ability: POPE's, a VQA set's, those that a judge marks.

Put here: from questions and a model's name to its replies; each is asked for once.
Keep out: questions, prompts and scores (`tasks.general`); sending (`replies`), loading (`local`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from storage import replies as kept
from storage.database import Database
from storage.replies import ReplyRow
from tasks.backends import Message, Outcome, Picture, Request, Text
from tasks.backends.terms import Terms
from tasks.encoders.specs import Device
from tasks.evaluation import asking, replies
from tasks.evaluation.asking import Manner
from tasks.evaluation.judging import judge_server, no_image
from tasks.evaluation.places import FoundModel, find_model
from tasks.evaluation.replies import Call
from tasks.evaluation.requests import LOCAL
from tasks.evaluation.servers import Server, images_of
from tasks.fingerprints import code_digest, library_versions
from tasks.general.asked import Asked
from tasks.general.judged import SCHEMA, FreeQuestion, Order, judge_requests
from tasks.images import image_id
from tasks.protocols import protocol
from tasks.protocols.protocol import GENERATE

log = logging.getLogger(__name__)

MOST_TOKENS: Final[Mapping[str, int]] = {"pope": 16, "vqa": 32, "judged": 1024}
"""Of a reply, by benchmark."""
AT_ONCE: Final = 256
"""Replies of a local model between two commits."""


class Wish(NamedTuple):
    """How models are asked: on which terms, and where local ones run."""

    terms: Terms
    device: Device = "cpu"
    trust_remote_code: bool = False


class Said(NamedTuple):
    """What a model is called, and its replies by question."""

    model: str
    outcomes: dict[str, Outcome]


def say(
    db: Database, home: Path, model: str, bench: str, questions: Sequence[Asked], wish: Wish
) -> Said:
    """Return a model's replies, asking for those that are not stored.

    Args:
        db: Where replies are kept.
        home: Where they are until the store has them.
        model: A server's spec, a folder, or a name on the hub.
        bench: pope, vqa or judged.
        questions: What is asked about which file.
        wish: How.

    Raises:
        ValueError: if the model is not to be had, or asking on is pointless; what came is kept.
    """
    images = {file: image_id(file.read_bytes()) for file in {one.image for one in questions}}
    server = Server.parse(model)
    if server is not None:
        return _ask_server(db, home, server, bench, questions, images, wish)
    trust = wish.trust_remote_code
    found = find_model(model, trust_remote_code=trust, hash_cache=home / "cache" / "weights.json")
    return _ask_local(db, found, bench, questions, images, wish)


def _ask_server(
    db: Database,
    home: Path,
    server: Server,
    bench: str,
    questions: Sequence[Asked],
    images: Mapping[Path, str],
    wish: Wish,
) -> Said:
    decoding = server.decoding(MOST_TOKENS[bench], own=wish.terms.own_decoding)
    calls = {
        one.question_id: Call(
            server,
            Request(
                model=server.name,
                revision=server.url,
                messages=(Message("user", (Picture(images[one.image]), Text(one.prompt))),),
                protocol=f"general-{bench}",
                decoding=decoding,
            ),
        )
        for one in questions
    }
    shown = images_of({name: [str(file)] for file, name in images.items()})
    replies.ask(db, home, list(calls.values()), shown, wish.terms, wish.terms.ledger())
    known = replies.known(db, calls.values())
    names = {name: call.request.fingerprint for name, call in calls.items()}
    return Said(server.label, {n: known[name] for n, name in names.items() if name in known})


def _ask_local(
    db: Database,
    found: FoundModel,
    bench: str,
    questions: Sequence[Asked],
    images: Mapping[Path, str],
    wish: Wish,
) -> Said:
    from tasks.evaluation.jobs import Pictures
    from tasks.evaluation.local import LocalModel

    manner = Manner(GENERATE, protocol.Decoding(0.0, 1, MOST_TOKENS[bench]))
    code = f"{code_digest(LOCAL)} {library_versions(LOCAL)}"
    put = [
        asking.Asked(one.question_id, images[one.image], (str(one.image),), one.prompt, ())
        for one in questions
    ]
    names = {
        one.question_id: asking.request_of(
            found.weights, code, list(manner.decoding), one.image, one.question
        )
        for one in put
    }
    stored = kept.read(db, set(names.values()))
    todo = [one for one in put if names[one.question_id] not in stored]
    if todo:
        model = LocalModel(
            found.folder, device=wish.device, trust_remote_code=wish.trust_remote_code
        )
        for start in range(0, len(todo), AT_ONCE):
            part = todo[start : start + AT_ONCE]
            rows = [
                ReplyRow(
                    request=names[reply.question_id],
                    model=found.name,
                    protocol=f"general-{bench}",
                    response=reply.response,
                    cut=False,
                    failure=None,
                )
                for reply in model.ask(manner, part, Pictures(part))
            ]
            kept.upsert(db, rows)
            log.info("%s: %d of %d replies", found.name, start + len(part), len(todo))
        stored = kept.read(db, set(names.values()))
    return Said(found.name, {n: replies.outcome_of(stored[name]) for n, name in names.items()})


def judge(
    db: Database,
    home: Path,
    spec: str,
    questions: Sequence[FreeQuestion],
    said: Mapping[str, Outcome],
    reference: Mapping[str, Outcome],
    wish: Wish,
) -> dict[tuple[str, Order], Outcome]:
    """Return a judge's verdicts on free answers, by question and order; each is asked for once.

    Raises:
        ValueError: if the judge is no server, or asking on is pointless; what came is kept.
    """
    server = judge_server(spec)
    requests = judge_requests(questions, said, reference, judge=server.name)
    calls = {
        name: Call(server, _as_taken(request, server, own=wish.terms.own_decoding))
        for name, request in requests.items()
    }
    replies.ask(db, home, list(calls.values()), no_image, wish.terms, wish.terms.ledger())
    known = replies.known(db, calls.values())
    names = {name: call.request.fingerprint for name, call in calls.items()}
    return {name: known[made] for name, made in names.items() if made in known}


def _as_taken(request: Request, server: Server, *, own: bool) -> Request:
    """Return a request as the server takes it: its dialect of schemas, its own decoding."""
    decoding = server.decoding(
        request.decoding.max_new_tokens, own=own, structured=("marks", SCHEMA)
    )
    return replace(request, decoding=decoding, revision=server.url)
