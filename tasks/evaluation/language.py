"""Ask a multimodal language model: by the likelihood of the options, and in its own words.

Put here: both protocols, on image tokens that were computed before.
Keep out: the tokens (`tasks.training.features`), the model (`tasks.mof`).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.3, for the questions; likelihoods are ours.

A batch always has the same number of rows, all of one length, so that an answer's last bits do not
depend on what else was asked.

Shapes:
    B  rows of a batch    T  tokens of a row
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tasks.evaluation.asking import Asked, Manner, Reply
from tasks.mof import MofForConditionalGeneration
from tasks.protocols.protocol import GENERATE, LOGPROBS
from tasks.training.recipe import role_of
from tasks.training.words import END, MOST_ANSWER_TOKENS, PAD, Encoder

ROWS: Final = 32

ImageTokens = Mapping[str, Mapping[str, Tensor]]
"""Tokens (P, D) by role and image."""


class _Row(NamedTuple):
    """A row of a batch: whose it is, its image, its tokens, how many of them are the answer."""

    place: tuple[int, int]
    image: str
    ids: Sequence[int]
    answer: int


class LanguageModel:
    """A trained model of `tasks.training`, read from its folder."""

    def __init__(self, folder: Path) -> None:
        self.model: MofForConditionalGeneration = MofForConditionalGeneration.from_pretrained(
            folder
        )
        self.model.eval()
        tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(folder)
        self.tokenizer = tokenizer
        self.encoder = Encoder(tokenizer, self.model.config.image_seq_length)
        self.roles = [role_of(name) for name in self.model.config.vision_config.tower_names]

    def ask(self, manner: Manner, questions: Sequence[Asked], tokens: ImageTokens) -> list[Reply]:
        """Return a reply a question, in order; words are always chosen greedily."""
        ways = {LOGPROBS: self._likelier, GENERATE: self._freely}
        with torch.inference_mode():
            return ways[manner.asks](questions, tokens)

    def _likelier(self, questions: Sequence[Asked], tokens: ImageTokens) -> list[Reply]:
        rows = []
        for number, asked in enumerate(questions):
            prompt = self.encoder.prompt(asked.question)
            for place, option in enumerate(asked.options):
                said = self.encoder.answer(option)
                rows.append(_Row((number, place), asked.image, [*prompt, *said], len(said)))
        found: dict[tuple[int, int], float] = {}
        for batch in _batches(rows):
            ids_BT = torch.tensor([row.ids for row in batch])
            logits = self.model(input_ids=ids_BT, image_features=self._images(batch, tokens)).logits
            logprobs_BT = (
                logits[:, :-1].float().log_softmax(-1).gather(-1, ids_BT[:, 1:, None]).squeeze(-1)
            )
            for row, logprobs_T in zip(batch, logprobs_BT, strict=True):
                found[row.place] = float(logprobs_T[-row.answer :].double().sum())
        replies = []
        for number, asked in enumerate(questions):
            scores = tuple(found[number, place] for place in range(len(asked.options)))
            choice = asked.options[max(range(len(scores)), key=scores.__getitem__)]
            replies.append(Reply(asked.question_id, choice, choice, scores))
        return replies

    def _freely(self, questions: Sequence[Asked], tokens: ImageTokens) -> list[Reply]:
        rows = [
            _Row((number, 0), asked.image, self.encoder.prompt(asked.question), 0)
            for number, asked in enumerate(questions)
        ]
        said: dict[int, str] = {}
        for batch in _batches(rows):
            ids_BT = torch.tensor([row.ids for row in batch])
            output_BT = self.model.generate(
                input_ids=ids_BT,
                attention_mask=torch.ones_like(ids_BT),
                image_features=self._images(batch, tokens),
                max_new_tokens=MOST_ANSWER_TOKENS + 1,  # of an answer that it learnt, and its end
                do_sample=False,
                eos_token_id=END,
                pad_token_id=PAD,
            )
            for row, new_T in zip(batch, output_BT[:, ids_BT.shape[1] :], strict=True):
                said[row.place[0]] = self.tokenizer.decode(new_T, skip_special_tokens=True).strip()
        return [
            Reply(asked.question_id, said[number], None, None)
            for number, asked in enumerate(questions)
        ]

    def _images(self, batch: Sequence[_Row], tokens: ImageTokens) -> list[Tensor]:
        return [
            torch.stack([tokens[role][row.image] for row in batch]).float() for role in self.roles
        ]


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Yield rows of one length at a time, always as many, the last one repeated."""
    by_length: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        by_length[len(row.ids)].append(row)
    for length in sorted(by_length):
        alike = by_length[length]
        for start in range(0, len(alike), ROWS):
            batch = alike[start : start + ROWS]
            yield batch + [batch[-1]] * (ROWS - len(batch))
