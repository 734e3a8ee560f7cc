"""Prefect's web application with a policy that keeps the browser on this machine.

Put here: what we add to Prefect's server.
Keep out: starting it (`flows.server`).

Prefect 3.8's page asks an analytics host for its settings whatever the server's own settings say.
The Content-Security-Policy makes the browser refuse everything but this server.
"""

from typing import Final

from fastapi import FastAPI
from prefect.server.api.server import create_app as create_prefect_app
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)


class StayHere:
    """Sends the policy with every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as the application behind does, with the policy added."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self._app(scope, receive, send_with_policy)


def create_app() -> FastAPI:
    """Return Prefect's application, to be served by uvicorn as a factory."""
    app = create_prefect_app(final=True)
    app.add_middleware(StayHere)
    return app
