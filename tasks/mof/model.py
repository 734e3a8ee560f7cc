"""Put vision towers and a mixer in front of a language model.

Put here: the model without its head: images to tokens, tokens among the words.
Keep out: the head, generation and stages (`modeling_mof`); the towers (`vision`, `mixing`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features (MoF) for MLLM". How images take
the place of their placeholders is LLaVA's, as transformers has it.

Shapes:
    B  images    C  channels: 3    S  side of a canvas    T  towers    N  tokens of a tower
    D  width of a tower's token    L  tokens of an image in the language model    E  its width
    R  rows of text    W  their length
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from torch import Tensor
from transformers import AutoModel, LlavaModel, LlavaPreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .configuration_mof import MofConfig
from .loading import CompleteWeights
from .mixing import MofMixer
from .vision import MofVisionModel

ImageFeatures: TypeAlias = Tensor | Sequence[Tensor]
"""For T towers a tensor (B, T, N, D), or T tensors (B, N, D) of each tower's own N and D."""


class MofModel(CompleteWeights, LlavaModel):  # type: ignore[misc] # transformers has no types
    """Towers, mixer and language model, without the language model's head."""

    config: MofConfig

    def __init__(self, config: MofConfig) -> None:
        LlavaPreTrainedModel.__init__(self, config)  # LlavaModel's would build one tower
        _check_placeholder(config)
        # Not through AutoModel, which does not know our class when it is loaded as remote code.
        self.vision_tower = MofVisionModel._from_config(config.vision_config)
        self.multi_modal_projector = MofMixer(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_image_features(
        self,
        pixel_values: Tensor | None = None,
        image_features: ImageFeatures | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPooling:
        """Return the tokens that stand for each image in the language model.

        Args:
            pixel_values: canvases (B, C, S, S), uint8 in [0, 255] or floating point in [0, 1]; or
            image_features: the towers' features, as `vision_tower(pixel_values).hidden_states`
                holds them: before `feature_norm`, each on its tower's own grid.

        Returns:
            `last_hidden_state` of shape (B, L, E), and in `pooler_output` its B tensors as a list.

        Raises:
            ValueError: if not exactly one of the two is given, if a tower is precomputed and pixels
                are given, or if features do not fit the towers.
        """
        if (pixel_values is None) == (image_features is None):
            found = "neither" if pixel_values is None else "both"
            message = f"found {found} of pixel_values and image_features, expected one of them"
            raise ValueError(message)
        if image_features is None:
            image_features = self.vision_tower(pixel_values).hidden_states
        elif isinstance(image_features, Tensor):
            image_features = _split(image_features)
        tokens_BLE = self.multi_modal_projector(image_features)
        return BaseModelOutputWithPooling(
            last_hidden_state=tokens_BLE, pooler_output=list(tokens_BLE)
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_features: ImageFeatures | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:  # LlavaModel's output
        """Run the language model on text in which image placeholders are replaced by images.

        At most one of `pixel_values`, `image_features` and `mm_encoder_outputs` (what
        `get_image_features` returned, under `image`) says what the images are; all images of the
        batch in the order of their placeholders. The rest goes to `LlavaModel.forward`.

        Raises:
            ValueError: if there are not as many placeholders as image tokens, and as
                `get_image_features` does.
        """
        if image_features is not None:
            if mm_encoder_outputs:
                message = "found both of image_features and mm_encoder_outputs, expected one"
                raise ValueError(message)
            images = self.get_image_features(pixel_values, image_features)
            mm_encoder_outputs, pixel_values = {"image": images}, None
        if self.training and pixel_values is None and not mm_encoder_outputs:
            embeds_RWE = kwargs.pop("inputs_embeds", None)
            if embeds_RWE is None:
                embeds_RWE = self.get_input_embeddings()(input_ids)
            input_ids, kwargs["inputs_embeds"] = None, embeds_RWE + self._no_image(embeds_RWE)
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )

    def _no_image(self, like: Tensor) -> Tensor:
        """Return a zero that depends on every adapter.

        When the processes of a distributed run get a batch without images in one of them, the
        others would wait for its gradients of the adapters for ever.
        """
        features = [
            like.new_zeros(1, tower["grid_size"] ** 2, tower["hidden_size"])
            for tower in self.config.vision_config.towers
        ]
        zero: Tensor = self.multi_modal_projector(features).sum() * 0
        return zero.to(like.device, like.dtype)


def _check_placeholder(config: MofConfig) -> None:
    tokens = config.text_config.vocab_size
    if not 0 <= config.image_token_index < tokens:
        message = (
            f"image_token_index is {config.image_token_index}, expected the number of one of the "
            f"language model's {tokens} tokens; give it room for one more, or name another"
        )
        raise ValueError(message)


def _split(features_BTND: Tensor) -> tuple[Tensor, ...]:
    if features_BTND.ndim != 4:
        message = (
            f"image_features is one tensor of shape {tuple(features_BTND.shape)}, expected "
            f"(images, towers, tokens, width), or a list of one tensor a tower"
        )
        raise ValueError(message)
    return features_BTND.unbind(1)
