"""A trained model with its encoders put back, and the processor that feeds it.

Put here: models of `tasks.training`, whose towers are precomputed, made whole.
Keep out: towers (`towers`), files (`folder`), beside this file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.llava.image_processing_llava import LlavaImageProcessor

from tasks.encoders import EncoderConfig
from tasks.exporting.towers import tower_of
from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.training.recipe import role_of
from tasks.training.words import BEGIN, CHAT_TEMPLATE, END, MOST_ANSWER_TOKENS, PAD, SPECIAL

AUTO_MAP: Final = {
    "AutoConfig": "configuration_mof.MofConfig",
    "AutoModel": "modeling_mof.MofModel",
    "AutoModelForImageTextToText": "modeling_mof.MofForConditionalGeneration",
}


class Whole(NamedTuple):
    """A model that sees images, and what turns images and texts into its input."""

    model: MofForConditionalGeneration
    processor: LlavaProcessor


def make_whole(folder: Path, encoders: Mapping[str, EncoderConfig]) -> Whole:
    """Return the model of a folder with its encoders, given by role, as towers.

    Raises:
        ValueError: if an encoder cannot travel with a model, or the folder's weights do not fit.
    """
    trained = MofForConditionalGeneration.from_pretrained(folder)
    if not trained.config.vision_config.precomputed:  # one by recipe, which has its encoders
        return Whole(trained.eval(), AutoProcessor.from_pretrained(folder))
    state = trained.state_dict()
    fields = trained.config.to_dict()
    vision = fields["vision_config"]
    for tower in vision["towers"]:
        module = tower_of(encoders[role_of(tower["name"])])
        tower |= {"config": module.config.to_dict(), "image_size": None, "patch_size": None}
        start = f"model.vision_tower.towers.{tower['name']}."
        state |= {start + name: tensor for name, tensor in module.state_dict().items()}
    vision["canvas_size"] = module.config.image_size
    model = MofForConditionalGeneration(MofConfig.from_dict(fields))
    model.load_state_dict(state)
    model.config.auto_map = dict(AUTO_MAP)
    model.generation_config = GenerationConfig(
        bos_token_id=BEGIN,
        eos_token_id=END,
        pad_token_id=PAD,
        do_sample=False,
        max_new_tokens=MOST_ANSWER_TOKENS + 1,
    )
    return Whole(model.eval(), make_processor(model.config, _tokenizer(folder)))


def make_processor(
    config: MofConfig,
    tokenizer: PreTrainedTokenizerFast,
    chat_template: str = CHAT_TEMPLATE,
    *,
    pads: bool = False,
) -> LlavaProcessor:
    """Return LLaVA's processor for a model: it delivers a canvas that is not normalised yet.

    Of an image that is no square it takes the middle; if it `pads`, the whole of it.
    """
    side, grid = config.vision_config.canvas_size, config.vision_config.grid_size
    pictures = LlavaImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        do_pad=pads,
        do_rescale=False,
        do_normalize=False,
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=side // grid,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=config.image_seq_length - grid**2,
        chat_template=chat_template,
    )


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(
        folder,
        padding_side="left",  # of prompts that are answered together
    )
    begin = SPECIAL[BEGIN]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, BEGIN)]
    )
    return tokenizer
