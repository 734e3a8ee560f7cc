"""Small random parts as they lie on the hub: a Llama with a tokenizer, a CLIP, a DINOv2."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

SAID = "USER: what colour is it? ASSISTANT: red green blue system user assistant"
VISION = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}


def make_tokenizer(*, chatml=False):
    """Return a byte-level tokenizer, with the ends of Llama's texts or of ChatML's."""
    begin, end = ("<|im_start|>", "<|im_end|>") if chatml else ("<s>", "</s>")
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<unk>", begin, end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([SAID] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=begin, eos_token=end, unk_token="<unk>"
    )


def save_language(folder, *, chatml=False):
    """Save a Llama with its tokenizer."""
    tokenizer = make_tokenizer(chatml=chatml)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save_clip(folder, *, patch_px=14):
    config = CLIPVisionConfig(image_size=56, patch_size=patch_px, intermediate_size=64, **VISION)
    torch.manual_seed(1)
    CLIPVisionModel(config).save_pretrained(folder)
    return str(folder)


def save_dinov2(folder):
    torch.manual_seed(2)
    Dinov2Model(Dinov2Config(image_size=98, patch_size=14, **VISION)).save_pretrained(folder)
    return str(folder)
