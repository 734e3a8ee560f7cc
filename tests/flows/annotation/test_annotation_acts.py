"""Acts of the wrong people, too many, half sent, late or forged: what is saved stays as it is."""

import asyncio
import json
import resource
import socket

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from flows.annotation import guard
from flows.annotation.desk import Desk
from flows.annotation.guard import Guard
from flows.cli import build_parser
from flows.commands import run
from storage import events
from storage.database import StoreError
from storage.events import EventRow
from tasks.annotation.state import Rules, fold
from tests.flows.annotation.site import MINING, act, events_of, given, make_home, post_head, send
from tests.tasks.annotation.acts import PAIRS, WHOLE

STORM = 1_000


def test_nobody_acts_as_another_or_on_what_another_was_given(site):
    with site.client("ada") as ada, site.client("grace") as grace:
        mine, hers = given(ada)["subject"], given(grace)["subject"]
        assert mine != hers

        assert send(ada, "grace", act("draft", hers, question="?")).status_code == 403
        (refused,) = send(ada, "ada", act("draft", hers, question="?")).json()["refused"]
        assert "not given to ada" in refused["why"]
        assert ada.post("/api/next", json={"mode": "write", "subject": hers}).status_code == 403
        assert ada.get(f"/api/told/{hers}").status_code == 403
        assert ada.post("/api/next", json={"mode": "adjudicate"}).status_code == 403
        unknown = send(ada, "ada", act("draft", "0" * 32), act("judged", mine, verdict="clear"))
        assert len(unknown.json()["refused"]) == 2

    assert not any(
        event.subject == hers and event.who == "ada" for event in events_of(site).values()
    )


def test_a_checker_is_told_one_image_and_nothing_of_the_answer_until_both_are_answered(site):
    with site.client("ada") as ada, site.client("grace") as grace:
        pair = given(ada)["subject"]
        assert send(ada, "ada", act("written", pair, **WHOLE)).json() == {"refused": []}
        item = given(grace, "check")

        assert item["question"] == "Is there a hat?"
        assert not {"images", "key", "difference", "pattern", "answers"} & item.keys()
        early = send(grace, "grace", act("judged", item["subject"], verdict="clear", note=""))
        assert "without an answer" in early.json()["refused"][0]["why"]
        other = "f" * 64
        elsewhere = act("answered", item["subject"], image=other, choice=1)
        assert send(grace, "grace", elsewhere).json()["refused"]
        listed = grace.get("/api/progress?whole").json()["questions"]
        assert [row["question"] for row in listed] == [None]
        assert given(ada, "check")["mode"] is None, "nobody checks the own question"


def test_an_act_that_is_sent_twice_counts_once_and_a_forged_twin_is_refused(site):
    with site.client("ada") as client:
        pair = given(client)["subject"]
        one = act("draft", pair, question="Is it on?")
        assert send(client, "ada", one).json() == {"refused": []}
        assert send(client, "ada", one, one).json() == {"refused": []}
        twin = one | {"body": {"question": "Is it off?"}}
        assert "says something else" in send(client, "ada", twin).json()["refused"][0]["why"]
        with site.client("grace") as grace:
            given(grace)
            assert send(grace, "grace", one).json()["refused"]

    assert events_of(site)[one["event_id"]].body["question"] == "Is it on?"


