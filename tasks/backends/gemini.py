"""Ask Google's Gemini models through their own library, an optional extra.

Put here: the translation of a request and of a reply.
Keep out: second tries and pace (`running`, beside this file).
"""

from typing import Any, Final

from tasks.backends.extras import library, plain, sdk_failure
from tasks.backends.openai import merged
from tasks.backends.request import (
    Failure,
    Images,
    Message,
    Outcome,
    Reply,
    Request,
    Text,
    Usage,
    media_type,
)
from tasks.backends.secrets import Secret

ENDED: Final = {"STOP": False, "MAX_TOKENS": True}
"""Reasons to end that leave an answer, and whether it is cut."""


class Gemini:
    """Google's generate_content API.

    Raises:
        ImportError: if the library is not installed.
    """

    def __init__(self, key: Secret, *, images: Images, timeout_s: float = 120.0) -> None:
        sdk = library("google.genai", extra="gemini")
        self._client: Any = sdk.Client(api_key=key.reveal())
        self._images = images
        self._key = key
        self._timeout_s = timeout_s

    async def reply(self, request: Request) -> Outcome:
        """Ask once, without a second try."""
        body = content_body(request, self._images)
        failed, answer = await sdk_failure(
            self._client.aio.models.generate_content(**body), self._key, self._timeout_s
        )
        return failed or read_content(plain(answer))


def content_body(request: Request, images: Images) -> dict[str, Any]:
    """Return the arguments that ask a request.

    Raises:
        ValueError: if it asks for log-probabilities, which are not read here.
    """
    decoding = request.decoding
    if decoding.top_logprobs:
        message = "log-probabilities of Gemini are not read; leave top_logprobs out"
        raise ValueError(message)
    system = [message for message in request.messages if message.role == "system"]
    settings = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": decoding.seed,
        "system_instruction": [part for message in system for part in _parts(message, images)]
        or None,
    }
    config: dict[str, Any] = {"max_output_tokens": decoding.max_new_tokens}
    config |= {name: value for name, value in settings.items() if value is not None}
    return {
        "model": request.model,
        "contents": [
            {
                "role": "model" if message.role == "assistant" else "user",
                "parts": _parts(message, images),
            }
            for message in request.messages
            if message.role != "system"
        ],
        "config": merged(config, decoding.extra),
    }


def _parts(message: Message, images: Images) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            parts.append({"text": part.text})
        else:
            data = images(part)
            parts.append({"inline_data": {"mime_type": media_type(data), "data": data}})
    return parts


def read_content(body: Any) -> Outcome:
    """Return the reply that a response holds, or why it holds none."""
    try:
        usage = _usage(body.get("usage_metadata"))
        blocked = (body.get("prompt_feedback") or {}).get("block_reason")
        if blocked:
            return Failure(reason="refused", message=f"prompt blocked: {blocked}", usage=usage)
        candidate = body["candidates"][0]
        end = candidate["finish_reason"]
        parts = (candidate.get("content") or {}).get("parts") or []
        text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return Failure(reason="bad-reply", message=f"no content: {type(error).__name__}: {error}")
    if end is not None and end not in ENDED:
        return Failure(reason="refused", message=f"finish_reason {end}", usage=usage)
    if not text or end is None:
        said = f"the model said nothing whole (finish_reason {end!r})"
        return Failure(reason="bad-reply", message=said, usage=usage)
    return Reply(text=text, cut=ENDED[end], usage=usage, model=body.get("model_version"))


def _usage(found: Any) -> Usage | None:
    if not found:
        return None
    # Thoughts are written and paid for, but counted apart.
    written = (found.get("candidates_token_count") or 0) + (found.get("thoughts_token_count") or 0)
    return Usage(int(found.get("prompt_token_count") or 0), int(written))
