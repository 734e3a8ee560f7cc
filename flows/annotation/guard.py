"""What every request must be like, and what every answer says to the browser.

Put here: hosts, origins, sizes, headers.
Keep out: who a person is and what is answered (`app`, beside this file).

A page of another site can make a browser send requests here, and can give a name of its own the
address of this machine. So the host must be ours, and what changes anything must come from our own
page. A body that is too large is refused before it is read.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX: Final = 512 * 1024

BODY_S: Final = 20
"""How long each part of a body may take to arrive."""

TOO_LARGE: Final = f"at most {BODY_BYTES_MAX:,} bytes are read at once"
CLOSE: Final = {"Connection": "close"}
"""What is still on its way after a refusal is not read."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Lets through what our own page sends."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = set(origins)
        self._hosts = {origin.partition("://")[2] for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or answer it as the application behind does, with our headers."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
        else:
            await self._app(scope, _limited(receive), send_with_headers)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self._hosts:
            return _refuse(421, "this server does not answer to that host")
        if scope["method"] in {"GET", "HEAD"}:
            return None
        return self._refusal_of_change(scope["method"], headers)

    def _refusal_of_change(self, method: str, headers: Headers) -> JSONResponse | None:
        if method != "POST":
            return _refuse(405, "only GET and POST are answered")
        if headers.get("origin") not in self._origins:
            return _refuse(403, "only the page itself may send this")
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _refuse(415, "expected JSON")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return _refuse(413, TOO_LARGE)
        return None


def _limited(receive: Receive) -> Receive:
    read, more = 0, True

    async def receive_some() -> Message:
        nonlocal read, more
        try:
            message = await asyncio.wait_for(receive(), BODY_S if more else None)
        except TimeoutError as error:
            raise HTTPException(408, "the rest did not come in time", headers=CLOSE) from error
        read, more = read + len(message.get("body", b"")), message.get("more_body", False)
        if read > BODY_BYTES_MAX:
            raise HTTPException(413, TOO_LARGE, headers=CLOSE)
        return message

    return receive_some


def _refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status, headers=CLOSE)
