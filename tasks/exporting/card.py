"""The card of a model: what it is, how it was trained, how it scored, how to load it.

Put here: the words of the folder's README.md.
Keep out: the folder (`folder`), beside this file; where the facts come from (`flows.export`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from storage.models import ModelRow
from storage.questions import BENCHMARKS
from storage.scores import ScoreRow

FEATURES: Final[Mapping[str, str]] = {
    "clip": "the tokens of the CLIP alone",
    "ssl": "the tokens of the self-supervised encoder alone",
    "additive": "the weighted sum of both encoders' tokens",
    "interleaved": "the tokens of both encoders in turn, patch by patch",
    "clip-clip": "CLIP's tokens twice in turn, as many as with a second encoder",
    "clip-control": "the tokens of the control CLIP alone",
}

CARD: Final = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
license: mit
tags:
- mixture-of-features
- clip-blind-pairs
---

# {model}

{kind} that sees images through frozen vision encoders: {features}{share}.
{about}

| | |
|---|---|
{facts}

## Load it

Python 3.11 or newer with torch, torchvision, pillow and transformers; the code lies in this folder,
so read it before you allow it to run.

```python
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

processor = AutoProcessor.from_pretrained(FOLDER, trust_remote_code=True)
model = AutoModelForImageTextToText.from_pretrained(FOLDER, trust_remote_code=True)
question = [
    {{"type": "image", "image": Image.open("picture.png")}},
    {{"type": "text", "text": "What is the main object?"}},
]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": question}}],
    add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
)
answer = model.generate(**inputs)[0, inputs["input_ids"].shape[1]:]
print(processor.decode(answer, skip_special_tokens=True))
```

A prompt without the template is `<image>` and the question. Several prompts at once are padded on
the left. The processor gives uint8 pixels; each encoder normalises them itself.

## Training

{trained} The encoders were frozen throughout (Tong et al. 2024,
arXiv:2401.06209; Liu et al. 2023, arXiv:2304.08485). {images:,} images were learnt from.
Settings:

```json
{recipe}
```

## Scores

{scores}

## Licence

The code in this folder and the shipped encoders are under the MIT licence. The other weights learnt
from the images and texts that the training was given; what their owners allow holds for them too.
"""

SMALL: Final = {
    "kind": "A small language model",
    "about": (
        "It is a study object. It knows the words of its training texts and answers in a few of "
        "them."
    ),
    "trained": (
        "The language model was trained on texts alone, then the adapters on captions, then "
        "adapters and\nlanguage model on questions and answers."
    ),
}
LARGE: Final = {
    "kind": "A pretrained language model",
    "about": "It was made of pretrained parts, whose licences hold for its weights.",
    "trained": "The stages are those of the recipe, in its order.",
}
"""What is said of models of the miniature, and of those by recipe."""

HEAD: Final = """\
Accuracy in %, with 95 % intervals. A pair counts when both its questions are answered rightly;
guessing gets {chance:.0f} % of pairs. Images that were asked about were not learnt from.

| benchmark | protocol | answer key | pairs | pair accuracy | question accuracy |
|---|---|---|---|---|---|
"""


def write_card(row: ModelRow, scores: Sequence[ScoreRow]) -> str:
    """Return the card of a model with those of `scores` that are its own."""
    share = (
        "" if row.ssl_share is None else f", of which the SSL encoder's part is {row.ssl_share:g}"
    )
    facts = {
        "features": row.features,
        **{f"encoder `{role}`": f"`{name}`" for role, name in row.facts["encoders"].items()},
        **{f"part `{role}`": f"`{name}`" for role, name in row.facts.get("parts", {}).items()},
        "seed": str(row.seed),
        "steps of the last stage": str(row.steps),
        "sha256 of the weights that were trained": f"`{row.weights}`",
    }
    recipe = row.facts.get("config") or {
        name: row.facts[name] for name in ("recipe", "mixes") if name in row.facts
    }
    return CARD.format(
        model=row.model,
        features=FEATURES[row.features],
        share=share,
        facts="\n".join(f"| {name} | {value} |" for name, value in facts.items()),
        images=row.trained_images,
        recipe=json.dumps(recipe, indent=1, sort_keys=True),
        **(SMALL if row.facts["encoders"] else LARGE),
        scores=_scores([one for one in scores if one.model == row.model and one.pattern is None]),
    )


def _scores(rows: Sequence[ScoreRow]) -> str:
    if not rows:
        return "None in the store yet; `mmvp evaluate` asks the model, then export it again."
    known = list(BENCHMARKS)
    rows = sorted(rows, key=lambda row: (known.index(row.benchmark), row.protocol, row.key))
    return HEAD.format(chance=100 * rows[0].chance) + "\n".join(map(_line, rows))


def _line(row: ScoreRow) -> str:
    cells: list[Any] = [
        BENCHMARKS[row.benchmark],
        row.protocol,
        row.key,
        row.pairs,
        _interval(row.pair_accuracy, row.pair_low, row.pair_high),
        _interval(row.question_accuracy, row.question_low, row.question_high),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
