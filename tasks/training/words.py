"""Texts as tokens of the small language models: a word a token, answers closed by an end.

Put here: the tokenizer, its chat template, prompts.
Keep out: which conversations there are (`material`), how they are learnt (`conversation`), both
beside this file.

A prompt is `<s> <image>... question`, with a place for each of the image's tokens; an answer ends
with `</s>`. Words are lower case; punctuation stands alone, hyphens do not part words.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from tasks.training.material import ASK_FOR_CAPTION, Example

PAD, UNKNOWN, BEGIN, END, IMAGE = range(5)
SPECIAL: Final = ("<pad>", "<unk>", "<s>", "</s>", "<image>")
MOST_WORDS: Final = 16_384
MOST_ANSWER_TOKENS: Final = 48
CHAT_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{%- generation -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}{{ part['text'] }}{%- endfor -%}{%- endif -%}"
    "{{ eos_token }}{%- endgeneration -%}"
    "{%- elif message['content'] is string -%}{{ message['content'] + ' ' }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}<image>{%- else -%}{{ part['text'] + ' ' }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{%- endfor -%}"
)
"""A question, its answer, the next question: nothing stands between them."""


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
        chat_template=CHAT_TEMPLATE,
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
