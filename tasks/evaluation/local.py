"""Ask any multimodal model of transformers that sees pixels: by likelihood, and in its own words.

Put here: loading by the Auto classes, prompts by the model's own chat template, batches.
Keep out: models of the miniature, which read tokens (`language`); what is asked (`stage`).

Rows of a batch are padded on the left and sorted by length, so that little is padded. The last bits
of a likelihood depend on what else is in its batch; those of `language` do not.

Shapes:
    B  rows of a batch    T  tokens of a row    K  tokens of the longest answer
    H, W  height and width of a picture in pixels
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

import tasks.mof  # noqa: F401 # so that the Auto classes know our model without its folder's code
from tasks.encoders.specs import Device
from tasks.evaluation.asking import NO_IMAGE, Asked, Manner, Reply
from tasks.mof.loading import check_weights
from tasks.protocols.protocol import GENERATE, LOGPROBS, Decoding

ROWS: Final = 16
PLAIN: Final = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
"""Checkpoints' own settings may sample, or cut the choice of words."""

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Place = tuple[int, int]


class _Row(NamedTuple):
    """A row of a batch: whose it is, its picture, what the model reads, and the answer after it."""

    place: Place
    image: str
    prompt: str
    answer: str


class LocalModel:
    """A model and its processor, read from a folder that `save_pretrained` wrote.

    Args:
        folder: holds safetensors, a config and a processor with a chat template.
        device: where it runs.
        trust_remote_code: run code that comes with the folder.
        rows: of a batch.

    Raises:
        ValueError: if weights are missing, or there is no chat template.
        OSError: if there are no weights as safetensors.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: Device = "cpu",
        trust_remote_code: bool = False,
        rows: int = ROWS,
    ) -> None:
        trust = {"trust_remote_code": trust_remote_code}
        self.processor: Any = AutoProcessor.from_pretrained(folder, **trust)
        if not getattr(self.processor, "chat_template", None):
            message = f"model {str(folder)!r} has no chat template, so nothing can be asked"
            raise ValueError(message)
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder, dtype="auto", use_safetensors=True, output_loading_info=True, **trust
        )
        check_weights(str(folder), missing=info["missing_keys"])
        self.model: Any = model.to(device).eval()
        self.rows = rows
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._keeps = "logits_to_keep" in inspect.signature(self.model.forward).parameters

    def ask(
        self, manner: Manner, questions: Sequence[Asked], pictures: Mapping[str, Pixels]
    ) -> list[Reply]:
        """Return a reply a question, in order.

        `pictures` holds RGB pixels (H, W, 3) by image. Of questions without an image there may be
        only such. Where words are drawn, the lots are those of the seed and the batch.
        """
        with torch.inference_mode():
            if manner.asks == LOGPROBS:
                return self._likelier(questions, pictures)
            if manner.asks == GENERATE:
                return self._freely(manner, questions, pictures)
        message = f"no model can be asked for {manner.asks!r}"
        raise ValueError(message)

    def prompt(self, asked: Asked) -> str:
        """Return what the model reads of an image and a question, up to where it answers."""
        return str(self._written(_turns(asked), add_generation_prompt=True))

    def _answer(self, asked: Asked, text: str, prompt: str) -> str:
        """Return what follows the prompt if the model answers with a text, its end included."""
        said = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        whole = self._written([*_turns(asked), said])
        # A template that writes a past answer otherwise than one to come: the bare text then.
        return whole.removeprefix(prompt).rstrip("\n") if whole.startswith(prompt) else text

    def _written(self, chat: Sequence[Mapping[str, Any]], **options: Any) -> str:
        return str(self.processor.apply_chat_template(chat, tokenize=False, **options))

    def _likelier(self, questions: Sequence[Asked], pictures: Mapping[str, Pixels]) -> list[Reply]:
        rows = []
        for number, asked in enumerate(questions):
            prompt = self.prompt(asked)
            rows += [
                _Row((number, place), asked.image, prompt, self._answer(asked, option, prompt))
                for place, option in enumerate(asked.options)
            ]
        found: dict[Place, float] = {}
        for batch in self._batches(rows):
            for row, value in zip(batch, self._likelihoods(batch, pictures), strict=True):
                found[row.place] = value
        replies = []
        for number, asked in enumerate(questions):
            scores = tuple(found[number, place] for place in range(len(asked.options)))
            choice = asked.options[max(range(len(scores)), key=scores.__getitem__)]
            replies.append(Reply(asked.question_id, choice, choice, scores))
        return replies

    def _likelihoods(self, batch: Sequence[_Row], pictures: Mapping[str, Pixels]) -> list[float]:
        """Return the summed log-probability of each row's answer, in nats."""
        inputs = self._inputs([row.prompt + row.answer for row in batch], batch, pictures)
        ids_BT = inputs["input_ids"]
        counts = [self._count(row) for row in batch]
        longest = max(counts)
        kept = {"logits_to_keep": longest + 1} if self._keeps else {}
        logits = self.model(**inputs, **kept).logits[:, -longest - 1 : -1]
        logprobs_BK: Tensor = (
            logits.float().log_softmax(-1).gather(-1, ids_BT[:, -longest:, None]).squeeze(-1)
        )
        return [
            float(logprobs_K[-count:].double().sum())
            for logprobs_K, count in zip(logprobs_BK, counts, strict=True)
        ]

    def _count(self, row: _Row) -> int:
        """Return how many tokens are not the prompt's; one that both share is the answer's."""
        texts = [row.prompt, row.prompt + row.answer]
        before, after = self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        alike = takewhile(lambda two: two[0] == two[1], zip(before, after, strict=False))
        return len(after) - sum(1 for _ in alike)

    def _freely(
        self, manner: Manner, questions: Sequence[Asked], pictures: Mapping[str, Pixels]
    ) -> list[Reply]:
        rows = [
            _Row((number, 0), asked.image, self.prompt(asked), "")
            for number, asked in enumerate(questions)
        ]
        said: dict[int, str] = {}
        torch.manual_seed(manner.seed)
        for batch in self._batches(rows):
            inputs = self._inputs([row.prompt for row in batch], batch, pictures)
            output_BT = self.model.generate(
                **inputs,
                **_generation(manner.decoding),
                pad_token_id=self.processor.tokenizer.pad_token_id,
            )
            new_BT = output_BT[:, inputs["input_ids"].shape[1] :]
            texts = self.processor.batch_decode(new_BT, skip_special_tokens=True)
            said |= {row.place[0]: text.strip() for row, text in zip(batch, texts, strict=True)}
        return [
            Reply(asked.question_id, said[number], None, None)
            for number, asked in enumerate(questions)
        ]

    def _inputs(
        self, texts: Sequence[str], batch: Sequence[_Row], pictures: Mapping[str, Pixels]
    ) -> Any:  # a transformers BatchFeature
        begin = self.processor.tokenizer.bos_token
        shown = [[Image.fromarray(pictures[r.image])] for r in batch if r.image != NO_IMAGE]
        inputs = self.processor(
            text=list(texts),
            **({"images": shown} if shown else {}),
            padding=True,
            return_tensors="pt",
            # A template that writes the beginning itself must not get a second one.
            add_special_tokens=not (begin and texts[0].startswith(begin)),
        ).to(self.model.device)
        for name, value in inputs.items():
            if torch.is_tensor(value) and value.is_floating_point():
                inputs[name] = value.to(self.model.dtype)
        return inputs

    def _batches(self, rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
        """Yield rows of about one length at a time, the longest first: memory fails early."""
        ordered = sorted(rows, key=lambda row: (-len(row.prompt + row.answer), row.place))
        for start in range(0, len(ordered), self.rows):
            yield ordered[start : start + self.rows]


def _turns(asked: Asked) -> list[dict[str, Any]]:
    image = [] if asked.image == NO_IMAGE else [{"type": "image"}]
    told = {"role": "user", "content": [*image, {"type": "text", "text": asked.question}]}
    if asked.system is None:
        return [told]
    return [{"role": "system", "content": [{"type": "text", "text": asked.system}]}, told]


def _generation(decoding: Decoding) -> dict[str, Any]:
    """Return the arguments that make `generate` follow a protocol's decoding."""
    drawn = decoding.temperature > 0
    chosen = {"do_sample": True, "temperature": decoding.temperature} if drawn else {}
    return {
        **PLAIN,
        **chosen,
        "num_beams": decoding.beams,
        "max_new_tokens": decoding.most_tokens,
    }
