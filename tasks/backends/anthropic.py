"""Ask Anthropic's models through their own library, an optional extra.

Put here: the translation of a request and of a reply.
Keep out: second tries and pace (`running`, beside this file): the library's own are turned off.
"""

import base64
from typing import Any

from tasks.backends.extras import library, plain, sdk_failure
from tasks.backends.openai import merged
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


class Anthropic:
    """Anthropic's messages API.

    Raises:
        ImportError: if the library is not installed.
    """

    def __init__(self, key: Secret, *, images: Images, timeout_s: float = 120.0) -> None:
        sdk = library("anthropic", extra="anthropic")
        self._client: Any = sdk.AsyncAnthropic(
            api_key=key.reveal(), timeout=timeout_s, max_retries=0
        )
        self._images = images
        self._key = key
        self._timeout_s = timeout_s

    async def reply(self, request: Request) -> Outcome:
        """Ask once, without a second try."""
        body = message_body(request, self._images)
        failed, answer = await sdk_failure(
            self._client.messages.create(**body), self._key, self._timeout_s
        )
        return failed or read_message(plain(answer))


def message_body(request: Request, images: Images) -> dict[str, Any]:
    """Return the arguments that ask a request.

    Raises:
        ValueError: if it asks for a seed or log-probabilities, which this API does not know.
    """
    decoding = request.decoding
    if decoding.seed is not None or decoding.top_logprobs:
        message = "Anthropic's API knows no seed and no top_logprobs; leave them out"
        raise ValueError(message)
    turns = [message for message in request.messages if message.role != "system"]
    system = [message for message in request.messages if message.role == "system"]
    sampling = {"temperature": decoding.temperature, "top_p": decoding.top_p}
    sampling = {name: value for name, value in sampling.items() if value is not None}
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": decoding.max_new_tokens,
        "messages": [
            {"role": message.role, "content": [_part(part, images) for part in message.parts]}
            for message in turns
        ],
    }
    if system:
        body["system"] = [_part(part, images) for message in system for part in message.parts]
    sent = merged(body | sampling, decoding.extra)
    # The library knows no sampling any more; models that still take it are asked past it.
    return body | {"extra_body": {name: sent[name] for name in sent.keys() - body.keys()}}


def _part(part: Text | Picture, images: Images) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    data = images(part)
    source = {
        "type": "base64",
        "media_type": media_type(data),
        "data": base64.b64encode(data).decode("ascii"),
    }
    return {"type": "image", "source": source}


def read_message(body: Any) -> Outcome:
    """Return the reply that a message holds, or why it holds none."""
    try:
        usage = Usage(int(body["usage"]["input_tokens"]), int(body["usage"]["output_tokens"]))
        text = "".join(part["text"] for part in body["content"] if part["type"] == "text")
        end = body["stop_reason"]
    except (KeyError, TypeError, ValueError) as error:
        return Failure(reason="bad-reply", message=f"no message: {type(error).__name__}: {error}")
    if end == "refusal":
        return Failure(reason="refused", message="stop_reason refusal", usage=usage)
    if not text or end is None:
        said = f"the model said nothing whole (stop_reason {end!r})"
        return Failure(reason="bad-reply", message=said, usage=usage)
    return Reply(text=text, cut=end == "max_tokens", usage=usage, model=body.get("model"))
