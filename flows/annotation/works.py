"""What people do on the page: write and check questions about pairs, or take the study.

Put here: handing out, and what may be shown of a subject.
Keep out: who gets what (`tasks.annotation.queue`), forms of answers (`views`, beside this file).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException

from flows.annotation import views
from flows.annotation.app import JSON
from flows.annotation.desk import Desk, NotSavedError
from flows.annotation.people import People
from storage.questions import QuestionRow
from tasks.annotation.acts import ADJUDICATE, CHECK, NO_PATTERN, TEXT_MAX, VERDICTS, WRITE
from tasks.annotation.material import Material, newer, versions
from tasks.annotation.queue import next_check, next_dispute, next_pair
from tasks.annotation.standing import OPEN, progress, standings
from tasks.annotation.study import draw_order, next_question
from tasks.fingerprints import digest
from tasks.patterns import PATTERNS

log = logging.getLogger(__name__)


class Writing:
    """Writing questions about pairs, checking those of others, settling disputes.

    The pairs are those that the mining has now: a run may find more while people are at work.
    """

    def __init__(self, desk: Desk, material: Material, people: People, wanted: int | None) -> None:
        """Take the pairs; as many are wanted as are selected, if not so many as `wanted`."""
        self._desk, self._people, self._wanted = desk, people, wanted
        self._seen: Mapping[str, int] = {}
        self._news = ""
        self.images: set[str] = set()
        self._show(material)

    def _show(self, material: Material) -> None:
        self._material, self._order = material, list(material.rows)
        self.images |= material.images  # what somebody looks at stays in sight

    async def look(self) -> None:
        """Go on with the pairs that the mining has now, and tell of a newer one.

        Raises:
            StoreError: if the store cannot be read.
        """
        old, db = self._material, self._desk.db
        seen = await asyncio.to_thread(versions, db)
        if seen == self._seen:
            return
        new = await asyncio.to_thread(Material, db, old.mining, old.corpora)
        self._news = await asyncio.to_thread(newer, db, old.mining)
        if new.rows != old.rows:
            log.info("the mining has %d pairs now, %d before", len(new.rows), len(old.rows))
            rules = self._desk.rules._replace(wanted=self._wanted or new.wanted)
            await self._desk.follow(new.pairs, rules)
            self._show(new)
        self._seen = seen

    def about(self, who: str) -> JSON:
        """Return the roles of a person and what can be chosen."""
        modes = [WRITE, CHECK] if who in self._people.annotators else []
        modes += [ADJUDICATE] if who in self._people.adjudicators else []
        return {
            "mining": self._desk.mining,
            "modes": modes,
            "patterns": [*PATTERNS.values(), NO_PATTERN],
            "verdicts": VERDICTS,
            "text_max": TEXT_MAX,
            "checks": self._desk.rules.checks,
        }

    async def next(self, who: str, asked: Mapping[str, Any]) -> JSON:
        """Give out the next thing in a mode, or, to its writer, the pair `subject` again."""
        mode = asked.get("mode")
        if mode not in self.about(who)["modes"]:
            raise HTTPException(403, f"{who} has no part in {mode!r}")
        if mode == WRITE:
            return await self._next_pair(who, asked)
        desk = self._desk
        if mode == CHECK:
            due = next_check(desk.state, who, desk.rules, desk.now())
            if due is None:
                return {"mode": None}
            await self._open(who, CHECK, due.item.proposal_id)
            return views.check_view(desk.state, who, due)
        item = next_dispute(desk.state, who, desk.rules, desk.now())
        if item is None:
            return {"mode": None}
        await self._open(who, ADJUDICATE, item.proposal_id)
        return views.dispute_view(desk.state, who, item)

    async def _next_pair(self, who: str, asked: Mapping[str, Any]) -> JSON:
        desk, subject = self._desk, asked.get("subject")
        if subject is not None:
            if not isinstance(subject, str) or who not in desk.state.takers(WRITE, subject):
                raise HTTPException(403, f"this pair was not given to {who}")
            pair = subject if subject in desk.pairs else None
        else:
            fresh = bool(asked.get("fresh"))
            pair = next_pair(desk.state, who, desk.rules, desk.now(), self._order, fresh=fresh)
        if pair is None:
            return {"mode": None}
        await self._open(who, WRITE, pair)
        row = self._material.rows[pair]
        cosines = {"clip_cosine": row.clip_cosine, "ssl_cosine": row.ssl_cosine}
        return views.write_view(desk.state, who, pair) | cosines

    async def _open(self, who: str, mode: str, subject: str) -> None:
        """Note that a person has this; one who had it before may look at it on a full disk too."""
        known = who in self._desk.state.takers(mode, subject)
        try:
            await self._desk.note(who, "opened", subject, {"mode": mode})
        except NotSavedError:
            if not known:
                raise

    async def told(self, who: str, subject: str) -> JSON:
        """Return what the corpus tells of a pair, and similar pairs that this person may see.

        A pair whose question this person may still check is not among them.
        """
        state = self._desk.state
        if who not in state.takers(WRITE, subject) or subject not in self._material.rows:
            raise HTTPException(403, f"this pair was not given to {who}")
        items = state.items()
        found = standings(state, self._desk.rules)
        hidden = {
            item.pair_id
            for name, item in items.items()
            if found[name] == OPEN and who not in item.writers
        }
        asked = {item.pair_id: item.draft.question for item in items.values()}
        told = await asyncio.to_thread(self._material.told, subject)
        similar = await asyncio.to_thread(self._material.similar, subject, hidden)
        return {
            "told": told,
            "similar": [
                {
                    "images": (row.image_a, row.image_b),
                    "clip_cosine": row.clip_cosine,
                    "ssl_cosine": row.ssl_cosine,
                    "question": asked.get(row.pair_id),
                }
                for row in similar
            ],
        }

    def progress(self, who: str, *, whole: bool, subject: str = "") -> JSON:
        """Return counts and agreement; `whole`: of each question, and the person's own pairs.

        `gone` says that the pair `subject` has left the mining since the person got it.
        """
        state, rules = self._desk.state, self._desk.rules
        found = views.progress_view(state, who, rules, self._desk.now())
        gone = who in state.takers(WRITE, subject) and subject not in state.pairs
        found |= {"news": self._news, "pairs": len(state.pairs), "gone": gone}
        if whole:
            found |= {
                "patterns": views.patterns_view(state, rules),
                "questions": views.questions_view(state, who, rules),
                "mine": views.mine_view(state, who, rules),
            }
        return found

    def summary(self) -> JSON:
        """Return the counts."""
        desk = self._desk
        return progress(desk.state, desk.rules, desk.now())._asdict()


class Study:
    """Answering the questions of a benchmark, one image at a time."""

    def __init__(self, desk: Desk, rows: Sequence[QuestionRow], people: People) -> None:
        self._desk, self._people = desk, people
        self._rows = {row.question_id: row for row in rows}
        self.images = {row.image for row in rows}

    def about(self, who: str) -> JSON:
        """Return that this is a study."""
        return {
            "mining": self._desk.mining,
            "modes": ["study"],
            "text_max": TEXT_MAX,
            "total": len(self._rows),
        }

    async def next(self, who: str, asked: Mapping[str, Any]) -> JSON:
        """Return the next question, or that of `subject` again.

        The order is drawn at the first; questions that the benchmark has gained since follow it.
        """
        state = self._desk.state
        known = state.orders.get(who, ())
        new = [row for name, row in self._rows.items() if name not in known]
        if new:
            seed = digest([self._desk.mining, who, *([len(known)] if known else [])])
            order = draw_order(seed, new)
            await self._desk.note(who, "ordered", "", {"seed": seed, "questions": order})
        order = [name for name in state.orders[who] if name in self._rows]
        subject = asked.get("subject")
        name = next_question(state, who, self._rows) if subject is None else subject
        if name is None:
            return {"mode": None, "total": len(self._rows), "before": order[-1]}
        if name not in order:
            raise HTTPException(403, f"this question was not given to {who}")
        return views.study_view(state, who, self._rows[name], order)

    async def told(self, who: str, subject: str) -> JSON:
        """Return nothing: whatever is known may tell the answer."""
        raise HTTPException(403, f"{who} is told nothing of question {subject!r}")

    def progress(self, who: str, *, whole: bool, subject: str = "") -> JSON:
        """Return how many questions each participant has answered."""
        names = self._people.names if whole else [who]
        return views.study_progress_view(self._desk.state, names, self._rows)

    async def look(self) -> None:
        """Do nothing: a test stays as it was begun."""

    def summary(self) -> JSON:
        """Return how many questions each participant has answered."""
        return self.progress("", whole=True)
