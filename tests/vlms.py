"""Small multimodal models of several families, with random weights, as folders."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)
from transformers.models.llava.image_processing_llava import LlavaImageProcessor

from tasks.exporting.model import make_processor
from tasks.mof import MofForConditionalGeneration
from tests.tasks.test_mof_config import TEXT as MOF_TEXT
from tests.tasks.test_mof_config import tiny_config

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
SQUARE = {"height": 56, "width": 56}


def make_tokenizer(**special):
    """Return a tokenizer of bytes with some words of questions, and special tokens by role."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    begin = ["<pad>", "<s>", "</s>", "<unk>", *dict.fromkeys(special.values())]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=begin, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["user assistant Is there a hat on it? yes no"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=special,
    )


def template(image, begin=""):
    """Return a chat template that writes roles, and an end after answers."""
    return (
        f"{begin}{{%- for m in messages -%}}{{{{ m['role'] + ': ' }}}}"
        "{%- for c in m['content'] -%}{%- if c['type'] == 'image' -%}"
        f"{image}{{%- else -%}}{{{{ c['text'] }}}}{{%- endif -%}}{{%- endfor -%}}"
        "{%- if m['role'] == 'assistant' -%}{{ eos_token }}{%- endif -%}{{ '\\n' }}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ 'assistant:' }}{%- endif -%}"
    )


def llava():
    tokenizer = make_tokenizer(image_token="<image>")
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(tokenizer)},
        image_token_index=tokenizer.image_token_id,
    )
    processor = LlavaProcessor(
        LlavaImageProcessor(size={"shortest_edge": 56}, crop_size=SQUARE),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return LlavaForConditionalGeneration(config), processor


def mof():
    tokenizer = make_tokenizer(image_token="<image>")
    config = tiny_config(
        "clip",
        "dinov2",
        image_token_index=tokenizer.image_token_id,
        text={**MOF_TEXT, "vocab_size": len(tokenizer)},
    )
    processor = make_processor(config, tokenizer, template("<image>"))
    return MofForConditionalGeneration(config), processor


def qwen():
    place, start, end = "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"
    tokenizer = make_tokenizer(
        image_token=place,
        video_token="<|video_pad|>",
        vision_bos_token=start,
        vision_eos_token=end,
    )
    number = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "out_hidden_size": 64,
            "patch_size": 14,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        text_config={**TEXT, "vocab_size": len(tokenizer), "rope_parameters": rope},
        image_token_id=number(place),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number(start),
        vision_end_token_id=number(end),
    )
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=84 * 84),
        tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=template(start + place + end),
    )
    return Qwen2_5_VLForConditionalGeneration(config), processor


def gemma():
    soft, start, end = "<image_soft_token>", "<start_of_image>", "<end_of_image>"
    tokenizer = make_tokenizer(image_token=soft, boi_token=start, eoi_token=end)
    number = tokenizer.convert_tokens_to_ids
    config = Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", **VISION},
        text_config={**TEXT, "vocab_size": len(tokenizer), "head_dim": 16, "sliding_window": 32},
        mm_tokens_per_image=16,
        image_token_index=number(soft),
        boi_token_index=number(start),
        eoi_token_index=number(end),
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size=SQUARE),
        tokenizer,
        image_seq_length=16,
        chat_template=template(start, "{{ bos_token }}"),
    )
    model = Gemma3ForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)  # not 0
    return model, processor


def internvl():
    place = "<IMG_CONTEXT>"
    tokenizer = make_tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token=place,
        video_token="<video>",
    )
    config = InternVLConfig(
        vision_config={**VISION, "image_size": [56, 56], "patch_size": [14, 14]},
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids(place),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=False),
        tokenizer,
        video_processor=InternVLVideoProcessor(),
        image_seq_length=4,
        chat_template=template(place),
    )
    return InternVLForConditionalGeneration(config), processor


def smolvlm():
    place = "<image>"
    tokenizer = make_tokenizer(
        image_token=place,
        fake_image_token="<fake_token_around_image>",
        end_of_utterance_token="<end_of_utterance>",
        global_image_token="<global-img>",
        video_token="<video>",
    )
    config = SmolVLMConfig(
        vision_config=VISION,
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids(place),
        scale_factor=2,
    )
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(
            size={"longest_edge": 56}, max_image_size={"longest_edge": 56}, do_image_splitting=False
        ),
        tokenizer,
        video_processor=SmolVLMVideoProcessor(),
        image_seq_len=4,
        chat_template=template(place),
    )
    return SmolVLMForConditionalGeneration(config), processor


FAMILIES = {made.__name__: made for made in (llava, mof, qwen, gemma, internvl, smolvlm)}


def save(family, folder):
    """Write a model of a family and its processor to a folder, and return it."""
    torch.manual_seed(0)
    model, processor = FAMILIES[family]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
