"""Say which vision encoder is wanted, in one line of text and a few options.

Put here: `EncoderConfig`, the grammar of its spec, and the words for an unknown name.
Keep out: what a library does with a model's name (one module a library, beside this one).

The grammar is `library:model[/random][@FILE]`.

- The library ends at the first `:`.
- FILE begins at the first `@` that is followed by `/`, `./`, `../` or `~`; where there is none, at
  the last `@`, and then only if what follows ends like a weights file (`WEIGHT_SUFFIXES`). Any
  other `@` belongs to the model, so a file whose path holds an `@` is written with its full path.
- A last part `random` asks for the architecture with weights from a fixed seed. A folder that is
  itself called `random` is written with a slash at its end.
- The rest is the model, in its library's own words, for open_clip with the tag of its weights.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, field_validator

WEIGHT_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")

Device = Literal["cpu", "cuda"]


class EncoderConfig(BaseModel):
    """Which encoder turns images into vectors, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    spec: str
    """Encoder as library:model[/weights][@FILE], for instance open_clip:ViT-L-14/openai,
    hf:facebook/dinov2-large, timm:resnet18.a1_in1k, tiny:clip. FILE is a local weights file; a last
    part 'random' means untrained weights from a fixed seed."""

    image_px: int | None = Field(default=None, ge=8, le=4096)
    """Side of the square input in pixels; empty: the model's own. The paper leaves it open."""

    pooling: Literal["default", "cls", "mean"] = "default"
    """What stands for the whole image. default: the projected image embedding of a CLIP, the
    final-norm CLS token of a self-supervised transformer, the pooled features of a convnet. cls or
    mean (of the patch tokens): for self-supervised transformers and timm models."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Precision of weights and computation; vectors are stored as float16 whatever it is."""

    backend: Literal["torch", "openvino"] = "torch"
    """What runs the model. openvino: faster on a CPU, for float32 and bfloat16; needs the extra of
    that name."""

    batch_images: int | None = Field(default=None, ge=4, le=4096)
    """Images in one forward pass. Passes are always filled up, so that an image's vector never
    depends on how many others came with it. Empty: 16 on a CPU and 128 on a GPU, and more where
    that is faster and gives the same bits. The number is part of the encoder's identity."""

    allow_pickle: bool = False
    """Read weights that are not safetensors, with torch.load(weights_only=True)."""

    trust_remote_code: bool = False
    """Run Python code that comes with a Hugging Face model. Only for models you trust."""

    @field_validator("spec")
    @classmethod
    def _follows_the_grammar(cls, spec: str) -> str:
        parse_spec(spec)
        return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A spec taken apart; `text` is the whole."""

    text: str
    library: str
    model: str
    is_random: bool
    file: Path | None


def parse_spec(text: str) -> Spec:
    """Take a spec apart; whether the library and the model exist is not asked.

    Raises:
        ValueError: if `text` does not follow the grammar.
    """
    library, colon, rest = text.partition(":")
    model, file = _split_file(rest)
    is_random = model.endswith("/random")
    model = model.removesuffix("/random")
    if not (colon and library and model):
        message = (
            f"encoder {text!r} does not read library:model[/weights][@FILE]; "
            f"for instance 'open_clip:ViT-L-14/openai', 'hf:facebook/dinov2-large' or 'tiny:clip'"
        )
        raise ValueError(message)
    if is_random and file is not None:
        message = f"encoder {text!r} asks for random weights and for a file; leave one of them out"
        raise ValueError(message)
    return Spec(text=text, library=library, model=model, is_random=is_random, file=file)


def refuse(thing: str, name: str, known: Collection[str], *, hint: str = "") -> NoReturn:
    """Refuse a `name` that is not among the `known`.

    Raises:
        ValueError: always; the message has the nearest names and some of the others.
    """
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else ";"
    listed = ", ".join(sorted(known)[:12]) + (", ..." if len(known) > 12 else "")
    message = f"no {thing} is called {name!r}{guess} known: {listed or 'none'}{hint}"
    raise ValueError(message)


def _split_file(rest: str) -> tuple[str, Path | None]:
    start = re.search(r"@(?=/|\./|\.\./|~)", rest)
    if start:
        return rest[: start.start()], Path(rest[start.end() :]).expanduser()
    model, at, file = rest.rpartition("@")
    if at and file.endswith(WEIGHT_SUFFIXES):
        return model, Path(file)
    return rest, None
