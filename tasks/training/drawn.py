"""A training set that is drawn by lot from examples: a caption, or some questions, about an image.

Put here: which conversation each row is, and its image's tokens.
Keep out: gathering examples (`material`); tokens of text (`conversation`).

A row depends on the seed, the stage and its number alone, so a training that is resumed sees what
it would have seen.

Shapes:
    N  images    P  patches of an image    D  width of an encoder's tokens
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tasks.training.conversation import IMAGE_PLACE, Conversation, Row, encode
from tasks.training.material import ASK_FOR_CAPTION, Example


@dataclass(frozen=True, kw_only=True)
class DrawnConversations:
    """Rows of a stage; `lot` names seed and stage.

    `features` holds tokens (N, P, D), a tensor a tower; none: text alone, of which all is learnt.
    Of the examples those of `numbers` are drawn from.
    """

    examples: Sequence[Example]
    numbers: Sequence[int]
    rows: int
    lot: str
    turns: int
    caption_share: float
    tokenizer: PreTrainedTokenizerBase
    image_tokens: int
    longest: int
    features: Sequence[Tensor] = ()

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, number: int) -> Row:
        chance = random.Random(f"{self.lot}/{number}")  # text, so other seeds share no row
        chosen = chance.choice(self.numbers)
        found = encode(
            self._converse(self.examples[chosen], chance),
            self.tokenizer,
            self.image_tokens,
            longest=self.longest,
            learn_all=not self.features,
        )
        row: dict[str, Any] = {"input_ids": found.ids, "labels": found.labels}
        if self.features:
            row["image_features"] = [tokens_NPD[chosen, None] for tokens_NPD in self.features]
        return row

    @cached_property
    def lengths(self) -> Sequence[int]:
        """The number of tokens of each row."""
        return [len(self[number]["input_ids"]) for number in range(self.rows)]

    @cached_property
    def has_image(self) -> Sequence[bool]:
        """Whether each row shows an image: all do, or none."""
        return [bool(self.features)] * self.rows

    def _converse(self, example: Example, chance: random.Random) -> Conversation:
        """Return a caption asked for, or some of the example's questions, by lot."""
        wants_caption = chance.random() < self.caption_share
        if example.caption and (wants_caption or not example.turns):
            turns: Sequence[tuple[str, str]] = [(ASK_FOR_CAPTION, example.caption)]
        else:
            turns = chance.sample(example.turns, min(self.turns, len(example.turns)))
        said = [(asked.replace(IMAGE_PLACE, " "), answer) for asked, answer in turns]
        if not self.features:
            return Conversation((), tuple(said))
        (first, answer), *rest = said
        return Conversation((example.image,), ((IMAGE_PLACE + first, answer), *rest))
