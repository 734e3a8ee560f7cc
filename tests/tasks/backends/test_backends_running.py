"""Many requests: nothing is lost, nothing is invented, nothing is asked twice."""

import asyncio
import re
import threading
from datetime import date

import pytest

from tasks.backends import (
    Failure,
    Ledger,
    OpenAIServer,
    Pacing,
    Price,
    Prices,
    Reply,
    ServerFailsError,
    Usage,
    ask_all,
)
from tasks.backends.pace import Gate
from tests.tasks.backends.asked import FakeTime, images, request, requests
from tests.tasks.backends.server import completion, serve

PRICES = Prices("USD", date(2026, 1, 1), {"stub": Price(1_000_000, 1_000_000)})
"""One a token, so that money is tokens."""


class Backend:
    """Gives outcomes by the words of a request; lists of them are used up."""

    def __init__(self, outcomes=None):
        self.outcomes = outcomes or {}
        self.asked = []

    async def reply(self, asked):
        words = asked.messages[0].parts[0].text
        self.asked.append(words)
        await asyncio.sleep(0)
        outcome = self.outcomes.get(words, Reply(text=f"to {words}", usage=Usage(5, 1)))
        if isinstance(outcome, list):
            outcome = outcome.pop(0) if outcome else Reply(text=f"to {words}")
        return outcome


def failure(reason, **more):
    return Failure(reason=reason, message="as told", **more)


def run(backend, asked, time=None, **options):
    found = []
    time = time or FakeTime()
    try:
        asyncio.run(
            ask_all(backend, asked, lambda *row: found.append(row), clock=time.clock, **options)
        )
    finally:
        run.found = found
    return found


def ask_server(stub, asked, hand_over, time, *, timeout_s=30.0, **options):
    async def go():
        async with OpenAIServer(stub.url, images=images, timeout_s=timeout_s) as server:
            await ask_all(server, asked, hand_over, clock=time.clock, **options)

    asyncio.run(go())


TROUBLE = [
    (429, "", {"Retry-After": "3"}),
    (500, "", {}),
    "cut",
    (200, '{"choices": [', {}),
    (200, completion(""), {}),
    (200, completion(finish="content_filter"), {}),
    "hang",
]


def test_a_server_in_trouble_loses_nothing_and_invents_nothing():
    tries = {}
    lock = threading.Lock()

    def script(number, body):
        words = body["messages"][0]["content"][0]["text"]
        with lock:
            tries[words] = tries.get(words, 0) + 1
        which = int(words.split()[1]) % (len(TROUBLE) + 1)
        if tries[words] == 1 and which < len(TROUBLE):
            return TROUBLE[which]
        return 200, completion(f"to {words}"), {}

    found = []
    asked = requests(24)
    with serve(script) as stub:
        ask_server(stub, asked, lambda *row: found.append(row), FakeTime(), timeout_s=2.0)

    assert sorted(row[0].fingerprint for row in found) == sorted(one.fingerprint for one in asked)
    for one, outcome in found:
        words = one.messages[0].parts[0].text
        if TROUBLE.index(TROUBLE[5]) == int(words.split()[1]) % (len(TROUBLE) + 1):
            assert outcome.reason == "refused"
            assert tries[words] == 1
        else:
            assert outcome.text == f"to {words}"


def test_no_more_calls_are_under_way_than_allowed():
    backend = Backend()
    inside = most = 0

    async def reply(asked):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(5):
            await asyncio.sleep(0)
        inside -= 1
        return Reply(text="(a)")

    backend.reply = reply
    found = run(backend, requests(200), pacing=Pacing(start=2, most=7))

    assert len(found) == 200
    assert most == 7


def test_a_real_server_never_sees_more_calls_at_once_than_allowed():
    found = []
    with serve() as stub:
        ask_server(
            stub,
            requests(60),
            lambda *row: found.append(row),
            FakeTime(),
            pacing=Pacing(start=3, most=3),
        )

    assert len(found) == len(stub.bodies) == 60
    assert stub.most_inside <= 3


def test_a_wait_that_is_asked_for_is_kept_by_all():
    time = FakeTime()
    backend = Backend({"question 0": [failure("rate-limited", retry_after=30.0)]})
    at = {}

    async def reply(asked, ask=backend.reply):
        at.setdefault(asked.messages[0].parts[0].text, []).append(time.now)
        return await ask(asked)

    backend.reply = reply
    run(backend, requests(3), time, pacing=Pacing(start=1, most=1))

    assert at["question 0"][0] == 0
    assert at["question 0"][1] >= 30
    assert at["question 1"][0] >= 30


def test_waits_are_the_same_in_every_run_and_grow():
    pacing = Pacing(first_wait=1.0, longest_wait=60.0)

    waits = [pacing.wait("abc", tried, None) for tried in range(1, 9)]

    assert waits == [pacing.wait("abc", tried, None) for tried in range(1, 9)]
    assert waits != [Pacing(seed=1).wait("abc", tried, None) for tried in range(1, 9)]
    for tried, wait in enumerate(waits):
        assert min(60, 2**tried) / 2 <= wait <= min(60, 2**tried)
    assert pacing.wait("abc", 1, 7.0) >= 7.0


