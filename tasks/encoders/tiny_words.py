"""The tiny CLIP's tokenizer: one token a word, all words known beforehand.

Put here: words to tokens.
Keep out: which words there are (`tasks.scenes` for the shipped one; a file's own otherwise).

The end has the highest token, because that is how open_clip finds where to pool.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.encoders.tiny_models import TEXT_TOKENS

PAD, UNKNOWN, START = range(3)


class Words:
    """The words of a tiny CLIP, in the order of their tokens."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._token = {word: i for i, word in enumerate(self.words, start=START + 1)}

    def __len__(self) -> int:
        """Return the number of tokens: padding, unknown, start, each word, end."""
        return len(self.words) + 4

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Return (N, 17) tokens; words beyond the fifteenth of a text are left out."""
        rows = torch.full((len(texts), TEXT_TOKENS), PAD, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            known = [self._token.get(word, UNKNOWN) for word in text.split()]
            line = [START, *known[: TEXT_TOKENS - 2], len(self) - 1]
            row[: len(line)] = torch.tensor(line)
        return rows
