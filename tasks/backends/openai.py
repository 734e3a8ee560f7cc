"""Ask any server that speaks OpenAI's chat completions: vLLM, SGLang, Ollama, OpenAI itself.

Put here: the body of a request and the reading of a reply, over plain HTTP.
Keep out: second tries and pace (`running`), prices (`ledger`), beside this file.

httpx and not OpenAI's own library: Prefect brings it, one endpoint is used, and second tries
belong to the runner, which counts every one of them.
"""

import asyncio
import base64
import json
import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from tasks.backends.failures import Now, status_failure, utc_now
from tasks.backends.request import (
    Failure,
    Images,
    Outcome,
    Picture,
    Reply,
    Request,
    Text,
    Usage,
    media_type,
)
from tasks.backends.secrets import Secret

LimitField = Literal["max_tokens", "max_completion_tokens"]
_SHORTEST_HIDDEN = 8
"""Signs of a key that is hidden in answers too; `EMPTY`, which local servers take, is a word."""


class OpenAIServer:
    """A server, by the address under which `/chat/completions` is found.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        images: gives the bytes of the pictures asked about.
        key: is sent as bearer token; None for servers that ask for none.
        timeout_s: of one call, from its start to the last byte.
        limit_field: how the server calls the most tokens to write.
        now: the wall clock, for dates in Retry-After.

    Raises:
        ValueError: if the address is none, or holds a user or password.
    """

    def __init__(
        self,
        base_url: str,
        *,
        images: Images,
        key: Secret | None = None,
        timeout_s: float = 120.0,
        limit_field: LimitField = "max_tokens",
        now: Now = utc_now,
    ) -> None:
        self.base_url = _address(base_url)
        self.timeout_s = timeout_s
        self._images = images
        self._key = key
        self._limit_field: LimitField = limit_field
        self._now = now
        self._client = httpx.AsyncClient(
            headers={} if key is None else {"Authorization": f"Bearer {key.reveal()}"},
            timeout=timeout_s,
            # The runner decides how many calls are under way.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )

    def __repr__(self) -> str:
        return f"OpenAIServer({self.base_url!r}, key={self._key!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def reply(self, request: Request) -> Outcome:
        """Ask once, without a second try.

        Raises:
            ValueError: if a picture cannot be sent, or `extra` sets what the request sets.
        """
        body = chat_body(request, self._images, limit_field=self._limit_field)
        try:
            # The client's own time-out is of each read, so that a dripping server has none.
            async with asyncio.timeout(self.timeout_s):
                answer = await self._client.post(f"{self.base_url}/chat/completions", json=body)
        except (httpx.TimeoutException, TimeoutError):
            return Failure(reason="timeout", message=f"no reply within {self.timeout_s} s")
        except httpx.HTTPError as error:
            said = f"{type(error).__name__}: {error}"
            return Failure(reason="server-error", message=self._hidden(said))
        text = self._hidden(answer.text)
        if answer.status_code != httpx.codes.OK:
            return status_failure(answer.status_code, text, answer.headers, now=self._now)
        return read_completion(text, with_logprobs=request.decoding.top_logprobs > 0)

    def _hidden(self, text: str) -> str:
        if self._key is None or len(self._key.reveal()) < _SHORTEST_HIDDEN:
            return text
        return self._key.hide(text)


def _address(base_url: str) -> str:
    url = httpx.URL(base_url)
    if url.userinfo or url.query:
        message = (
            f"the address of the server at {url.host!r} holds a user, password or query; "
            f"expected an address alone: put the key in an environment variable"
        )
        raise ValueError(message)
    if url.scheme not in {"http", "https"} or not url.host:
        message = f"server address {base_url!r}: expected http://HOST:PORT/v1 or https://..."
        raise ValueError(message)
    return str(url).rstrip("/")


def chat_body(
    request: Request, images: Images, *, limit_field: LimitField = "max_tokens"
) -> dict[str, Any]:
    """Return the JSON body that asks a request, its pictures as data URIs.

    Raises:
        ValueError: if `extra` sets a field that the request sets itself.
    """
    decoding = request.decoding
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": message.role, "content": [_part(part, images) for part in message.parts]}
            for message in request.messages
        ],
        limit_field: decoding.max_new_tokens,
    }
    settings = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": decoding.seed,
        "logprobs": True if decoding.top_logprobs else None,
        "top_logprobs": decoding.top_logprobs or None,
    }
    body |= {name: value for name, value in settings.items() if value is not None}
    return merged(body, decoding.extra)


def merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with the user's own fields.

    Raises:
        ValueError: if one of them is set already, or would ask for a stream.
    """
    clash = sorted(extra.keys() & (body.keys() | {"stream", "n"}))
    if clash:
        message = (
            f"extra decoding settings set {', '.join(clash)}, which the request sets itself or "
            f"which changes the form of the reply; leave them out"
        )
        raise ValueError(message)
    return body | dict(extra)


def _part(part: Text | Picture, images: Images) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = images(part)
    url = f"data:{media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"
    detail = {} if part.detail is None else {"detail": part.detail}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def read_completion(text: str, *, with_logprobs: bool = False) -> Outcome:
    """Return the reply that a body of JSON holds, or why it holds none."""
    try:
        body = json.loads(text)
    except ValueError:
        return Failure(reason="bad-reply", message=f"no JSON: {text[:80]!r}")
    try:
        return _completion(body, with_logprobs=with_logprobs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        said = f"not the JSON of a chat completion ({type(error).__name__}: {error}): {text[:80]!r}"
        return Failure(reason="bad-reply", message=said)


def _completion(body: Any, *, with_logprobs: bool) -> Outcome:
    usage = _usage(body.get("usage"))
    if not body["choices"]:
        return Failure(reason="bad-reply", message="the reply has no choices", usage=usage)
    choice = body["choices"][0]
    said, end = choice["message"], choice.get("finish_reason")
    if end == "content_filter" or said.get("refusal"):
        words = said.get("refusal") or "content filter"
        return Failure(reason="refused", message=str(words)[:300], usage=usage)
    content = said.get("content")
    problem = _problem(content, end)
    if problem:
        return Failure(reason="bad-reply", message=problem, usage=usage)
    return Reply(
        text=content,
        cut=end == "length",
        usage=usage,
        first=_first_token(choice["logprobs"]) if with_logprobs else (),
        model=body.get("model"),
    )


def _problem(content: Any, end: Any) -> str | None:
    if end is None:
        return "the reply has no finish_reason, so it may be half a reply"
    if content is not None and not isinstance(content, str):
        return f"content is a {type(content).__name__}, expected text"
    if not content:
        hint = "; raise max_new_tokens: it thought to the end of it" if end == "length" else ""
        return f"the model said nothing (finish_reason {end!r}){hint}"
    return None


def _usage(found: Any) -> Usage | None:
    if not found:
        return None
    return Usage(int(found["prompt_tokens"]), int(found.get("completion_tokens") or 0))


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...]:
    return tuple(
        (str(one["token"]), float(one["logprob"])) for one in logprobs["content"][0]["top_logprobs"]
    )


def label_scores(reply: Reply, labels: Sequence[str]) -> tuple[float, ...] | None:
    """Return the log-probability of each label as first token, in nats, or None.

    Tokens that differ in case or blanks count together (`A`, ` A`, `a`). None where a label is
    not among the likeliest tokens that the server named: what it did not say is not guessed.

    Raises:
        ValueError: if two labels read the same.
    """
    wanted = [label.strip().casefold() for label in labels]
    if len(set(wanted)) < len(wanted) or not all(wanted):
        message = f"labels {list(labels)!r} read the same or are empty; expected such as ['A', 'B']"
        raise ValueError(message)
    found = [
        [value for token, value in reply.first if token.strip().casefold() == label]
        for label in wanted
    ]
    if not all(found):
        return None
    return tuple(math.log(sum(math.exp(value) for value in values)) for values in found)
