"""How likely a model finds each option of a question.

Put here: the pass over prompts and the one over options that goes on from it; the pass over both.
Keep out: prompts, batches and pictures (`local`, beside this file).

Options go on from the keys and values of their prompt, so that a picture is looked at once a
question. A model that cannot go on so reads the prompt again with each option.

Shapes:
    B  questions    R  options of all questions    T  tokens of the longest prompt
    K  tokens of the longest option, with the end of the prompt before it
"""

import inspect
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

CLOSE: Final = 1e-3
CLOSE_IN_HALF: Final = 0.05
"""How far the log-probabilities of both ways may be apart, as a share of them."""

Scores = tuple[float, ...]


class Tail(NamedTuple):
    """What an option adds to its prompt: token ids, and how many of the prompt's it takes away."""

    ids: Sequence[int]
    taken: int


class Prompt(NamedTuple):
    """The last tokens of a prompt, and the options that may follow it."""

    end: Sequence[int]
    tails: Sequence[Tail]


def read_prompt(tokenizer: Any, prompt: str, answers: Sequence[str]) -> Prompt:
    """Split answers from a prompt; a token that spans both is the answer's."""
    texts = [prompt, *(prompt + answer for answer in answers)]
    before, *wholes = tokenizer(texts, add_special_tokens=False, padding=False)["input_ids"]
    tails = []
    for whole in wholes:
        alike = takewhile(lambda two: two[0] == two[1], zip(before, whole, strict=False))
        kept = sum(1 for _ in alike)
        tails.append(Tail(whole[kept:], len(before) - kept))
    return Prompt(before[-1 - max(tail.taken for tail in tails) :], tails)


def going_on(model: Any, inputs: Mapping[str, Tensor], prompts: Sequence[Prompt]) -> list[Scores]:
    """Return each option's summed log-probability, in nats, from one pass over the prompts.

    Args:
        model: of transformers; its keys and values can be copied by row.
        inputs: of the prompts (B, T), padded on the left.
        prompts: how each ends, and its options.
    """
    held = max(len(prompt.end) for prompt in prompts)
    ids_BT = inputs["input_ids"]
    begun = {
        name: value[:, :-held] if value.shape == ids_BT.shape else value
        for name, value in inputs.items()
    }
    read = model(**begun, use_cache=True, **_keep(model, 1))
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    cache = read[name] if name in read else read["past_key_values"]
    owners = [row for row, prompt in enumerate(prompts) for _ in prompt.tails]
    owner_R = torch.tensor(owners, device=model.device)
    cache.batch_select_indices(owner_R)
    rows = [
        [*ids_BT[row, -held : ids_BT.shape[1] - tail.taken].tolist(), *tail.ids]
        for row, prompt in enumerate(prompts)
        for tail in prompt.tails
    ]
    ids_RK, real_RK = _padded(rows, model.device)
    mask = torch.cat([begun["attention_mask"][owner_R], real_RK], 1)
    logits = model(
        input_ids=ids_RK,
        attention_mask=mask,
        **{name: cache},
        use_cache=True,
        **_positions(model, mask, owner_R, ids_RK.shape[1]),
    ).logits
    logprobs_RK = _chosen(logits[:, :-1], ids_RK[:, 1:])
    found = iter(
        float(logprobs_K[: len(row) - 1][-len(tail.ids) :].double().sum())
        for logprobs_K, row, tail in zip(
            logprobs_RK, rows, [tail for prompt in prompts for tail in prompt.tails], strict=True
        )
    )
    return [tuple(next(found) for _ in prompt.tails) for prompt in prompts]


def all_again(model: Any, inputs: Mapping[str, Tensor], tails: Sequence[Tail]) -> Scores:
    """Return each option's summed log-probability, in nats, from inputs of prompt and option."""
    counts = [len(tail.ids) for tail in tails]
    longest = max(counts)
    logits = model(**inputs, **_keep(model, longest + 1)).logits[:, -longest - 1 : -1]
    logprobs_RK = _chosen(logits, inputs["input_ids"][:, -longest:])
    return tuple(
        float(logprobs_K[-count:].double().sum())
        for logprobs_K, count in zip(logprobs_RK, counts, strict=True)
    )


def close(one: Scores, other: Scores, dtype: torch.dtype) -> bool:
    """Say whether two ways gave the same log-probabilities, but for rounding."""
    share = CLOSE if dtype in {torch.float32, torch.float64} else CLOSE_IN_HALF
    return all(abs(a - b) <= share * max(1.0, abs(a)) for a, b in zip(one, other, strict=True))


def _chosen(logits: Tensor, ids: Tensor) -> Tensor:
    return logits.float().log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return rows with zeros behind them, and what of it is real."""
    longest = max(map(len, rows))
    ids = [[*row, *[0] * (longest - len(row))] for row in rows]
    real = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(real, device=device)


def _keep(model: Any, count: int) -> dict[str, int]:
    """Ask for the last logits only, of a model that can be asked so."""
    takes = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": count} if takes else {}


def _positions(model: Any, mask: Tensor, owner_R: Tensor, count: int) -> dict[str, Tensor]:
    """Return where the last tokens stand, for models whose pictures take up another room there."""
    deltas = getattr(getattr(model, "model", None), "rope_deltas", None)
    if deltas is None:
        return {}
    positions = (mask.cumsum(-1) - 1)[:, -count:] + deltas.to(mask.device)[owner_R]
    return {"position_ids": positions.expand(3, -1, -1)}
