"""Stored conversations as a training set: tokens by chat template, images as the canvas.

Put here: rows for `tasks.training`, and where their images lie.
Keep out: tokens of text (`tasks.training.conversation`), decoding (`tasks.images`).

Everything is read at pinned versions, so what is stored later changes no row. A set can be sent to
a process that was started by spawn or forkserver; it opens the store there.

Shapes:
    I  images of a conversation    H  height and W width of the canvas in pixels
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from transformers import BaseImageProcessor, PreTrainedTokenizerBase

from storage import paths
from storage.conversations import ConversationRow, Numbered
from storage.database import Database, any_of
from tasks.corpora.locations import find_pixels
from tasks.images import RefusedImageError
from tasks.training.conversation import IMAGE_PLACE, Conversation, Row, encode

TOKENS_A_WORD: Final = 1.4
"""A guess for the lengths by which batches are made up; it decides nothing else."""


class StoredConversations:
    """Conversations of a mix by number, at one version of the table.

    Args:
        uri: of the store.
        mix: the name of the mix.
        version: of the table `conversations`.
        without: ids of images; conversations about them are left out.
        images_first: of a conversation about one image put its place first, as LLaVA's training
            code does, wherever it stands in the question.

    Raises:
        StoreError: if the version is gone.
        ValueError: if there is no conversation left.
    """

    def __init__(
        self,
        uri: str,
        mix: str,
        version: int,
        *,
        without: Collection[str] = (),
        images_first: bool = False,
    ) -> None:
        self._rows = Numbered(uri, mix, version, without=without)
        self._images_first = images_first
        self.left_out = self._rows.left_out
        """Conversations that are about an image of `without`."""
        if not len(self._rows):
            message = f"all {self.left_out} conversations of mix {mix!r} are about images left out"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Conversation:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Conversation]:
        """Return the conversations with these numbers, in this order, in one read."""
        return [self._conversation(row) for row in self._rows.read(numbers)]

    @property
    def words(self) -> Sequence[int]:
        """Words of each conversation."""
        return self._rows.words

    @cached_property
    def has_image(self) -> Sequence[bool]:
        """Whether each conversation is about an image."""
        return [not text_only for text_only in self._rows.text_only]

    def _conversation(self, row: ConversationRow) -> Conversation:
        turns = [(turn.user, turn.assistant) for turn in row.turns]
        if self._images_first and len(row.images) == 1:
            turns = [(_image_first(asked), said) for asked, said in turns]
        return Conversation(row.images, tuple(turns), row.system)


def _image_first(text: str) -> str:
    if IMAGE_PLACE not in text:
        return text
    return f"{IMAGE_PLACE}\n{text.replace(IMAGE_PLACE, '').strip()}"


class ImagePlaces:
    """Where the images of corpora lie, at one version of the table `paths`.

    Args:
        uri: of the store.
        corpora: their full names.
        version: of the table; empty: the latest when it is first read.
    """

    def __init__(self, uri: str, corpora: Sequence[str], version: int | None = None) -> None:
        self._uri, self._corpora, self._version = uri, list(corpora), version

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_table"}

    @cached_property
    def _table(self) -> tuple[Any, pa.ChunkedArray]:
        """Ids as fixed-width bytes, sorted, and the locations beside them: 100 bytes an image."""
        where = any_of("corpus", self._corpora)
        db = Database(self._uri)
        rows = db.read(paths.SPEC, version=self._version, where=where, columns=["image", "path"])
        rows = rows.take(pc.sort_indices(rows, [("image", "ascending"), ("path", "ascending")]))
        return np.array(rows["image"].to_numpy(), dtype=bytes), rows["path"]

    def of(self, image: str) -> list[str]:
        """Return the locations of an image; none if the corpora do not hold it."""
        ids, locations = self._table
        first, last = (np.searchsorted(ids, image.encode(), side) for side in ("left", "right"))
        found: list[str] = locations.slice(first, last - first).to_pylist()
        return found


@dataclass(frozen=True, kw_only=True)
class ConversationSet:
    """Stored conversations as a `TrainingSet` with live images.

    `canvas` is the part of the processor that makes one uint8 canvas of an image.
    """

    conversations: StoredConversations
    places: ImagePlaces
    tokenizer: PreTrainedTokenizerBase
    canvas: BaseImageProcessor
    image_tokens: int
    template: str | None = None
    longest: int | None = None

    def __len__(self) -> int:
        return len(self.conversations)

    def __getitem__(self, number: int) -> Row:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Row]:
        """Return the rows with these numbers, in this order, after one read of their texts.

        Raises:
            ValueError: if an image is gone or changed, or a conversation's images do not fit.
        """
        found = self.conversations.__getitems__(numbers)
        return [self._row(number, said) for number, said in zip(numbers, found, strict=True)]

    @cached_property
    def lengths(self) -> Sequence[int]:
        """About how many tokens each row has."""
        about = zip(self.conversations.words, self.has_image, strict=True)
        return [int(words * TOKENS_A_WORD) + seen * self.image_tokens for words, seen in about]

    @property
    def has_image(self) -> Sequence[bool]:
        """Whether each row shows an image."""
        return self.conversations.has_image

    def _row(self, number: int, said: Conversation) -> Row:
        found = encode(
            said,
            self.tokenizer,
            self.image_tokens,
            template=self.template,
            longest=self.longest,
        )
        row: dict[str, Any] = {"input_ids": found.ids, "labels": found.labels}
        if said.images:
            row["pixel_values"] = torch.cat([self._canvas(number, each) for each in said.images])
        return row

    def _canvas(self, number: int, image: str) -> Tensor:
        """Return an image (1, 3, H, W), uint8."""
        try:
            pixels_HWC = find_pixels(image, self.places.of(image))
        except RefusedImageError as error:
            message = (
                f"conversation {number} is about image {image}, which cannot be read any more "
                f"({error.reason}: {error.detail}); run `mmvp conversations` again, which leaves "
                f"it out, or bring the file back"
            )
            raise ValueError(message) from error
        canvas: Tensor = self.canvas(pixels_HWC, return_tensors="pt")["pixel_values"]
        return canvas


def make(  # noqa: PLR0913 # each is a choice of a recipe
    processor: Any,
    image_tokens: int,
    *,
    uri: str,
    mix: str,
    version: int,
    without: Sequence[str],
    template: str,
    longest: int | None,
    pads: bool,
    images_first: bool,
) -> ConversationSet:
    """Return what a stage of a recipe learns from, in a process of its training.

    Args:
        processor: of the model.
        image_tokens: of an image in the language model.
        uri: of the store.
        mix: the conversations' name.
        version: of the table `conversations`.
        without: images that are never learnt from.
        template: a chat template.
        longest: most tokens of a conversation.
        pads: show whole images, padded to a square.
        images_first: put the place of a single image first.

    Raises:
        StoreError: if the version is gone.
        ValueError: if there is no conversation left.
    """
    canvas = copy.deepcopy(processor.image_processor)
    canvas.do_pad = pads
    return ConversationSet(
        conversations=StoredConversations(
            uri, mix, version, without=without, images_first=images_first
        ),
        places=ImagePlaces(uri, paths.corpora(Database(uri))),
        tokenizer=processor.tokenizer,
        canvas=canvas,
        image_tokens=image_tokens,
        template=template,
        longest=longest,
    )
