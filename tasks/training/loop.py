"""Train one model: a language model on text, then adapters on captions, then both on questions.

Put here: the three stages.
Keep out: which models (`recipe`), data (`material`, `words`, `features`); files (`jobs`).
Source: Tong et al. 2024, arXiv 2401.06209, section 4; Liu et al. 2023, arXiv 2304.08485: adapter
stage, then instruction stage, encoders frozen in both.

On one thread of a CPU the same material, config and seed give the same bits.

Shapes:
    N  images    P  patches of an image    D  width of an encoder's tokens    B  of a batch
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.optimiser import minimise
from tasks.training.material import ASK_FOR_CAPTION, Example
from tasks.training.recipe import LAYERS, TOWERS, TrainConfig, Variant
from tasks.training.words import BEGIN, END, IMAGE, PAD, Encoder, Turn

WARM_UP = 20
LANGUAGE_TURNS = 3
POSITIONS = 2048

State = Mapping[str, Tensor]


def language_config(config: TrainConfig, words: int) -> LlamaConfig:
    """Return the architecture of the language model, for a vocabulary of `words`.

    First weights are as wide as a layer's inputs ask for. transformers' 0.02 fits widths of
    thousands; here it left a model of width 64, and the adapters, with next to no signal.
    """
    return LlamaConfig(
        vocab_size=words,
        hidden_size=config.width,
        intermediate_size=config.width * 5 // 2,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=POSITIONS,
        initializer_range=config.width**-0.5,
        tie_word_embeddings=True,
        bos_token_id=BEGIN,
        eos_token_id=END,
        pad_token_id=PAD,
    )


def learn_language(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    config: TrainConfig,
    seed: int,
) -> tuple[State, list[float]]:
    """Train a language model on the examples' texts; return its weights and losses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(language_config(config, len(tokenizer)))
    chance = random.Random(f"{seed}/language")
    encoder = Encoder(tokenizer, image_tokens=0)

    def loss_at(_: int) -> Tensor:
        chosen = chance.choices(examples, k=2 * config.batch)
        batch = encoder.batch(
            [_converse(one, chance, LANGUAGE_TURNS, 0.5) for one in chosen], learn_all=True
        )
        loss: Tensor = model(input_ids=batch.ids_BT, labels=batch.labels_BT).loss
        return loss

    losses = minimise(
        model.train(),
        loss_at,
        steps=config.language_steps,
        rate=config.adapter_rate,
        decay=config.decay,
        warm_up=WARM_UP,
    )
    return model.state_dict(), losses


def make_model(
    variant: Variant,
    config: TrainConfig,
    features: Mapping[str, Tensor],
    tokenizer: PreTrainedTokenizerFast,
    language: State,
) -> MofForConditionalGeneration:
    """Return a model with a trained language model and new adapters.

    `features` holds tokens (N, P, D) by role; their towers are precomputed, so the model has none.
    """
    towers = [_tower(role, features[role]) for role in TOWERS[variant.features]]
    settings = MofConfig(
        vision_config={"towers": towers, "grid_size": towers[0]["grid_size"]},
        text_config=language_config(config, len(tokenizer)).to_dict(),
        image_token_index=IMAGE,
        mode="additive" if variant.features == "additive" else "interleaved",
        ssl_share=0.5 if variant.ssl_share is None else variant.ssl_share,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BEGIN,
        eos_token_id=END,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(variant.seed)
        model = MofForConditionalGeneration(settings)
    start = "model."
    inner = {k.removeprefix(start): v for k, v in language.items() if k.startswith(start)}
    model.model.language_model.load_state_dict(inner)
    return model


def _tower(role: str, tokens_NPD: Tensor) -> dict[str, Any]:
    _, patches, width = tokens_NPD.shape
    grid = math.isqrt(patches)
    if grid * grid != patches:
        message = f"the tokens of encoder {role!r} are {patches} an image; expected a square grid"
        raise ValueError(message)
    return {
        "name": role,
        "config": None,
        "hidden_size": width,
        "grid_size": grid,
        "feature_layer": LAYERS[role],
        "feature_norm": "layernorm",
    }


def train_model(
    model: MofForConditionalGeneration,
    variant: Variant,
    config: TrainConfig,
    features: Mapping[str, Tensor],
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
) -> dict[str, list[float]]:
    """Take a model through the adapter and the instruction stage; return the losses of both."""
    encoder = Encoder(tokenizer, model.config.image_seq_length)
    captioned = [number for number, one in enumerate(examples) if one.caption]

    def minimise_on(
        stage: Literal["adapter", "instruct"], steps: int, rate: float, decay: float
    ) -> list[float]:
        model.set_stage(stage)
        chance = random.Random(f"{variant.seed}/{stage}")
        numbers = captioned if stage == "adapter" and captioned else range(len(examples))
        share = 1.0 if stage == "adapter" else config.caption_share

        def loss_at(_: int) -> Tensor:
            chosen = chance.choices(numbers, k=config.batch)
            batch = encoder.batch(
                [_converse(examples[n], chance, config.turns, share) for n in chosen]
            )
            tokens = [features[role][chosen].float() for role in TOWERS[variant.features]]
            loss: Tensor = model(
                input_ids=batch.ids_BT, labels=batch.labels_BT, image_features=tokens
            ).loss
            return loss

        return minimise(
            model.train(), loss_at, steps=steps, rate=rate, decay=decay, warm_up=WARM_UP
        )

    losses = {
        "adapter": minimise_on("adapter", config.adapter_steps, config.adapter_rate, 0.0),
        "instruct": minimise_on("instruct", config.steps, config.rate, config.decay),
    }
    model.eval()
    return losses


def _converse(
    example: Example, chance: random.Random, turns: int, caption_share: float
) -> Sequence[Turn]:
    """Return a caption asked for, or some of the example's questions, by lot."""
    wants_caption = chance.random() < caption_share
    if example.caption and (wants_caption or not example.turns):
        return [(ASK_FOR_CAPTION, example.caption)]
    return chance.sample(example.turns, min(turns, len(example.turns)))
