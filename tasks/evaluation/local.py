"""Ask any multimodal model of transformers that sees pixels: by likelihood, and in its own words.

Put here: loading by the Auto classes, prompts by the model's own chat template, batches.
Keep out: models of the miniature, which read tokens (`language`); what is asked (`stage`).

Rows of a batch are padded on the left and sorted by length, so that little is padded. The last bits
of a likelihood depend on what else is in its batch; those of `language` do not.

Shapes:
    B  rows of a batch    T  tokens of a row    K  tokens of the longest answer
    H, W  height and width of a picture in pixels
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import tasks.mof  # noqa: F401 # so that the Auto classes know our model without its folder's code
from tasks.encoders.specs import Device
from tasks.evaluation.asking import NO_IMAGE, Asked, Manner, Reply
from tasks.evaluation.likelihood import Prompt, Scores, all_again, close, going_on, read_prompt
from tasks.mof.loading import check_weights
from tasks.protocols.protocol import GENERATE, LOGPROBS, Decoding

log = logging.getLogger(__name__)

ROWS: Final = 32
PLAIN: Final = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
"""Checkpoints' own settings may sample, or cut the choice of words."""

Turn = Mapping[str, Any]
Value = TypeVar("Value")
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class _Row(NamedTuple):
    """A question of a batch: its number, its picture, what the model reads, what may follow."""

    number: int
    image: str
    prompt: str
    answers: tuple[str, ...]


class LocalModel:
    """A model and its processor, read from a folder that `save_pretrained` wrote.

    Args:
        folder: holds safetensors, a config and a processor with a chat template.
        device: where it runs.
        trust_remote_code: run code that comes with the folder.
        rows: questions at once; fewer once there is no room for so many.
        goes_on: whether options go on from their prompt; None: as the first question shows.

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
        goes_on: bool | None = None,
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
        self._goes_on = goes_on

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

    def prompts(self, questions: Sequence[Asked]) -> list[str]:
        """Return what the model reads of images and questions, up to where it answers."""
        return self._written([_turns(asked) for asked in questions], add_generation_prompt=True)

    def _answers(self, questions: Sequence[Asked], prompts: Sequence[str]) -> list[list[str]]:
        """Return what follows each prompt if the model answers with an option, its end included."""
        options = [(n, option) for n, asked in enumerate(questions) for option in asked.options]
        wholes = self._written([[*_turns(questions[n]), _said(option)] for n, option in options])
        answers: list[list[str]] = [[] for _ in questions]
        for (n, option), whole in zip(options, wholes, strict=True):
            told = whole.startswith(prompts[n])
            # A template that writes a past answer otherwise than one to come: the bare text then.
            answers[n].append(whole.removeprefix(prompts[n]).rstrip("\n") if told else option)
        return answers

    def _written(self, chats: Sequence[Sequence[Turn]], **options: Any) -> list[str]:
        texts: list[str] = self.processor.apply_chat_template(chats, tokenize=False, **options)
        return texts

    def _likelier(self, questions: Sequence[Asked], pictures: Mapping[str, Pixels]) -> list[Reply]:
        prompts = self.prompts(questions)
        answers = self._answers(questions, prompts)
        rows = [
            _Row(number, asked.image, prompts[number], tuple(answers[number]))
            for number, asked in enumerate(questions)
        ]
        found: dict[int, Scores] = {}
        for row, scores in self._in_batches(rows, partial(self._likelihoods, pictures)):
            found[row.number] = scores
        replies = []
        for number, asked in enumerate(questions):
            scores = found[number]
            choice = asked.options[max(range(len(scores)), key=scores.__getitem__)]
            replies.append(Reply(asked.question_id, choice, choice, scores))
        return replies

    def _likelihoods(self, pictures: Mapping[str, Pixels], batch: Sequence[_Row]) -> list[Scores]:
        """Return the log-probabilities of each row's answers, in nats."""
        tokenizer = self.processor.tokenizer
        prompts = [read_prompt(tokenizer, row.prompt, row.answers) for row in batch]
        if self._goes_on is None:
            self._goes_on = self._can_go_on(batch[0], prompts[0], pictures)
        if self._goes_on:
            inputs = self._inputs([row.prompt for row in batch], batch, pictures)
            return going_on(self.model, inputs, prompts)
        return [
            self._again(row, prompt, pictures) for row, prompt in zip(batch, prompts, strict=True)
        ]

    def _again(self, row: _Row, prompt: Prompt, pictures: Mapping[str, Pixels]) -> Scores:
        wholes = [row.prompt + answer for answer in row.answers]
        return all_again(
            self.model, self._inputs(wholes, [row] * len(wholes), pictures), prompt.tails
        )

    def _can_go_on(self, row: _Row, prompt: Prompt, pictures: Mapping[str, Pixels]) -> bool:
        """Try both ways on one question: what a class does with keys and values is its own."""
        expected = self._again(row, prompt, pictures)
        try:
            (found,) = going_on(self.model, self._inputs([row.prompt], [row], pictures), [prompt])
        except Exception as error:  # each class fails in a way of its own
            log.warning("%s reads each option anew: %s", type(self.model).__name__, error)
            return False
        if close(expected, found, self.model.dtype):
            return True
        log.warning(
            "%s reads each option anew: from its prompt's keys and values come other figures, "
            "%s for %s",
            type(self.model).__name__,
            found,
            expected,
        )
        return False

    def _freely(
        self, manner: Manner, questions: Sequence[Asked], pictures: Mapping[str, Pixels]
    ) -> list[Reply]:
        rows = [
            _Row(number, asked.image, prompt, ())
            for number, (asked, prompt) in enumerate(
                zip(questions, self.prompts(questions), strict=True)
            )
        ]
        torch.manual_seed(manner.seed)
        speak = partial(self._speak, manner.decoding, pictures)
        said = {row.number: text for row, text in self._in_batches(rows, speak)}
        return [
            Reply(asked.question_id, said[number], None, None)
            for number, asked in enumerate(questions)
        ]

    def _speak(
        self, decoding: Decoding, pictures: Mapping[str, Pixels], batch: Sequence[_Row]
    ) -> list[str]:
        inputs = self._inputs([row.prompt for row in batch], batch, pictures)
        output_BT = self.model.generate(
            **inputs,
            **_generation(decoding),
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        new_BT = output_BT[:, inputs["input_ids"].shape[1] :]
        texts = self.processor.batch_decode(new_BT, skip_special_tokens=True)
        return [text.strip() for text in texts]

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

    def _in_batches(
        self, rows: Sequence[_Row], work: Callable[[Sequence[_Row]], Sequence[Value]]
    ) -> Iterator[tuple[_Row, Value]]:
        """Work on rows of about one length at a time, the longest first, and on fewer if need be.

        Raises:
            torch.OutOfMemoryError: if there is no room for a single one.
        """
        left = sorted(rows, key=lambda row: (-len(row.prompt + "".join(row.answers)), row.number))
        while left:
            batch = left[: self.rows]
            try:
                done = work(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.rows = len(batch) // 2
                log.warning(
                    "%d questions at once have no room; going on with %d", len(batch), self.rows
                )
                torch.cuda.empty_cache()
                continue
            yield from zip(batch, done, strict=True)
            left = left[len(batch) :]


def _said(text: str) -> Turn:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _turns(asked: Asked) -> list[Turn]:
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
