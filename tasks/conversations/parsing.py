"""From a value of a file to a conversation, or the reason why it is none.

Put here: the layouts that are read, and what is refused of them.
Keep out: reading files (`files`), finding images (`pictures`), both beside this file.

Two layouts are read. LLaVA's has `conversations` of `from` (human, gpt) and `value`, and `image`, a
path or a list of them. That of chats has `messages` of `role` (user, assistant) and `content`, a
text or a list of parts, and `images`, or the images in the parts.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn

from storage.conversations import Turn

IMAGE_PLACE: Final = "<image>"

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bad-row": "it is not laid out as a conversation",
        "no-question": "a question is empty",
        "no-answer": "a question has no answer, or there is none",
        "too-many-placeholders": "its questions have more places for images than it has images",
        "too-few-placeholders": "some of its images have a place in its questions, others none",
        "placeholder-in-answer": "an answer, or the system's text, has a place for an image",
        "image-missing": "the corpora have no such image",
        "image-refused": "ingest has refused its image",
        "image-ambiguous": "the corpora have several images by that path",
    }
)

MOST_DETAIL: Final = 300
"""Characters of what is said about a refusal, which may quote the row."""

_ROLES: Final = MappingProxyType(
    {
        "human": "user",
        "user": "user",
        "gpt": "assistant",
        "assistant": "assistant",
        "model": "assistant",
        "system": "system",
    }
)
_LAYOUTS: Final = (("conversations", "from", "value"), ("messages", "role", "content"))


class RefusedConversation(Exception):  # noqa: N818 # a row, not an error of the code
    """A value that is no conversation to learn from."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail[:MOST_DETAIL].encode("utf-8", "backslashreplace").decode()


class Said(NamedTuple):
    """A conversation as a file tells it; `images` are paths, one for each `<image>`.

    `dropped` counts the messages that were left out: an answer before the first question, a
    question at the end that has no answer.
    """

    id: str | None
    system: str | None
    images: tuple[str, ...]
    turns: tuple[Turn, ...]
    dropped: int


class _Message(NamedTuple):
    role: str
    text: str


def parse(value: Any) -> Said:
    """Return the conversation that a value of a file is.

    Raises:
        RefusedConversation: if it is none, with one of `REASONS`.
    """
    if not isinstance(value, dict):
        _bad(f"found {type(value).__name__}, expected an object")
    images = _images(value)
    messages = _messages(value, images)
    system = None
    if messages and messages[0].role == "system":
        system = messages.pop(0).text.strip() or None
    turns, dropped = _turns(messages)
    said = Said(_name(value), system, tuple(images), tuple(turns), dropped)
    _check_unicode(said)
    return _place_images(said)


def refuse(reason: str, detail: str) -> NoReturn:
    """Refuse a row for one of `REASONS`.

    Raises:
        RefusedConversation: always.
    """
    raise RefusedConversation(reason, detail)


def _bad(detail: str) -> NoReturn:
    refuse("bad-row", detail)


def _name(value: Mapping[str, Any]) -> str | None:
    name = value.get("id")
    return str(name) if isinstance(name, str | int | float) else None


def _images(value: Mapping[str, Any]) -> list[str]:
    """Return the paths of a row's images; null and an empty list are none."""
    given = value.get("image", value.get("images"))
    if given is None:
        return []
    paths = given if isinstance(given, list) else [given]
    return [_path(path) for path in paths]


def _path(given: Any) -> str:
    """Return an image's path, which chats may wrap in an object."""
    if isinstance(given, dict):
        given = given.get("path", given.get("url"))
    if not isinstance(given, str) or not given:
        _bad(f"an image is {str(given)[:100]!r}, expected its path")
    return given


def _messages(value: Mapping[str, Any], images: list[str]) -> list[_Message]:
    """Return the messages of a row; images that stand in their parts are added to `images`."""
    for field, role, text in _LAYOUTS:
        if field in value:
            given = value[field]
            if not isinstance(given, list):
                _bad(f"{field} is {type(given).__name__}, expected a list")
            return [_message(each, role, text, images) for each in given]
    names = ", ".join(sorted(map(str, value))[:10])
    _bad(f"found {names or 'no fields'}; expected conversations or messages")


def _message(given: Any, role: str, text: str, images: list[str]) -> _Message:
    if not isinstance(given, dict) or role not in given or text not in given:
        _bad(f"a message is {str(given)[:100]!r}, expected an object with {role} and {text}")
    kind = _ROLES.get(given[role]) if isinstance(given[role], str) else None
    if kind is None:
        _bad(f"{role} is {given[role]!r}, expected one of {', '.join(_ROLES)}")
    said = given[text]
    if isinstance(said, list):
        said = "\n".join(_part(part, images) for part in said)
    if not isinstance(said, str):
        _bad(f"{text} is {type(said).__name__}, expected a text")
    return _Message(kind, said)


def _part(given: Any, images: list[str]) -> str:
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "text" and isinstance(given.get("text"), str):
        return str(given["text"])
    if kind in {"image", "image_url"}:
        path = next((given[name] for name in (kind, "path", "url") if given.get(name)), None)
        if path is not None:
            images.append(_path(path))
        return IMAGE_PLACE
    _bad(f"a part of a message is {str(given)[:100]!r}, expected a text or an image")


def _turns(messages: Sequence[_Message]) -> tuple[list[Turn], int]:
    """Return questions with their answers, and how many messages at both ends belong to none."""
    if any(message.role == "system" for message in messages):
        _bad("a system's text stands behind other messages, expected it first")
    first = int(bool(messages) and messages[0].role == "assistant")
    rest = messages[first:]
    for one, other in pairwise(rest):
        if one.role == other.role:
            _bad(f"two messages of {one.role} in a row, expected them in turn")
    last = len(rest) % 2
    if last and IMAGE_PLACE in rest[-1].text:
        refuse("no-answer", "the last question, about an image, has no answer")
    pairs = zip(rest[::2], rest[1::2], strict=False)
    turns = [Turn(asked.text, said.text) for asked, said in pairs]
    if not turns:
        refuse("no-answer", "it has no question with an answer")
    return turns, first + last


def _check_unicode(said: Said) -> None:
    texts = [said.id or "", said.system or "", *said.images]
    texts += [text for turn in said.turns for text in turn]
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            _bad(f"a text is no Unicode: {text[error.start : error.end]!r}")


def _place_images(said: Said) -> Said:
    """Return the conversation with a place for each image, at the front if it has none at all."""
    if any(IMAGE_PLACE in text for text in (said.system or "", *(t.assistant for t in said.turns))):
        refuse("placeholder-in-answer", f"{IMAGE_PLACE} stands in an answer")
    places = sum(turn.user.count(IMAGE_PLACE) for turn in said.turns)
    images = len(said.images)
    if places > images or 0 < places < images:
        reason = "too-many-placeholders" if places > images else "too-few-placeholders"
        refuse(reason, f"{places} times {IMAGE_PLACE}, {images} images")
    turns = said.turns
    if images and not places:
        front = f"{IMAGE_PLACE}\n" * images
        turns = (Turn(front + turns[0].user, turns[0].assistant), *turns[1:])
    for number, turn in enumerate(turns, start=1):
        if not turn.user.strip():
            refuse("no-question", f"question {number} is empty")
        if not turn.assistant.strip():
            refuse("no-answer", f"answer {number} is empty")
    return said._replace(turns=turns)
