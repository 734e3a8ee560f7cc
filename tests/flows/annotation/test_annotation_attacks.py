"""What strangers and careless people send: answered or refused, nothing gets in or is lost."""

import json
import socket
import stat

import pytest

from tests.flows.annotation.site import MINING, act, events_of, given, post_head, send

PRIVATE = ("/api/about", "/api/progress", "/api/told/x", "/images/" + "0" * 64)


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 4_000])
def test_without_a_token_of_ours_nothing_is_told_and_nothing_is_taken(site, token):
    headers = {} if token is None else {"Cookie": f"mmvp-annotation-{site.port}={token}"}
    before = events_of(site)
    with site.client(**headers) as client:
        assert [client.get(path).status_code for path in PRIVATE] == [401] * len(PRIVATE)
        assert client.post("/api/next", json={"mode": "write"}).status_code == 401
        assert send(client, "ada", act("draft", "x")).status_code == 401
        assert client.post("/enter", json={"token": token}).status_code == 401
        assert client.post("/enter", json={"token": {"$ne": 1}}).status_code == 401
        shell = client.get("/")

    assert shell.status_code == 200
    assert "ada" not in shell.text
    assert events_of(site) == before


def test_a_link_opens_the_page_once_and_leaves_no_token_behind(site):
    with site.client() as client:
        answer = client.post("/enter", json={"token": site.tokens["ada"]})
        cookie = answer.headers["set-cookie"]
        assert answer.json() == {"who": "ada"}
        assert client.get("/api/about").json()["who"] == "ada"

    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    kept = site.home / "annotation" / "people.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for path in (site.home / "annotation").rglob("*"):
        if path.is_file():
            assert site.tokens["ada"] not in path.read_text(), path
    assert site.tokens["ada"] not in "".join(site.said)


def test_every_answer_tells_the_browser_to_stay_here(site):
    with site.client() as client:
        answers = [client.get("/"), client.get("/api/about"), client.get("/nothing")]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status", "why"),
    [
        ({"Host": "evil.example"}, 421, "a name of another site leads here"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421, "and it calls itself so"),
        ({"Origin": "http://evil.example"}, 403, "a page of another site sends it"),
        ({"Origin": "null"}, 403, "a page in a sandbox sends it"),
        ({"Origin": ""}, 403, "nobody says where it is from"),
        ({"Content-Type": "text/plain"}, 415, "a form sends it"),
    ],
)
def test_what_our_own_page_does_not_send_is_refused(site, headers, status, why):
    with site.client("ada") as client:
        told = json.dumps({"mode": "write"})
        headers = {"Content-Type": "application/json"} | headers

        assert client.post("/api/next", content=told, headers=headers).status_code == status, why


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(site, method):
    with site.client("ada") as client:
        assert client.request(method, "/api/acts").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/images/../../../etc/passwd",
        "/images/..%2f..%2f..%2fetc%2fpasswd",
        "/images/%2e%2e/%2e%2e/etc/passwd",
        "/images//etc/passwd",
        "/images/" + "0" * 64,
        "/images/" + "0" * 64 + "%00",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fsettings.py",
        "/static/page.html",
        "/../people.json",
        "/images/..%252f..%252fetc%252fpasswd",
        "/images/..\\..\\etc\\passwd",
        "/images/%5c..%5cetc%5cpasswd",
        "/images/file:///etc/passwd",
        "/static/%00page.js",
        "/static/..%c0%afapp.py",
    ],
)
def test_no_path_leads_to_a_file(site, path):
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
        cookie = f"mmvp-annotation-{site.port}={site.tokens['ada']}"
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {cookie}\r\n"
        raw.sendall(f"{head}Connection: close\r\n\r\n".encode())
        answer = read_to_end(raw)

    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b"root:" not in answer


def read_to_end(raw):
    parts = []
    while part := raw.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_an_image_of_a_pair_is_sent_as_what_it_is(site):
    with site.client("ada") as client:
        image = given(client)["images"][0]
        whole, small = client.get(f"/images/{image}"), client.get(f"/images/{image}/small")

    assert whole.headers["content-type"] == small.headers["content-type"] == "image/png"
    assert whole.content.startswith(b"\x89PNG")
    assert "private" in whole.headers["cache-control"]


def test_ten_megabytes_are_refused_before_they_are_sent(site):
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
        raw.sendall(post_head(site, "ada", "Content-Length: 10485760"))
        answer = read_to_end(raw)

    assert answer.startswith(b"HTTP/1.1 413")


def test_ten_megabytes_of_unknown_length_are_refused_on_the_way(site):
    before = events_of(site)
    part = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
        raw.sendall(post_head(site, "ada", "Transfer-Encoding: chunked"))
        try:
            for _ in range(10 * 1024 * 1024 // 0x8000):
                raw.sendall(part)
            answer = read_to_end(raw)
        except ConnectionError:
            answer = b""  # the server hung up while we were sending

    assert answer[:12] in {b"HTTP/1.1 413", b""}
    assert events_of(site) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"who":"ada","mining":"%s","acts":{}}'],
)
def test_a_body_that_is_not_ours_is_refused(site, content):
    content = content.replace(b"%s", MINING.encode())
    with site.client("ada") as client:
        answer = client.post(
            "/api/acts", content=content, headers={"Content-Type": "application/json"}
        )

    assert answer.status_code in {403, 422}
