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
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.training.drawn import DrawnConversations
from tasks.training.material import Example
from tasks.training.recipe import LAYERS, TOWERS, TrainConfig, Variant, role_of
from tasks.training.trainer import train_stage
from tasks.training.words import BEGIN, END, IMAGE, PAD

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
    settings = config.stage("language")
    data = DrawnConversations(
        examples=examples,
        numbers=range(len(examples)),
        rows=settings.batch * config.language_steps,
        lot=f"{seed}/language",
        turns=LANGUAGE_TURNS,
        caption_share=0.5,
        tokenizer=tokenizer,
        image_tokens=0,
        longest=POSITIONS,
    )
    losses = train_stage(model, data, settings, pad=PAD, seed=seed)
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
    towers = [_tower(name, features[role_of(name)]) for name in TOWERS[variant.features]]
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


def _tower(name: str, tokens_NPD: Tensor) -> dict[str, Any]:
    _, patches, width = tokens_NPD.shape
    grid = math.isqrt(patches)
    if grid * grid != patches:
        message = f"the tokens of tower {name!r} are {patches} an image; expected a square grid"
        raise ValueError(message)
    return {
        "name": name,
        "config": None,
        "hidden_size": width,
        "grid_size": grid,
        "feature_layer": LAYERS[role_of(name)],
        "feature_norm": "layernorm",
    }


def train_model(
    model: MofForConditionalGeneration,
    variant: Variant,
    config: TrainConfig,
    features: Mapping[str, Tensor],
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    *,
    callbacks: Sequence[TrainerCallback] = (),
) -> dict[str, list[float]]:
    """Take a model through the adapter and the instruction stage; return the losses of both.

    `callbacks` see the steps of the instruction stage.
    """
    everything = range(len(examples))
    captioned = [number for number in everything if examples[number].caption] or everything
    losses: dict[str, list[float]] = {}
    stages: list[tuple[Literal["adapter", "instruct"], Sequence[int], float]] = [
        ("adapter", captioned, 1.0),
        ("instruct", everything, config.caption_share),
    ]
    for stage, numbers, caption_share in stages:
        model.set_stage(stage)
        settings = config.stage(stage)
        data = DrawnConversations(
            examples=examples,
            numbers=numbers,
            rows=settings.batch * (settings.steps or 0),
            lot=f"{variant.seed}/{stage}",
            turns=config.turns,
            caption_share=caption_share,
            tokenizer=tokenizer,
            image_tokens=model.config.image_seq_length,
            longest=POSITIONS,
            features=[features[role_of(tower)] for tower in TOWERS[variant.features]],
        )
        losses[stage] = train_stage(
            model,
            data,
            settings,
            pad=PAD,
            seed=variant.seed,
            callbacks=callbacks if stage == "instruct" else (),
        )
    model.eval()
    return losses
