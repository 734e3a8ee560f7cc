"""Uris in a column: files of this machine and of remote systems are read, the web when asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpora import uris
from tasks.corpora.locations import read_location
from tasks.images import RefusedImageError
from tests.tasks.corpora.builders import picture, put
from tests.tasks.corpora.listings import read_items

PNG = picture(0).data
SLOW = threading.Event()


class Pictures(BaseHTTPRequestHandler):
    """Answers as web servers do, good and bad."""

    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path == "/slow.png":
            SLOW.wait(5)
        self.send_response(200 if self.path != "/gone.png" else 404)
        if self.path == "/short.png":
            self.send_header("Content-Length", str(len(PNG) + 1))
        self.end_headers()
        self.wfile.write(PNG if self.path != "/large.png" else PNG * 2)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    """A web server on loopback; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        SLOW.set()
        serving.shutdown()
        thread.join()


def table(path, uri):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"url": pa.array([uri], pa.string())}), path)
    return path


def read(path, uri, **asked):
    """Return bytes or the reason for the refusal of a row that names a uri, and its location."""
    (item,) = read_items(table(path, uri), **asked)
    content = item.content if isinstance(item.content, bytes) else item.content.reason
    return content, item.location


@pytest.mark.parametrize(
    "uri", ["a.png", "./a.png", "{}/a.png", "file://{}/a.png", "memory://x/a.png"]
)
def test_files_and_remote_files_are_read_and_read_again(tmp_path, uri):
    put(tmp_path / "a.png", PNG)
    fsspec.filesystem("memory").pipe("/x/a.png", PNG)

    content, location = read(tmp_path / "t.parquet", uri.format(tmp_path))

    assert content == PNG
    assert location == f"{tmp_path}/t.parquet!/000000000"
    assert read_location(location) == PNG


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("../a.png", "path-escapes"),
        ("x/../../a.png", "path-escapes"),
        ("..\\a.png", "path-escapes"),
        ("a\0.png", "path-escapes"),
        ("nowhere.png", "vanished"),
        (".", "unreadable"),
        ("/dev/zero", "unreadable"),
        (None, "no-image"),
        ("", "no-image"),
        ("memory://x/nowhere.png", "vanished"),
        ("ftp://x/a.png", "scheme-not-read"),
        ("memory://x::file://y", "scheme-not-read"),
        ("http://127.0.0.1/a.png", "not-fetched"),
        ("HTTPS://127.0.0.1/a.png", "not-fetched"),
    ],
)
def test_other_uris_are_refused(tmp_path, uri, reason):
    put(tmp_path / "a.png", PNG)

    content, _ = read(tmp_path / "t/t.parquet", uri)

    assert content == reason


@pytest.mark.parametrize("uri", ["{}/a.png", "file://{}/a.png"])
def test_a_table_from_afar_may_not_name_files_of_this_machine(tmp_path, uri):
    put(tmp_path / "a.png", PNG)
    local = table(tmp_path / "t.parquet", uri.format(tmp_path))
    fsspec.filesystem("memory").pipe("/afar/t.parquet", local.read_bytes())

    (item,) = read_items("memory://afar/t.parquet")

    assert item.content.reason == "path-escapes"


def test_a_table_from_afar_may_name_its_neighbours(tmp_path):
    local = table(tmp_path / "t.parquet", "b/a.png")
    fsspec.filesystem("memory").pipe({"/n/t.parquet": local.read_bytes(), "/n/b/a.png": PNG})

    (item,) = read_items("parquet:memory://n")

    assert item.content == PNG


def test_images_of_the_web_are_fetched_when_asked_for(tmp_path, server):
    content, location = read(tmp_path / "t.parquet", f"{server}/a.png", fetch_urls=True)

    assert content == PNG
    assert location == f"{tmp_path}/t.parquet!//000000000"
    assert read_location(location) == PNG


def test_a_row_that_was_a_file_is_not_fetched_when_it_has_become_an_address(tmp_path, server):
    table(tmp_path / "t.parquet", f"{server}/a.png")

    with pytest.raises(RefusedImageError, match="no address once"):
        read_location(f"{tmp_path}/t.parquet!/000000000")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/gone.png", "fetch-failed"),
        ("/short.png", "fetch-failed"),
        ("/slow.png", "fetch-failed"),
        ("/large.png", "row-too-large"),
        ("/to/file:///etc/passwd", "fetch-failed"),
        ("/to/ftp://127.0.0.1/a.png", "fetch-failed"),
        ("/to/data:,x", "fetch-failed"),
        ("/to//to//to//to//to//to//to//to//to//to//to//to//a.png", "fetch-failed"),
    ],
)
def test_what_a_server_does_wrong_is_refused(tmp_path, server, monkeypatch, path, reason):
    monkeypatch.setattr(uris, "MAX_ROW_BYTES", len(PNG))
    monkeypatch.setattr(uris, "ANSWER_SECONDS", 0.5)

    content, _ = read(tmp_path / "t.parquet", server + path, fetch_urls=True)

    assert content == reason


def test_a_redirect_to_the_web_is_followed(tmp_path, server):
    path = f"{server}/to/{server}/a.png"

    assert read(tmp_path / "t.parquet", path, fetch_urls=True)[0] == PNG


def test_a_body_that_trickles_is_given_up_in_time(tmp_path, server, monkeypatch):
    monkeypatch.setattr(uris, "FETCH_SECONDS", -1.0)

    assert read(tmp_path / "t.parquet", f"{server}/a.png", fetch_urls=True)[0] == "fetch-failed"


def test_a_server_that_is_not_there_is_refused(tmp_path):
    uri = "http://127.0.0.1:9/a.png"

    assert read(tmp_path / "t.parquet", uri, fetch_urls=True)[0] == "fetch-failed"
