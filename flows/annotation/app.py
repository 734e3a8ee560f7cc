"""The annotation page's server: requests to the desk, answers to the page.

Put here: routes, who is asking, what a request may hold.
Keep out: what every request must be like (`guard`), the state (`desk`), forms of answers (`views`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from flows.annotation.desk import Desk, NotSavedError
from flows.annotation.people import People
from storage.database import StoreError
from tasks.annotation.pictures import Pictures
from tasks.images import RefusedImageError

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parent / "page"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final[Mapping[str, str]] = {
    path.name: TYPES[path.suffix] for path in sorted(PAGE.iterdir()) if path.suffix in TYPES
}
ACTS_AT_ONCE: Final = 200
DAYS: Final = 30
LOOK_EVERY_S: Final = 5.0

JSON = dict[str, Any]


class Work(Protocol):
    """What people do here: write and check questions, or take the study."""

    @property
    def images(self) -> set[str]:
        """The ids of all images that may be shown."""

    def about(self, who: str) -> JSON:
        """Return what the page must know from the start."""

    async def next(self, who: str, asked: Mapping[str, Any]) -> JSON:
        """Return the next thing for a person; `mode` is None where nothing is left."""

    async def told(self, who: str, subject: str) -> JSON:
        """Return what is known of a subject beside what people did, as far as it may be shown."""

    async def look(self) -> None:
        """Take in what changed in the store."""

    def progress(self, who: str, *, whole: bool, subject: str = "") -> JSON:
        """Return how far all are, as the page shows it that shows a subject."""

    def summary(self) -> JSON:
        """Return how far all are, as the command prints it."""


class Page:
    """The routes of the page."""

    def __init__(
        self, desk: Desk, work: Work, people: People, pictures: Pictures, cookie: str, secure: bool
    ) -> None:
        self.desk, self.work, self.people, self.pictures = desk, work, people, pictures
        self.cookie, self.secure = cookie, secure

    def app(self) -> Starlette:
        """Return the application; the desk is open while it runs."""

        @asynccontextmanager
        async def open_desk(_app: Starlette) -> AsyncIterator[None]:
            await self.desk.open()
            looking = asyncio.create_task(self._look_for_ever())
            yield
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await self.desk.close()

        def api(answer: Callable[[str, Request], Awaitable[Response]]) -> Any:
            async def for_person(request: Request) -> Response:
                return await answer(self._who(request), request)

            return for_person

        routes = [
            Route("/", self._shell),
            Route("/static/{name}", self._file),
            Route("/enter", self._enter, methods=["POST"]),
            Route("/leave", self._leave, methods=["POST"]),
            Route("/api/about", api(self._about)),
            Route("/api/progress", api(self._progress)),
            Route("/api/told/{subject}", api(self._told)),
            Route("/api/next", api(self._next), methods=["POST"]),
            Route("/api/acts", api(self._acts), methods=["POST"]),
            Route("/images/{image}", api(self._image)),
            Route("/images/{image}/small", api(self._small_image)),
        ]
        errors: Any = {HTTPException: _http_error, NotSavedError: _not_saved}
        return Starlette(routes=routes, lifespan=open_desk, exception_handlers=errors)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.work.look()
            except (StoreError, NotSavedError, OSError, RuntimeError) as error:
                log.warning("what was mined since cannot be read yet: %s", error)

    def _who(self, request: Request) -> str:
        who = self.people.whose(request.cookies.get(self.cookie, ""))
        if who is None:
            raise HTTPException(401, "open the link that was made for you")
        return who

    async def _shell(self, _request: Request) -> Response:
        return FileResponse(PAGE / "page.html", media_type="text/html; charset=utf-8")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise HTTPException(404, "no such file")
        return FileResponse(PAGE / name, media_type=f"{FILES[name]}; charset=utf-8")

    async def _enter(self, request: Request) -> Response:
        token = (await _body(request)).get("token")
        who = self.people.whose(token) if isinstance(token, str) else None
        if who is None:
            raise HTTPException(401, "this link does not open anything; ask for a new one")
        answer = JSONResponse({"who": who})
        answer.set_cookie(
            self.cookie,
            str(token),
            max_age=DAYS * 24 * 3600,
            httponly=True,
            samesite="strict",
            secure=self.secure,
        )
        return answer

    async def _leave(self, _request: Request) -> Response:
        answer = JSONResponse({})
        answer.delete_cookie(self.cookie, httponly=True, samesite="strict", secure=self.secure)
        return answer

    async def _about(self, who: str, _request: Request) -> Response:
        return JSONResponse({"who": who} | self.work.about(who))

    async def _progress(self, who: str, request: Request) -> Response:
        asked = request.query_params
        found = self.work.progress(who, whole="whole" in asked, subject=asked.get("subject", ""))
        return JSONResponse(found | {"mining": self.desk.mining})

    async def _told(self, who: str, request: Request) -> Response:
        subject = request.path_params["subject"]
        return JSONResponse(await self.work.told(who, subject))

    async def _next(self, who: str, request: Request) -> Response:
        found = await self.work.next(who, await _body(request))
        return JSONResponse(found | {"mining": self.desk.mining})

    async def _acts(self, who: str, request: Request) -> Response:
        body = await _body(request)
        if body.get("who") != who:
            raise HTTPException(403, f"these acts are not {who}'s; open your own link again")
        try:
            acts, mining = _acts_of(body.get("acts")), str(body.get("mining"))
            refused = await self.desk.take(who, acts, mining)
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return JSONResponse({"refused": [one._asdict() for one in refused]})

    async def _image(self, _who: str, request: Request) -> Response:
        return await self._picture(request, small=False)

    async def _small_image(self, _who: str, request: Request) -> Response:
        return await self._picture(request, small=True)

    async def _picture(self, request: Request, *, small: bool) -> Response:
        image = request.path_params["image"]
        if image not in self.work.images:
            raise HTTPException(404, "no such image")
        read = self.pictures.read_small if small else self.pictures.read
        try:
            found = await asyncio.to_thread(read, image)
        except RefusedImageError as error:
            raise HTTPException(410, f"the image cannot be shown: {error}") from error
        kept = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(found.data, media_type=found.media_type, headers=kept)


def _acts_of(acts: Any) -> list[JSON]:
    if isinstance(acts, list) and len(acts) <= ACTS_AT_ONCE:
        found = [act for act in acts if isinstance(act, dict)]
        if len(found) == len(acts):
            return found
    raise HTTPException(422, f"expected a list of up to {ACTS_AT_ONCE} acts")


async def _body(request: Request) -> JSON:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, "expected JSON") from error
    if not isinstance(body, dict):
        raise HTTPException(422, "expected a JSON object")
    return body


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _not_saved(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503)
