"""Train a stage for some steps: tokens and images a second, and the share of the machine's peak.

Run it with `OMP_NUM_THREADS=1 python -m benchmarks.train`; on a GPU with `--device cuda`.

The model has random weights: on a CPU small towers and a language model of 17 million numbers; on a
GPU one of 1.3 billion with CLIP's and DINOv2's ViT-L/14 at 224 pixels, in bfloat16 with activation
checkpointing. `share of peak` is the model's operations, as `tasks.training.forecast` counts them,
over those of torch's own product of matrices: on a CPU per CPU second, on a GPU per second. What is
measured is a whole step by the Trainer of ours, batches and optimiser included. One GPU says
nothing of sharding.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from typing import Any

import torch
from transformers import TrainerCallback

from benchmarks.measuring import gemm_peak, parser_of, read_options, show
from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.mof.towers import PAPER_TOWERS
from tasks.training.forecast import DEVICES, Rows, forecast
from tasks.training.learning import prepare
from tasks.training.settings import StageSettings
from tasks.training.trainer import train_stage

TEXT_TOKENS = 64
PAD, IMAGE, FIRST = 0, 5, 6
WARM_UP = 2
_TOWER = {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "patch_size": 14}
SMALL = (
    {"name": "clip", "config": {"model_type": "clip_vision_model", **_TOWER, "image_size": 112}},
    {"name": "dinov2", "config": {"model_type": "dinov2", **_TOWER, "image_size": 112}},
)
WORDS = {
    "cpu": {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6, "heads": 6},
    "cuda": {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22, "heads": 32},
}


class Drawn:
    """Rows of a picture and text by lot; with `features` the towers' tokens instead of pixels."""

    def __init__(self, config: MofConfig, count: int, *, features: bool) -> None:
        lot = torch.Generator().manual_seed(0)
        side, image = config.vision_config.canvas_size, [IMAGE] * config.image_seq_length
        words = config.text_config.vocab_size
        texts = torch.randint(FIRST, words, (count, TEXT_TOKENS), generator=lot).tolist()
        self.texts = [[*image, *text] for text in texts]
        self.shown = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=lot)
        self.tokens = [
            torch.randn(1, tower["grid_size"] ** 2, tower["hidden_size"], generator=lot)
            for tower in config.vision_config.towers
        ]
        self.features = features
        self.lengths, self.has_image = [len(text) for text in self.texts], [True] * count

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, number: int) -> dict[str, Any]:
        ids = self.texts[number]
        labels = [word if word != IMAGE else -100 for word in ids]
        images = {"image_features": self.tokens} if self.features else {"pixel_values": self.shown}
        return {"input_ids": ids, "labels": labels, **images}


class Clock(TrainerCallback):  # type: ignore[misc]
    """Times the steps after the first."""

    def __init__(self, device: str) -> None:
        self.now = time.process_time if device == "cpu" else time.perf_counter
        self.device = device
        self.begun = self.seconds = 0.0
        self.steps = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        if state.global_step == WARM_UP:
            self.begun = self.now()
        self.seconds, self.steps = self.now() - self.begun, state.global_step - WARM_UP


def make_config(device: str) -> MofConfig:
    """Return the model's config, interleaved."""
    text = dict(WORDS[device])
    heads = text.pop("heads")
    vision = {"canvas_size": 112, "towers": SMALL}
    if device == "cuda":
        vision = {"canvas_size": 224, "towers": PAPER_TOWERS}
    return MofConfig(
        vision_config=vision,
        text_config={
            "model_type": "llama",
            **text,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "vocab_size": 8000 if device == "cpu" else 32_000,
        },
        image_token_index=IMAGE,
    )


def measure(
    options: argparse.Namespace, stage: Any, micro: int, *, features: bool
) -> dict[str, Any]:
    """Return the rates of one stage at one micro-batch."""
    device, config = options.device, make_config(options.device)
    settings = StageSettings(
        stage=stage,
        steps=options.steps + WARM_UP,
        batch=micro,
        rate=1e-4,
        bfloat16=device == "cuda",
        checkpointing=device == "cuda",
    )
    torch.manual_seed(0)
    model = MofForConditionalGeneration(config)
    prepared = prepare(model, settings)
    data = Drawn(config, settings.batch * (settings.steps or 0), features=features)
    clock = Clock(device)
    train_stage(prepared, data, settings, pad=PAD, seed=0, device=device, callbacks=[clock])
    rows = clock.steps * micro / clock.seconds
    found = forecast(config, settings, Rows(1, text_tokens=TEXT_TOKENS), DEVICES["h100"])
    live = found.flop_per_row if not features else found.flop_per_row - _towers(config, model)
    return {
        "stage": stage,
        "images from": "features" if features else "pixels",
        "micro-batch": micro,
        "tokens/s": rows * found.tokens_per_row,
        "images/s": rows,
        "GFLOP/s": rows * live / 1e9,
        "share of peak": rows * live / 1e9 / options.peak,
    }


def _towers(config: MofConfig, model: MofForConditionalGeneration) -> float:
    """Return the operations of the frozen towers on an image."""
    size = sum(parameter.numel() for parameter in model.model.vision_tower.parameters())
    towers = config.vision_config.towers
    return 2.0 * size * sum(tower["grid_size"] ** 2 for tower in towers) / len(towers)


def cuda_peak() -> float:
    """Return the GFLOP a second of torch's product of matrices in bfloat16 on the GPU."""
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in "ab")
    best = float("inf")
    for _ in range(20):
        begun = time.perf_counter()
        torch.mm(left, right)
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return 2 * 8192**3 / best / 1e9


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__, steps=4)
    parser.add_argument("--device", choices=sorted(WORDS), default="cpu")
    parser.add_argument("--micro", type=int, nargs="+", default=[2, 8], metavar="N")
    options = read_options(parser)
    torch.set_num_threads(1)
    options.peak = gemm_peak() if options.device == "cpu" else cuda_peak()
    rows = [
        measure(options, stage, micro, features=features)
        for stage in ("adapter", "instruct")
        for features in (False, True)
        for micro in options.micro
    ]
    title = f"training on {options.device}; peak {options.peak:,.0f} GFLOP/s"
    show(title, rows, options)


if __name__ == "__main__":
    main()
