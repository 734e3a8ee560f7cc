"""Images that a row only names: by a path, or by a uri.

Put here: which uris are read, paths that must not lead elsewhere, fetching from web servers.
Keep out: which column holds uris (`tasks.corpora.columns`).

A table may come from anyone, so it must not make this machine read what it likes: a path may not
climb, a remote table may not name local files, and nothing is fetched unless the user says so.
"""

import http.client
import os
import time
import urllib.error
import urllib.request
from typing import Final

from tasks.corpora.corpus import MAX_ROW_BYTES, RefusedPlaceError
from tasks.corpora.places import inside, is_uri, read_place

WEB: Final = ("http://", "https://")
READ: Final = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "memory")
"""Schemes that fsspec reads for a row."""

ANSWER_SECONDS: Final = 10.0
FETCH_SECONDS: Final = 60.0
_CHUNK_BYTES: Final = 2**16


def is_web(uri: str) -> bool:
    """Say whether a uri leads to a web server."""
    return uri.lower().startswith(WEB)


def read_uri(uri: str, archive: str, *, fetch: bool) -> bytes:
    """Read what a row of an archive names; a relative path begins at the archive's folder.

    Raises:
        RefusedPlaceError: if it is not to be read, or a web server does not give it.
        RefusedImageError: if it is gone or cannot be read.
        OSError: if a remote file system does not answer.
    """
    if is_web(uri):
        if not fetch:
            raise RefusedPlaceError(reason="not-fetched", detail=uri)
        return fetch_url(uri)
    return read_place(_place_of(uri.removeprefix("file://"), archive))


def _place_of(uri: str, archive: str) -> str:
    if is_uri(uri):
        if uri.partition("://")[0] not in READ or "::" in uri:
            raise RefusedPlaceError(reason="scheme-not-read", detail=uri)
        return uri
    if "\0" in uri or ".." in uri.replace("\\", "/").split("/"):
        raise RefusedPlaceError(reason="path-escapes", detail=repr(uri))
    if os.path.isabs(uri) and is_uri(archive):
        detail = f"{uri}, in a table that is not local"
        raise RefusedPlaceError(reason="path-escapes", detail=detail)
    return uri if os.path.isabs(uri) else inside(os.path.dirname(archive), uri)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to a web server and to nowhere else."""

    def redirect_request(  # as urllib calls it
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not is_web(newurl):
            raise RefusedPlaceError(reason="fetch-failed", detail=f"a redirect to {newurl[:200]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


_OPENER: Final = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
    _WebOnly,
):
    _OPENER.add_handler(_handler())  # no other scheme has a handler, so none can be opened


def fetch_url(url: str) -> bytes:
    """Fetch an image from a web server.

    Raises:
        RefusedPlaceError: if it does not come whole, within the time and the size.
    """
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "mmvp"})
        deadline = time.monotonic() + FETCH_SECONDS
        with _OPENER.open(request, timeout=ANSWER_SECONDS) as answer:
            return _body(answer, deadline)
    except (OSError, ValueError, http.client.HTTPException) as error:
        detail = f"{url[:200]}: {type(error).__name__}: {error}"[:400]
        raise RefusedPlaceError(reason="fetch-failed", detail=detail) from error


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    parts, size = [], 0
    while chunk := answer.read1(_CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_ROW_BYTES:
            raise RefusedPlaceError(
                reason="row-too-large", detail=f"more than {MAX_ROW_BYTES} bytes"
            )
        if time.monotonic() > deadline:
            message = f"not whole after {FETCH_SECONDS:.0f} s"
            raise TimeoutError(message)
        parts.append(chunk)
    expected = answer.headers.get("Content-Length", "")
    if expected.isdecimal() and int(expected) > size:
        message = f"{size} of {expected} bytes came"
        raise ConnectionError(message)
    return b"".join(parts)