def test_a_thousand_requests_at_once_are_answered_or_refused_and_what_was_saved_outlives_a_kill(
    site,
):
    with site.client("ada") as client:
        pair = given(client)["subject"]
    with site.client("grace") as client:
        hers = given(client)["subject"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    acts = [act("draft", pair, question=f"Is it {n}?") for n in range(STORM)]
    typed = [act("draft", hers, question=f"Is it {n}?") for n in range(40)]

    answers, seen = asyncio.run(storm(site, acts, typed))
    site.kill()
    events = events_of(site)
    site.start()

    saved = {one["event_id"] for one, status in zip(acts, answers, strict=True) if status == 200}
    assert set(answers) <= {200, 401, 503}
    assert seen == [200] * len(typed), "grace goes on"
    assert {one["event_id"] for one in typed} <= events.keys()
    assert len(saved) > STORM / 2
    assert saved <= events.keys()
    strangers = [one["event_id"] for one in acts[::10]]
    assert not events.keys() & set(strangers)
    with site.client("ada") as client:
        assert given(client, subject=pair)["draft"]["question"].startswith("Is it ")


async def storm(site, acts, typed):
    """Open a connection for each act, send all at once while another person types; statuses.

    Every tenth is sent without a token.
    """
    open_now = [await asyncio.open_connection("127.0.0.1", site.port) for _ in acts]

    async def one(number, each):
        reader, writer = open_now[number]
        body = told("ada", each)
        head = post_head(site, "ada" if number % 10 else None, f"Content-Length: {len(body)}")
        writer.write(head + body)
        line = await reader.readline()
        writer.close()
        return int(line.split()[1])

    async def type_on():
        headers = {"Content-Type": "application/json", "Origin": site.url}
        cookies = {f"mmvp-annotation-{site.port}": site.tokens["grace"]}
        async with httpx.AsyncClient(cookies=cookies, headers=headers, timeout=60) as client:
            place = f"{site.url}/api/acts"
            sent = [await client.post(place, content=told("grace", each)) for each in typed]
        return [answer.status_code for answer in sent]

    *answers, seen = await asyncio.gather(*map(one, range(len(acts)), acts), type_on())
    return answers, seen


def told(who, each):
    return json.dumps({"who": who, "mining": MINING, "acts": [each]}).encode()


def test_half_requests_keep_nobody_out_and_are_closed(site):
    head = f"GET /api/about HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nX-Slow: ".encode()
    halves = [socket.create_connection(("127.0.0.1", site.port), timeout=30) for _ in range(200)]
    for number, half in enumerate(halves):
        half.sendall(head if number % 2 else b"")
    with site.client("ada") as client:
        assert client.get("/api/about").json()["who"] == "ada"
    for half in halves:
        assert half.recv(1) == b"", "the server hangs up"
        half.close()


def test_a_body_that_stops_coming_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(guard, "BODY_S", 0.05)
    answers = []

    async def page(scope, receive, send):
        with pytest.raises(HTTPException) as refused:
            await Request(scope, receive).json()
        answers.append(refused.value.status_code)
        await JSONResponse({})(scope, receive, send)

    async def half():
        yield b'{"who":'
        await asyncio.sleep(3600)

    async def post():
        served = httpx.ASGITransport(Guard(page, ["http://127.0.0.1"]))
        headers = {"Origin": "http://127.0.0.1", "Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=served, headers=headers) as client:
            await client.post("http://127.0.0.1/", content=half())

    asyncio.run(post())
    assert answers == [408]


@pytest.mark.parametrize(
    ("request_lines", "status"),
    [
        ("GET / HTTP/1.0", 421),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: evil.example", 421),
        ("GET / HTTP/1.1\r\nHost: OURS\r\nHost: evil.example", 400),
        ("GET / HTTP/1.1\r\nHost: OURS\r\nUpgrade: websocket\r\nConnection: Upgrade", 200),
        ("POST /api/acts HTTP/1.1\r\nHost: OURS\r\nContent-Length: -1", 400),
        (
            "POST /api/acts HTTP/1.1\r\nHost: OURS\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked",
            403,
        ),
        ("GET / HTTP/1.1\r\nHost: OURS\r\nX: " + "x" * 4_000_000, 400),
        ("\x16\x03\x01", 400),
    ],
)
def test_what_no_browser_sends_is_refused_or_answered_plainly(site, request_lines, status):
    lines = request_lines.replace("OURS", f"127.0.0.1:{site.port}")
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as raw:
        try:
            raw.sendall(f"{lines}\r\n\r\n".encode("latin-1"))
            answer = raw.recv(65536)
        except ConnectionError:
            answer = b"HTTP/1.1 400 "  # it hung up in the middle of it

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


def test_an_act_cannot_say_who_did_it_or_when(site):
    with site.client("ada") as client:
        pair = given(client)["subject"]
        forged = act("draft", pair, question="Whose?") | {"who": "grace", "at": 1, "mining": "m"}
        assert send(client, "ada", forged).json() == {"refused": []}
        inside = act("draft", pair, question="Whose?", who="grace")
        assert "Extra inputs" in send(client, "ada", inside).json()["refused"][0]["why"]

    event = events_of(site)[forged["event_id"]]
    assert (event.who, event.mining) == ("ada", MINING)
    assert event.at > 1_700_000_000_000_000
    assert inside["event_id"] not in events_of(site)


def test_a_clock_that_is_set_back_puts_no_event_before_those_that_are_saved(db, tmp_path):
    ahead = 4_000_000_000_000_000
    earlier = {"event_id": "a" * 32, "mining": MINING, "subject": "p1", "at": ahead}
    events.add(db, [EventRow(**earlier, who="ada", kind="opened", body={"mode": "write"})])

    async def type_once():
        desk = Desk(db, tmp_path, MINING, PAIRS, Rules(wanted=1))
        await desk.open()
        assert await desk.take("ada", [act("draft", "p1", question="Is it on?")], MINING) == []
        await desk.close()

    asyncio.run(type_once())
    assert [event.kind for event in events.read(db, MINING)] == ["opened", "configured", "draft"]
    assert fold(events.read(db, MINING), PAIRS).sheet("ada", "p1").draft.question == "Is it on?"


def test_questions_with_markup_come_back_as_the_text_that_they_are(site):
    text = "<img src=x onerror=alert(1)>{{7*7}}'; DROP TABLE events;--\u202e"
    with site.client("ada") as client:
        pair = given(client)["subject"]
        assert send(client, "ada", act("draft", pair, question=text)).json() == {"refused": []}
        told = client.post("/api/next", json={"mode": "write", "subject": pair})

    assert told.json()["draft"]["question"] == text
    assert told.headers["content-type"] == "application/json"


def test_only_one_page_serves_a_home(site, monkeypatch):
    monkeypatch.setenv("MMVP_HOME", str(site.home))

    with pytest.raises(StoreError, match="another `mmvp annotate` serves"):
        run_annotate(build_parser().parse_args(["annotate", "--annotators", "mallory"]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0", "--annotators", "ada"], "--public-url"),
        (["--annotators", "../ada"], "cannot be a name"),
        ([], "give names with --annotators"),
        (["--annotators", "ada", "--overlap", "0"], "--overlap must be at least 1"),
    ],
)
def test_what_is_not_safe_or_sensible_is_not_started(tmp_path, monkeypatch, options, words):
    make_home(tmp_path / "home", tmp_path / "photos", count=1)
    monkeypatch.setenv("MMVP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MMVP_STORE", raising=False)
    parsed = build_parser().parse_args(["annotate", "--port", "0", *options])
    with pytest.raises(ValueError, match=words):
        run_annotate(parsed)
    assert run(parsed) == 1


def run_annotate(parsed):
    from flows.annotate import run

    return run(parsed)


def test_a_page_behind_a_proxy_answers_to_its_public_name_alone():
    async def page(scope, receive, send):
        await JSONResponse({})(scope, receive, send)

    origin = "https://annotate.example"
    guarded = httpx.ASGITransport(Guard(page, [origin]))

    async def statuses():
        async with httpx.AsyncClient(transport=guarded) as client:
            return [
                (await client.get("https://annotate.example/")).status_code,
                (await client.get("http://127.0.0.1:4300/")).status_code,
                *[
                    (
                        await client.post(
                            "https://annotate.example/enter", json={}, headers={"Origin": where}
                        )
                    ).status_code
                    for where in (origin, "http://annotate.example", "http://127.0.0.1:4300")
                ],
            ]

    assert asyncio.run(statuses()) == [200, 421, 200, 403, 403]
