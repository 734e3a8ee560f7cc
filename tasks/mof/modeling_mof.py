"""The Mixture-of-Features model that writes text about images, on top of transformers' LLaVA.

Put here: the model with its head, what is trained in which stage, assembling from pretrained parts.
Keep out: the model without a head (`model`), reading weights (`loading`), training.

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features (MoF) for MLLM". Generation, loss
and files are LLaVA's, as transformers has them.

Shapes:
    R  rows of text    W  their length
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration, LlavaPreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .configuration_mof import MofConfig
from .loading import CompleteWeights, Part, load_parts
from .model import ImageFeatures, MofModel

Stage: TypeAlias = Literal["adapter", "instruct", "full"]

PROJECTORS: Final = "model.multi_modal_projector."
LANGUAGE: Final = ("model.language_model.", "lm_head.")
TRAINED: Final[dict[str, tuple[str, ...]]] = {
    "adapter": (PROJECTORS,),
    "instruct": (PROJECTORS, *LANGUAGE),
    "full": ("",),
}
"""Which parameters a stage trains, by the start of their names."""


class MofForConditionalGeneration(CompleteWeights, LlavaForConditionalGeneration):  # type: ignore[misc]
    """A Mixture-of-Features model that writes text about images."""

    config: MofConfig

    def __init__(self, config: MofConfig) -> None:
        LlavaPreTrainedModel.__init__(self, config)  # LLaVA's own would build its own model
        text = config.text_config
        self.model = MofModel(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    def forward(  # noqa: PLR0913 # generate and Trainer look for these names
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        image_features: ImageFeatures | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:  # LlavaForConditionalGeneration's output
        """Return logits (R, W, vocabulary), and the loss when there are `labels`.

        Args:
            input_ids: text of shape (R, W), with `image_seq_length` placeholders an image.
            pixel_values: see `MofModel.get_image_features`, as for `image_features`.
            attention_mask: of shape (R, W), 0 for padding on either side.
            position_ids: of shape (R, W), counted from the mask by `generate`.
            image_features: instead of pixels; the only way when a tower is precomputed.
            labels: of shape (R, W), -100 where nothing is to be learned; the loss is the mean
                cross-entropy of each next token.
            logits_to_keep: only that many last positions; 0 for all.
            mm_encoder_outputs: instead of both, what `get_image_features` returned, under `image`.
            kwargs: for `LlavaForConditionalGeneration.forward`.

        Raises:
            ValueError: as `MofModel.forward` does.
        """
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            image_features=image_features,
            labels=labels,
            logits_to_keep=logits_to_keep,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )

    def get_image_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See `MofModel.get_image_features`."""
        return self.model.get_image_features(*args, **kwargs)

    @torch.no_grad()
    def generate(
        self, *args: Any, image_features: ImageFeatures | None = None, **kwargs: Any
    ) -> Any:
        """Generate as transformers does, also from `image_features` instead of pixels.

        Rows of different length are padded on the left.

        Raises:
            ValueError: as `MofModel.get_image_features` does.
        """
        if image_features is not None:
            # transformers' generate encodes pixels beforehand, and drops what it takes for the
            # other arguments of the encoder.
            if kwargs.get("mm_encoder_outputs"):
                message = "found both of image_features and mm_encoder_outputs, expected one"
                raise ValueError(message)
            images = self.get_image_features(kwargs.pop("pixel_values", None), image_features)
            kwargs["mm_encoder_outputs"] = {"image": images}
        return super().generate(*args, **kwargs)

    def set_stage(self, stage: Stage) -> int:
        """Choose what is trained, and return the number of parameters that are.

        `adapter`: the projectors, the paper's first stage. `instruct`: the projectors and the
        language model, its second. `full`: everything, the towers too. Towers that are not trained
        are put in evaluation mode and stay in it.

        With `full` every process of a distributed run needs an image in every batch: what keeps the
        projectors in the graph of a batch of text does not do so for the towers.

        Raises:
            ValueError: if there is no such stage.
        """
        if stage not in TRAINED:
            message = f"stage is {stage!r}, expected one of {', '.join(TRAINED)}"
            raise ValueError(message)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith(TRAINED[stage]))
        self.train(self.training)
        return sum(each.numel() for each in self.parameters() if each.requires_grad)

    @classmethod
    def from_parts(
        cls,
        config: MofConfig,
        text_model: Part,
        towers: Sequence[Part | None],
        *,
        vocabulary: int | None = None,
        **options: Any,
    ) -> "MofForConditionalGeneration":
        """Assemble a model from pretrained parts; only the projectors are new.

        Their weights come from torch's random state. There is no second copy of a part in memory: a
        module that is given becomes part of the model.

        Args:
            config: its mode, projectors and towers count; what it says of the text model is
                replaced by that model's own config.
            text_model: a causal language model, or the folder or hub name of one.
            towers: in the config's order, each a vision model or the folder or hub name of one (of
                a whole CLIP, its vision half is taken), None where the config is None.
            vocabulary: tokens of the tokenizer. A smaller embedding grows to it, rounded up to a
                multiple of 64.
            options: for `from_pretrained` of parts that are read, like `dtype`. They are read from
                safetensors, unless `use_safetensors` says otherwise.

        Raises:
            ValueError: if the towers are not the config's, or weights of a part are missing.
            OSError: if a part has no weights as safetensors.
        """
        parts = load_parts(config, text_model, towers, vocabulary=vocabulary, options=options)
        with torch.device("meta"):
            model = cls(parts.config)
        model.model.language_model = parts.language.base_model
        model.lm_head = parts.language.get_output_embeddings()
        for name, tower in parts.towers.items():
            model.model.vision_tower.towers[name] = tower
        device, dtype = parts.language.device, parts.language.dtype
        mixer = model.model.multi_modal_projector.to_empty(device=device).to(dtype)
        mixer.apply(model.model._init_weights)  # as in a model that is built from a config
        if parts.language.can_generate():
            model.generation_config = parts.language.generation_config
        model.tie_weights()
        return model.eval()  # type: ignore[no-any-return] # as from_pretrained leaves it
