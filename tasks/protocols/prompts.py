"""The text that each protocol sends with an image.

Put here: prompts, word by word; their wording defines a protocol.
Keep out: chat templates, which are the model's own.
"""

from typing import Final

from tasks.benchmarks.question import Question
from tasks.protocols.protocol import Prompt

LETTER_SUFFIX: Final = "Answer with the option's letter from the given choices directly."
"""LLaVA-1.5's sentence for multiple choice; lmms-eval, Cambrian and InternVL send it."""


def as_published(question: Question) -> Prompt:
    """MMVP's `evaluate_mllm.py`: both columns as they are, nothing about the form of an answer."""
    return Prompt(None, f"{question.text} {question.options_written}")


def with_letters(question: Question) -> Prompt:
    """Return the question, lettered options and the sentence about the letter."""
    return Prompt(None, f"{question.text}\n{_lettered(question)}\n{LETTER_SUFFIX}")


def of_cambrian(question: Question) -> Prompt:
    """Return the same with a word before the options."""
    return Prompt(None, f"{question.text} Options:\n{_lettered(question)}\n{LETTER_SUFFIX}")


def of_vlmevalkit(question: Question) -> Prompt:
    """Return the default of VLMEvalKit's `ImageMCQDataset`; the last line ends with a blank."""
    request = "Please select the correct answer from the options above. \n"
    return Prompt(None, f"Question: {question.text}\nOptions:\n{_lettered(question)}\n{request}")


def for_letter(question: Question) -> Prompt:
    """Return our own prompt for a letter."""
    first, second = question.options
    request = "Reply with the letter of the right option, a or b, and nothing else."
    return Prompt(None, f"{question.text}\n(a) {first}\n(b) {second}\n{request}")


def bare(question: Question) -> Prompt:
    """Return the question alone: options are scored as replies to it."""
    return Prompt(None, question.text)


def _lettered(question: Question) -> str:
    return "\n".join(
        f"{letter}. {option}" for letter, option in zip("AB", question.options, strict=True)
    )


def judge_request(prompt: str, label: str, reply: str) -> str:
    """Return what MMVP's `gpt_grader.py` asks its judge."""
    return (
        f"Given the following question {prompt}, the correct answer is {label}. Does the "
        f"following answer correctly answers the question, answer:{reply}?"
    )


JUDGE_SYSTEM: Final = (
    "You are a helpful and precise assistant for checking the quality of the answer. "
    "Please answer in only yes or no."
)
"""The system message of the same."""
