"""A conversation about images as tokens, and several of them as a batch.

Put here: what a training set is, tokens by chat template, labels on the answers alone.
Keep out: which conversations there are (`material`, `tasks.conversations`); the training
(`trainer`).

An image is a run of placeholders, always as long; the model puts its tokens there.

Shapes:
    B  conversations of a batch    T  tokens, padded on the right
    I  images of a batch           P  tokens of an image, of one encoder    D  their width
    H  height and W width of the canvas in pixels
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

IGNORED: Final = -100
IMAGE_PLACE: Final = "<image>"

Turn = tuple[str, str]
Row = Mapping[str, Any]


class Conversation(NamedTuple):
    """What is said about some images.

    `images` are ids. A turn is a question and its answer; the questions hold one `<image>` for each
    image, in order.
    """

    images: tuple[str, ...]
    turns: tuple[Turn, ...]
    system: str | None = None


class Encoded(NamedTuple):
    """A conversation as token ids, and what is learnt of each: itself, or -100 for nothing."""

    ids: list[int]
    labels: list[int]


class TrainingSet(Protocol):
    """What is trained on: rows by number, the same ones in every process and at every reading.

    A row holds `input_ids` and `labels` as lists of numbers, and of its images either
    `pixel_values`, a uint8 tensor (I, 3, H, W), or `image_features`, a list of one tensor
    (I, P, D) an encoder.
    """

    @property
    def lengths(self) -> Sequence[int]:
        """About how many tokens each row has."""

    @property
    def has_image(self) -> Sequence[bool]:
        """Whether each row shows an image."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Row: ...


def encode(  # each is one choice of a recipe
    conversation: Conversation,
    tokenizer: PreTrainedTokenizerBase,
    image_tokens: int,
    *,
    template: str | None = None,
    longest: int | None = None,
    learn_all: bool = False,
) -> Encoded:
    """Return a conversation's tokens; what is learnt is what the template marks as generated.

    Args:
        conversation: what is said.
        tokenizer: has an `image_token`, and a chat template with `{% generation %}`.
        image_tokens: placeholders of an image.
        template: instead of the tokenizer's own.
        longest: most tokens; what is longer is cut on the right.
        learn_all: learn the questions too.

    Raises:
        ValueError: if its images alone are longer than `longest`, or it has other images than
            places for them.
    """
    found = tokenizer.apply_chat_template(
        _messages(conversation, tokenizer),
        chat_template=template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    place = tokenizer.image_token_id
    ids: list[int] = []
    labels: list[int] = []
    for token, generated in zip(found["input_ids"], found["assistant_masks"], strict=True):
        if token == place:
            ids += [place] * image_tokens
            labels += [IGNORED] * image_tokens
        else:
            ids.append(token)
            labels.append(token if generated or learn_all else IGNORED)
    _check(conversation, ids.count(place), image_tokens)
    if longest is not None and len(ids) > longest:
        if place in ids[longest:]:
            message = (
                f"a conversation about {len(conversation.images)} images has {len(ids)} tokens, "
                f"{image_tokens} an image, of which only {longest} are read; expected room for its "
                f"images: raise the longest length or leave it out"
            )
            raise ValueError(message)
        del ids[longest:], labels[longest:]
    return Encoded(ids, labels)


def _check(conversation: Conversation, places: int, image_tokens: int) -> None:
    if places != len(conversation.images) * image_tokens:
        message = (
            f"a conversation has {len(conversation.images)} images and "
            f"{places // max(1, image_tokens)} places {IMAGE_PLACE!r} for them; expected as many"
        )
        raise ValueError(message)


def _messages(
    conversation: Conversation, tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, Any]]:
    special = [token for token in tokenizer.all_special_tokens if token != IMAGE_PLACE]

    def plain(text: str) -> str:
        """Take out what would end an answer, or stand for an image that is not there."""
        for token in special:
            text = text.replace(token, " ")
        return text

    messages: list[dict[str, Any]] = []
    if conversation.system is not None:
        messages.append({"role": "system", "content": plain(conversation.system)})
    for asked, said in conversation.turns:
        content: list[dict[str, str]] = []
        for number, text in enumerate(plain(asked).split(IMAGE_PLACE)):
            if number:
                content.append({"type": "image"})
            if text.strip():
                content.append({"type": "text", "text": text.strip()})
        answer = plain(said).replace(IMAGE_PLACE, " ").strip()
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages


class Collator:
    """Rows to a batch: ids and labels (B, T), and their images in one tensor, or one an encoder.

    Padding stands on the right, where no token looks back at it, so there is no attention mask.
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the batch of these rows."""
        batch: dict[str, Any] = {
            "input_ids": _padded([row["input_ids"] for row in rows], self._pad),
            "labels": _padded([row["labels"] for row in rows], IGNORED),
        }
        pixels = [row["pixel_values"] for row in rows if row.get("pixel_values") is not None]
        features = [row["image_features"] for row in rows if row.get("image_features") is not None]
        if pixels:
            batch["pixel_values"] = torch.cat(pixels)
        if features:
            batch["image_features"] = [
                torch.cat(tokens).float() for tokens in zip(*features, strict=True)
            ]
        return batch


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
