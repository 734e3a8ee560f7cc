"""The configs of the tiny towers, which transformers does not have.

Put here: model types of our own, under names that the Auto classes know once this is imported.
Keep out: the towers (`modeling_tiny`).
"""

from transformers import AutoConfig, CLIPVisionConfig, Dinov2Config


class TinyClipConfig(CLIPVisionConfig):  # type: ignore[misc] # transformers has no types
    """A CLIP image tower with a convolutional stem."""

    model_type = "mof_tiny_clip"


class TinyDinov2Config(Dinov2Config):  # type: ignore[misc] # transformers has no types
    """A DINOv2 with a convolutional stem."""

    model_type = "mof_tiny_dinov2"


for _config in (TinyClipConfig, TinyDinov2Config):
    # A folder's own copy of this module may be read beside the installed one.
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
