"""Frozen vision encoders, by name: images in, unit vectors out.

Put here: what turns a spec such as `open_clip:ViT-L-14/openai` into vectors and a fingerprint.
Keep out: storing vectors (`storage.embeddings`), comparing them (`tasks.mining`).

Importing this package imports no model library; that happens when an encoder is looked up.
"""

from tasks.encoders.encoder import Encoder, EncoderIdentity
from tasks.encoders.identity import (
    check_name,
    check_tokens,
    count_parameters,
    has_texts,
    identify,
    identify_texts,
    load,
    load_texts,
    load_tokens,
)
from tasks.encoders.parts import TextEncoder, TokenEncoder
from tasks.encoders.specs import EncoderConfig

__all__ = [
    "Encoder",
    "EncoderConfig",
    "EncoderIdentity",
    "TextEncoder",
    "TokenEncoder",
    "check_name",
    "check_tokens",
    "count_parameters",
    "has_texts",
    "identify",
    "identify_texts",
    "load",
    "load_texts",
    "load_tokens",
]
