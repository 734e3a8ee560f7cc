"""How one stage of training goes: how long, on how much at once, at which rate.

Put here: the settings of a stage, and what transformers' Trainer calls them.
Keep out: which models and data (`recipe`); the training (`trainer`).
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["language", "adapter", "instruct", "full"]


class Lora(BaseModel):
    """Low-rank adapters on the language model, instead of training its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rank: int = Field(default=128, ge=1)
    """Rank of an adapter."""

    alpha: int = Field(default=256, ge=1)
    """An adapter counts alpha / rank times."""

    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Share of an adapter's inputs that are left out, by lot."""


class StageSettings(BaseModel):
    """Settings of one stage; they and the data decide every bit, on one kind of machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    stage: Kind
    """language: a language model on text. adapter: the adapters alone. instruct: adapters and
    language model. full: everything."""

    steps: int | None = Field(default=None, ge=1)
    """So many steps; instead of epochs."""

    epochs: float | None = Field(default=None, gt=0)
    """So often through the data; instead of steps."""

    batch: int = Field(ge=1)
    """Conversations a step, over all processes."""

    micro_batch: int | None = Field(default=None, ge=1)
    """Conversations that a process computes at once; empty: all of its part of a step."""

    rate: float = Field(gt=0)
    """Highest learning rate."""

    rest: float = Field(default=0.0, ge=0, lt=1)
    """Share of the rate that the cosine ends at."""

    warm_up: float = Field(default=0.03, ge=0)
    """Below 1 a share of the steps, else a number of steps."""

    decay: float = Field(default=0.0, ge=0)
    """Weight decay of matrices."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW."""

    longest_gradient: float = Field(default=1.0, gt=0)
    """Gradients that are longer are cut to this norm."""

    bfloat16: bool = False
    """Compute in bfloat16, with weights and optimiser in float32."""

    checkpointing: bool = False
    """Compute activations again in the backward pass, for memory."""

    order: Literal["as-given", "alike"] = "as-given"
    """as-given: rows in their order. alike: batches of one length and modality, by lot."""

    loaders: int = Field(default=0, ge=0)
    """Processes that prepare batches, for each process that trains."""

    lora: Lora | None = None
    """Of the stage instruct: train low-rank adapters of the language model, and merge them."""

    sharded: bool = False
    """Part weights, gradients and optimiser over the processes (FSDP2); else each has a copy."""

    save_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; empty: none."""

    tell_every: int = Field(default=100, ge=1)
    """Steps between lines of metrics."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            message = (
                f"stage {self.stage!r} has steps {self.steps} and epochs {self.epochs}; expected "
                f"one of the two"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _adapts_what_it_trains(self) -> Self:
        if self.lora is not None and self.stage != "instruct":
            message = f"stage {self.stage!r} has lora; expected it in the stage 'instruct' alone"
            raise ValueError(message)
        return self

    def deciding(self) -> dict[str, Any]:
        """Return the settings that decide the bits of what is trained, as JSON."""
        return self.model_dump(mode="json", exclude={"loaders", "save_every", "tell_every"})

    def micro(self, processes: int) -> int:
        """Return how many conversations a process computes at once.

        Raises:
            ValueError: if the batch cannot be parted so.
        """
        micro = self.micro_batch or self.batch // processes
        if not micro or self.batch % (micro * processes):
            message = (
                f"batch is {self.batch}; expected a multiple of {processes} processes times "
                f"micro_batch {micro}"
            )
            raise ValueError(message)
        return micro

    def arguments(self, folder: Path | None, *, seed: int, processes: int) -> dict[str, Any]:
        """Return the settings as transformers' TrainingArguments takes them."""
        micro = self.micro(processes)
        return {
            "output_dir": str(folder) if folder else None,
            "max_steps": self.steps or -1,
            "num_train_epochs": self.epochs or 1.0,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": self.batch // (micro * processes),
            "learning_rate": self.rate,
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr_rate": self.rest},
            "warmup_steps": self.warm_up,
            "weight_decay": self.decay,
            "adam_beta1": self.betas[0],
            "adam_beta2": self.betas[1],
            "max_grad_norm": self.longest_gradient,
            "bf16": self.bfloat16,
            "activation_checkpointing": self.checkpointing,
            "dataloader_num_workers": self.loaders,
            # Lance hangs in a process that was forked.
            "dataloader_multiprocessing_context": "forkserver" if self.loaders else None,
            # Text alone leaves towers out; everything else is part of each batch's loss.
            "ddp_find_unused_parameters": self.stage == "full",
            "save_strategy": "steps" if self.save_every else "no",
            "save_steps": self.save_every or 1,
            "logging_steps": self.tell_every,
            "logging_nan_inf_filter": False,
            "seed": seed,
            "data_seed": seed,
            "report_to": [],
            "disable_tqdm": True,
            "remove_unused_columns": False,
            "label_names": ["labels"],
            "dataloader_pin_memory": False,
        }
