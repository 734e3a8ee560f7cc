"""Mixture-of-Features: language models that see through several vision encoders at once.

Put here: the model family and its configs, usable alone with torch and transformers.
Keep out: training, prompts, data (other modules of `tasks`); Prefect and storage.

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features (MoF) for MLLM".

Importing this package registers the model with transformers, so that `AutoConfig`, `AutoModel` and
`AutoModelForImageTextToText` read a saved folder. The modules import one another relatively,
because transformers copies a model's code next to its weights by following such imports.
"""

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

from .configuration_mof import MofConfig, MofVisionConfig
from .loading import describe_tower
from .mixing import MofMixer
from .model import MofModel
from .modeling_mof import MofForConditionalGeneration
from .vision import MofVisionModel

AutoConfig.register(MofVisionConfig.model_type, MofVisionConfig)
AutoConfig.register(MofConfig.model_type, MofConfig)
AutoModel.register(MofVisionConfig, MofVisionModel)
AutoModel.register(MofConfig, MofModel)
AutoModelForImageTextToText.register(MofConfig, MofForConditionalGeneration)

__all__ = [
    "MofConfig",
    "MofForConditionalGeneration",
    "MofMixer",
    "MofModel",
    "MofVisionConfig",
    "MofVisionModel",
    "describe_tower",
]
