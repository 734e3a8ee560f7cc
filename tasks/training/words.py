"""Texts as tokens of the small language models: a word a token, answers closed by an end.

Put here: the tokenizer, prompts, the batches that a step learns from.
Keep out: which conversations there are (`material`, beside this file).

A prompt is `<s> <image>... question`, with a place for each of the image's tokens; an answer ends
with `</s>`. Words are lower case; punctuation stands alone, hyphens do not part words.

Shapes:
    B  conversations of a batch    T  tokens, padded on the right
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tasks.training.material import ASK_FOR_CAPTION, Example

PAD, UNKNOWN, BEGIN, END, IMAGE = range(5)
SPECIAL: Final = ("<pad>", "<unk>", "<s>", "</s>", "<image>")
MOST_WORDS: Final = 16_384
IGNORED: Final = -100
MOST_ANSWER_TOKENS: Final = 48

Turn = tuple[str, str]


class Batch(NamedTuple):
    """Conversations as tokens; labels are -100 where nothing is learnt."""

    ids_BT: Tensor
    labels_BT: Tensor


def make_tokenizer(examples: Sequence[Example]) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows the words of the examples, commonest first."""
    tokenizer = Tokenizer(WordLevel({}, unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[?.!,:;]"), "isolated")]
    )
    counts: Counter[str] = Counter()
    for text in _texts(examples):
        normal = tokenizer.normalizer.normalize_str(text)
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
    known = [*SPECIAL, *(word for word in words if word not in SPECIAL)]
    tokenizer.model = WordLevel(
        {word: token for token, word in enumerate(known)}, unk_token=SPECIAL[UNKNOWN]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[PAD],
        unk_token=SPECIAL[UNKNOWN],
        bos_token=SPECIAL[BEGIN],
        eos_token=SPECIAL[END],
        extra_special_tokens={"image_token": SPECIAL[IMAGE]},
        clean_up_tokenization_spaces=False,
    )


def _texts(examples: Iterable[Example]) -> Iterable[str]:
    yield ASK_FOR_CAPTION
    for example in examples:
        yield from (text for turn in example.turns for text in turn)
        if example.caption:
            yield example.caption


class Encoder:
    """Texts to tokens, each text looked up once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._start = [BEGIN, *[IMAGE] * image_tokens]
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens."""
        if text not in self._known:
            tokens = self._tokenizer.encode(text, add_special_tokens=False)
            # A text that says <image> stands for no image.
            self._known[text] = [t if t >= len(SPECIAL) else UNKNOWN for t in tokens]
        return self._known[text]

    def prompt(self, question: str) -> list[int]:
        """Return the tokens of an image and a question, up to where the answer begins."""
        return [*self._start, *self.encode(question)]

    def answer(self, text: str) -> list[int]:
        """Return the tokens of an answer and its end."""
        return [*self.encode(text)[:MOST_ANSWER_TOKENS], END]

    def batch(self, conversations: Sequence[Sequence[Turn]], *, learn_all: bool = False) -> Batch:
        """Return conversations as tokens; what is learnt are the answers, or every word."""
        rows, targets = [], []
        for turns in conversations:
            row = list(self._start)
            target = [IGNORED] * len(row)
            for question, answer in turns:
                asked, said = self.encode(question), self.answer(answer)
                row += [*asked, *said]
                target += [*(asked if learn_all else [IGNORED] * len(asked)), *said]
            rows.append(row)
            targets.append(target)
        return Batch(_padded(rows, PAD), _padded(targets, IGNORED))


def _padded(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
