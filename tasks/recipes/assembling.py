"""From a recipe to a model that can be trained: its parts read, its adapters new.

Put here: which config a recipe stands for, the tokenizer with a token for images.
Keep out: reading parts (`tasks.mof.loading`), training (`tasks.training`).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import torch
from transformers import AutoConfig, AutoTokenizer, LlavaProcessor, PreTrainedTokenizerBase

from tasks.exporting.model import AUTO_MAP, make_processor
from tasks.mof import MofConfig, MofForConditionalGeneration, describe_tower
from tasks.mof.towers import Tower
from tasks.recipes.recipe import Recipe, TowerRecipe, template_text
from tasks.training.conversation import IMAGE_PLACE
from tasks.training.recipe import TOWERS, Features, role_of

LANGUAGE: Final = "language"
SHIPPED: Final = "tiny:"


class Assembled(NamedTuple):
    """A model with new adapters, and the processor that feeds it."""

    model: MofForConditionalGeneration
    processor: LlavaProcessor

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The language model's tokenizer, which knows `<image>`."""
        return self.processor.tokenizer


def assemble(
    recipe: Recipe,
    features: Features = "interleaved",
    *,
    ssl_share: float = 0.5,
    places: Mapping[str, str] | None = None,
    seed: int = 0,
    allow_pickle: bool = False,
    dtype: str = "float32",
) -> Assembled:
    """Return the model of a recipe before its first stage.

    Args:
        recipe: which parts.
        features: what the language model sees of them.
        ssl_share: of the features `additive`.
        places: folders or hub names to take parts from instead, by the role of a tower, or
            `language`.
        seed: of the adapters' weights.
        allow_pickle: read parts that have no safetensors, with torch.load(weights_only=True).
        dtype: of the whole model.

    Raises:
        ValueError: if the recipe lacks a tower, its parts do not fit together, or it is trained on
            what was computed beforehand and so has no parts to read.
        OSError: if a part is not there, or has no weights as safetensors.
    """
    found = {LANGUAGE: recipe.language.model, **{t.role: t.place for t in recipe.towers}}
    found |= _known(places or {}, found)
    text = found[LANGUAGE]
    roles = [role_of(name) for name in TOWERS[features]]
    shipped = [role for role in roles if recipe.tower(role) and _is_shipped(found[role])]
    if text is None or shipped:
        what = "a new language model" if text is None else f"the shipped {found[shipped[0]]}"
        message = (
            f"recipe {recipe.name!r} has {what}, which `mmvp train` itself makes; to assemble a "
            f"model give folders or hub names of pretrained parts, as places or in the recipe"
        )
        raise ValueError(message)
    tokenizer = _tokenizer(text)
    towers = [_tower(recipe, name, found) for name in TOWERS[features]]
    options: dict[str, Any] = {"dtype": dtype}
    if allow_pickle:
        options["use_safetensors"] = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MofForConditionalGeneration.from_parts(
            _config(recipe, features, ssl_share, towers, text, tokenizer),
            text,
            [found[role] for role in roles],
            vocabulary=len(tokenizer),
            **options,
        )
    model.config.auto_map = dict(AUTO_MAP)
    last = list(recipe.stages.values())[-1]
    template = template_text(last.template)
    return Assembled(model, make_processor(model.config, tokenizer, template, pads=last.pad))


def _known(places: Mapping[str, str], found: Mapping[str, str | None]) -> Mapping[str, str]:
    unknown = sorted(places.keys() - found.keys())
    if unknown:
        message = f"no part {unknown[0]!r} to take from a place; expected one of {', '.join(found)}"
        raise ValueError(message)
    return places


def _is_shipped(place: str | None) -> bool:
    return place is not None and place.startswith(SHIPPED)


def _tokenizer(place: str) -> PreTrainedTokenizerBase:
    """Return a language model's tokenizer with a token for an image, and one to pad with."""
    known = AutoTokenizer.from_pretrained(place).extra_special_tokens
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        place, padding_side="left", extra_special_tokens={"image_token": IMAGE_PLACE}
    )
    if known:  # which naming the image's token has replaced
        extra = {"extra_special_tokens": known}
        tokenizer.add_special_tokens(extra, replace_extra_special_tokens=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _tower(recipe: Recipe, name: str, found: Mapping[str, str | None]) -> Tower:
    said = recipe.tower(role_of(name))
    fields: dict[str, Any] = {
        "feature_layer": said.feature_layer,
        "feature_norm": said.feature_norm,
        "image_size": said.image_px,
        "patch_size": said.patch_px,
    }
    tower = describe_tower(name, str(found[said.role]), **_given(fields))
    if said.statistics_of is not None:
        tower |= _statistics(recipe.tower(said.statistics_of), found, recipe.canvas_px)
    return tower


def _statistics(said: TowerRecipe, found: Mapping[str, str | None], canvas_px: int) -> Tower:
    """Return mean and standard deviation of another tower's pixels."""
    fields = _given({"image_size": said.image_px, "patch_size": said.patch_px})
    tower = describe_tower(said.role, str(found[said.role]), **fields)
    whole = MofConfig(vision_config={"canvas_size": canvas_px, "towers": [tower]})
    return {field: whole.vision_config.towers[0][field] for field in ("mean", "std")}


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _config(  # each is one choice
    recipe: Recipe,
    features: str,
    ssl_share: float,
    towers: list[Tower],
    text: str,
    tokenizer: PreTrainedTokenizerBase,
) -> MofConfig:
    language = AutoConfig.from_pretrained(text)
    fields = language.to_dict()
    fields["vocab_size"] = max(len(tokenizer), fields["vocab_size"])
    return MofConfig(
        vision_config={"canvas_size": recipe.canvas_px, "towers": towers},
        text_config=fields,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_PLACE),
        mode="additive" if features == "additive" else "interleaved",
        ssl_share=ssl_share,
        projector_layers=recipe.projector_layers,
        tie_word_embeddings=language.tie_word_embeddings,
        **{name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")},
        pad_token_id=tokenizer.pad_token_id,
    )
