"""The checkpoint that the paper's authors released, as a model that transformers alone can load.

Put here: its layout and what our model calls the same weights.
Keep out: the folder (`folder`) and the processor (`model`), beside this file.

It is a LLaVA-1.5 with two adapters, `mm_projector` for CLIP and `dino_mm_projector` for DINOv2, and
without a token for an image. Its encoders are not in it: CLIP is transformers' own, DINOv2 was
fetched when it ran. DINOv2 was fed CLIP's normalisation, and the adapter learnt from that, so its
tower here has CLIP's mean and standard deviation.

Source: Tong et al. 2024 (arXiv:2401.06209), Interleaved MoF, and its released code.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tasks.exporting.model import AUTO_MAP, Whole, make_processor
from tasks.mof import MofConfig, MofForConditionalGeneration, describe_tower
from tasks.mof.loading import check_weights

ADAPTERS: Final = {"clip": "model.mm_projector.", "dinov2": "model.dino_mm_projector."}
"""The start of the names of each tower's adapter; both are whole parts of a name, so that neither
is read for the other."""

LEFT_OUT: Final = re.compile(r"model\.(dino_)?(vision_)?tower\.|.*\.rotary_emb\.inv_freq$")
"""Weights that come from the towers' own places, or are computed."""

IMAGE_TOKEN: Final = "<image>"
CHAT_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{{ 'ASSISTANT:' }}{%- generation -%}{{ ' ' }}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}{{ part['text'] }}{%- endfor -%}{%- endif -%}"
    "{{ eos_token }}{%- endgeneration -%}"
    "{%- else -%}{%- if message['role'] == 'user' -%}{{ 'USER: ' }}{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{ '<image>\n' }}{%- else -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{{ ' ' }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"
)
"""Vicuna's; a system message, which that model learnt with, is the user's to give."""

CARD: Final = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
license: other
tags:
- mixture-of-features
---

# {name}, converted