def test_a_busy_server_is_asked_half_as_much_once_for_each_burst():
    gate = Gate(Pacing(start=8, most=9), FakeTime().clock)

    async def burst():
        entered = [await gate.enter() for _ in range(8)]
        for one in entered:
            gate.leave(one, failure("rate-limited"))
        assert gate.limit == 4
        for _ in range(200):
            gate.leave(await gate.enter(), None)
        assert gate.limit == 9
        gate.leave(await gate.enter(), failure("refused"))
        assert gate.limit == 9
        for _ in range(9):
            gate.leave(await gate.enter(), failure("timeout"))
        assert gate.limit == 1

    asyncio.run(burst())


def test_a_request_that_never_works_is_one_recorded_failure():
    backend = Backend({"question 1": failure("server-error")})

    found = run(backend, requests(3), pacing=Pacing(tries=4))

    assert backend.asked.count("question 1") == 4
    assert [o.reason for _, o in found if isinstance(o, Failure)] == ["server-error"]


@pytest.mark.parametrize("reason", ["refused", "rejected"])
def test_what_no_second_try_can_mend_is_tried_once(reason):
    backend = Backend({"question 0": failure(reason)})

    run(backend, requests(1))

    assert backend.asked == ["question 0"]


def test_a_server_that_fails_again_and_again_ends_the_run():
    backend = Backend({f"question {n}": failure("rejected") for n in range(100)})

    with pytest.raises(ServerFailsError, match=r"'stub': 10 requests in a row.*rejected"):
        run(backend, requests(100), pacing=Pacing(start=1, most=1))

    assert len(backend.asked) == len(run.found) == 10


def test_refusals_and_answers_between_failures_do_not_end_a_run():
    backend = Backend(
        {f"question {n}": failure("refused" if n % 3 else "rejected") for n in range(60)}
    )

    found = run(backend, requests(60), pacing=Pacing(start=1, most=1, failures_in_a_row=2))

    assert len(found) == 60


def test_a_server_that_asks_for_too_long_a_wait_ends_the_run():
    backend = Backend({"question 0": failure("rate-limited", retry_after=3600.0)})

    with pytest.raises(ServerFailsError, match="3600"):
        run(backend, requests(9), pacing=Pacing(start=1, most=1))

    assert backend.asked == ["question 0"]


def test_what_is_known_or_named_twice_is_asked_once():
    asked = requests(5)
    backend = Backend()

    run(backend, [*asked, *asked], known={asked[2].fingerprint})

    assert sorted(backend.asked) == [f"question {n}" for n in (0, 1, 3, 4)]


def test_a_run_killed_in_the_middle_asks_only_what_is_missing():
    asked = requests(40)
    found = {}

    def keep(one, outcome):
        found[one.fingerprint] = outcome
        if len(found) == 10:
            raise KeyboardInterrupt

    with serve() as stub, pytest.raises(KeyboardInterrupt):
        ask_server(stub, asked, keep, FakeTime())
    kept = set(found)
    with serve() as stub:
        ask_server(stub, asked, keep, FakeTime(), known=kept)

    assert 10 <= len(kept) < 40
    assert set(found) == {one.fingerprint for one in asked}
    missing = {one.messages[0].parts[0].text for one in asked if one.fingerprint not in kept}
    assert sorted(stub.asked()) == sorted(missing)


def test_a_cancelled_run_waits_for_calls_under_way_and_sends_each_request_once():
    asked = requests(20)
    found = {}
    release = threading.Event()
    arrived = threading.Event()

    def script(number, body):
        if number >= 3:
            arrived.set()
        release.wait(60)
        return 200, completion(), {}

    async def go(stub):
        async with OpenAIServer(stub.url, images=images) as server:
            running = asyncio.create_task(ask_all(server, asked, found.__setitem__))
            await asyncio.to_thread(arrived.wait, 60)
            running.cancel()
            await asyncio.sleep(0)
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await running

    with serve(script) as stub:
        asyncio.run(go(stub))
        first = stub.asked()
        names = {one.fingerprint for one in found}
        ask_server(stub, asked, found.__setitem__, FakeTime(), known=names)

        assert len(first) == len(names) == 4
        assert sorted(stub.asked()) == sorted(one.messages[0].parts[0].text for one in asked)


def test_nothing_is_sent_over_budget_and_what_is_not_is_recorded():
    backend = Backend()
    ledger = Ledger(PRICES, budget=100.0)

    found = run(backend, requests(50), ledger=ledger, pacing=Pacing(start=8, most=8))

    failed = [outcome for _, outcome in found if isinstance(outcome, Failure)]
    assert len(found) == 50
    assert {outcome.reason for outcome in failed} == {"over-budget"}
    assert len(backend.asked) == 50 - len(failed)
    # A call takes 6; the last that fits begins with room for a prompt of 5 and 16 words.
    assert 100 - 21 - 6 < ledger.money() <= 100
    assert ledger.reserved == 0
    assert re.search(r"of 100.0 spent", failed[0].message)


def test_money_of_calls_whose_cost_is_unknown_counts_against_the_budget():
    backend = Backend({f"question {n}": failure("timeout") for n in range(50)})
    ledger = Ledger(PRICES, budget=100.0)

    run(
        backend,
        requests(50),
        ledger=ledger,
        pacing=Pacing(start=1, most=1, failures_in_a_row=99),
    )

    assert len(backend.asked) == 5
    assert ledger.models["stub"].unknown == 5
    assert ledger.money() <= 100


def test_a_model_without_a_price_is_not_asked_under_a_budget():
    backend = Backend()
    with pytest.raises(ValueError, match="no price of model 'other'"):
        run(backend, [request(model="other")], ledger=Ledger(PRICES, budget=1.0))
    assert backend.asked == []