The Interleaved-MoF checkpoint {name}, made into one folder with its encoders {clip} and {dinov2}.
Both encoders see pixels with CLIP's normalisation, as in the code that it was released with.
`AutoProcessor` and `AutoModelForImageTextToText` load it with `trust_remote_code=True`. The code in
this folder is under the MIT licence; the weights are under the licences of where they come from.
"""


class Released(NamedTuple):
    """The weights of a released checkpoint, by what they are, and its config.json."""

    settings: Mapping[str, Any]
    language: dict[str, Tensor]
    adapters: dict[str, Tensor]
    left_out: list[str]


def convert(
    checkpoint: Path, clip: str, dinov2: str, *, allow_pickle: bool = False, dtype: str = "bfloat16"
) -> Whole:
    """Return a released checkpoint as a model with its encoders, and its processor.

    Args:
        checkpoint: Its folder.
        clip: Folder or hub name of the CLIP that it was trained with.
        dinov2: The same for DINOv2, as transformers has it.
        allow_pickle: Read weights that are not safetensors, with torch.load(weights_only=True).
        dtype: Of the model that is made.

    Raises:
        ValueError: if the checkpoint has another layout, or weights are missing.
    """
    read = _read(checkpoint, allow_pickle=allow_pickle)
    tokenizer = _tokenizer(checkpoint)
    # No second copy of the language model: the tensors that were read become its own.
    language, info = LlamaForCausalLM.from_pretrained(
        None,
        config=_text_config(read.settings),
        state_dict=read.language,
        dtype=dtype,
        output_loading_info=True,
    )
    check_weights(str(checkpoint), missing=info["missing_keys"], unexpected=info["unexpected_keys"])
    config = _config(read, language.config, clip, dinov2, tokenizer)
    model = MofForConditionalGeneration.from_parts(
        config, language, [clip, dinov2], vocabulary=len(tokenizer), dtype=dtype
    )
    mixer = model.model.multi_modal_projector
    ours, theirs = mixer.state_dict().keys(), read.adapters.keys()
    check_weights(str(checkpoint), missing=ours - theirs, unexpected=theirs - ours)
    mixer.load_state_dict(read.adapters)
    model.config.auto_map = dict(AUTO_MAP)
    pads = read.settings.get("image_aspect_ratio") == "pad"
    return Whole(model, make_processor(model.config, tokenizer, CHAT_TEMPLATE, pads=pads))


def _read(checkpoint: Path, *, allow_pickle: bool) -> Released:
    try:
        settings = json.loads((checkpoint / "config.json").read_text())
    except (OSError, ValueError) as error:
        message = f"{str(checkpoint)!r} has no config.json that can be read: {error}"
        raise ValueError(message) from error
    read = Released(settings, {}, {}, [])
    for name, tensor in _tensors(checkpoint, allow_pickle=allow_pickle):
        tower = next((each for each, start in ADAPTERS.items() if name.startswith(start)), None)
        if tower is not None:
            rest = name.removeprefix(ADAPTERS[tower])
            read.adapters[f"projectors.{tower}.{rest}"] = tensor
        elif LEFT_OUT.match(name):
            read.left_out.append(name)
        else:
            read.language[name] = tensor
    for tower, start in ADAPTERS.items():
        if not any(name.startswith(f"projectors.{tower}.") for name in read.adapters):
            message = (
                f"{str(checkpoint)!r} has no weights {start}*; expected a LLaVA-1.5 with two "
                f"adapters, {' and '.join(ADAPTERS.values())}"
            )
            raise ValueError(message)
    return read


def _tensors(checkpoint: Path, *, allow_pickle: bool) -> Iterator[tuple[str, Tensor]]:
    files = sorted(checkpoint.glob("*.safetensors"))
    if files:
        for file in files:
            yield from load_file(file).items()
        return
    files = sorted(checkpoint.glob("pytorch_model*.bin"))
    if not files or not allow_pickle:
        found = f"only pickled ones like {files[0].name}; set allow_pickle" if files else "none"
        message = f"{str(checkpoint)!r} has no weights as safetensors, found {found}"
        raise ValueError(message)
    for file in files:
        yield from torch.load(file, map_location="cpu", weights_only=True, mmap=True).items()


def _text_config(settings: Mapping[str, Any]) -> LlamaConfig:
    known = LlamaConfig().to_dict().keys() - {"model_type", "architectures", "dtype"}
    known |= {"rope_theta", "rope_scaling"}  # what positions were called in older files
    given = {name: value for name, value in settings.items() if name in known}
    return LlamaConfig(**{name: value for name, value in given.items() if value is not None})


def _config(
    read: Released,
    text: LlamaConfig,
    clip: str,
    dinov2: str,
    tokenizer: PreTrainedTokenizerFast,
) -> MofConfig:
    kind = read.settings.get("mm_projector_type", "linear")
    layers = re.fullmatch(r"mlp(\d+)x_gelu", kind)
    if kind != "linear" and layers is None:
        message = f"mm_projector_type is {kind!r}, expected 'linear' or mlpNx_gelu"
        raise ValueError(message)
    first = describe_tower(
        "clip", clip, feature_layer=read.settings.get("mm_vision_select_layer", -2)
    )
    side = first["config"].image_size
    second = describe_tower("dinov2", dinov2, feature_layer=-1)
    fields = text.to_dict()
    fields["vocab_size"] = max(len(tokenizer), fields["vocab_size"])
    return MofConfig(
        vision_config={
            "canvas_size": side,
            "towers": [first, second],
            "reference_pixels": "clip",
        },
        text_config=fields,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        mode="interleaved",
        projector_layers=int(layers[1]) if layers else 1,
        tie_word_embeddings=text.tie_word_embeddings,
        **{name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")},
        pad_token_id=tokenizer.pad_token_id,
    )


def _tokenizer(checkpoint: Path) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(
        checkpoint, padding_side="left"
    )
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token
    return tokenizer


def write_card(name: str, clip: str, dinov2: str) -> str:
    """Return the card of a converted checkpoint, which lay under `name`."""
    return CARD.format(name=name, clip=clip, dinov2=dinov2)
