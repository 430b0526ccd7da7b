"""How the weights are trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

DevMetric = Literal["chrf", "bleu", "chrf++", "ter", "rouge", "meteor", "eval_loss"]
"""What the dev set can be asked for while a model is trained."""


class TrainerConfig(BaseModel):
    """How the weights are trained (``conf/trainer/``): HF TrainingArguments' own names and units.

    The fields below are those with bounds or defaults of ours; any other field of the class that
    trains the model (``SFTConfig`` or ``Seq2SeqTrainingArguments``) may stand beside them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    learning_rate: PositiveFloat
    max_steps: PositiveInt | None = None
    """Optimiser steps; null trains for ``num_train_epochs``."""
    num_train_epochs: PositiveFloat = 3.0
    per_device_train_batch_size: PositiveInt = 8
    per_device_eval_batch_size: PositiveInt = 16
    gradient_accumulation_steps: PositiveInt = 1
    processes: PositiveInt = 1
    """Processes that train a run together, each on a GPU of its own (or on a share of the cores); a
    step then takes so many times the pairs: ``per_device_train_batch_size`` x
    ``gradient_accumulation_steps`` x ``processes``."""
    gradient_checkpointing: bool = False
    max_length: PositiveInt | None = 1024
    """Tokens of prompt + completion (decoder-only), or of each side (encoder-decoder); longer pairs
    are left out of training and counted, because a cut one would teach not to stop."""
    logging_steps: PositiveInt = 10
    eval_steps: PositiveInt | None = None
    """Optimiser steps between two dev losses; null takes one at the end of each epoch."""
    metric_for_best_model: DevMetric | None = None
    """What the dev set chooses the step by whose weights are kept; null keeps the last step's. All
    but the loss are of translations (``evaluation.every``, ``evaluation.dev_segments``), made
    greedily whatever the decoding; ``eval_loss`` is looked at every ``eval_steps``. The test set
    has no say."""
    early_stopping_patience: PositiveInt | None = None
    """Looks at the dev set without a gain after which training ends."""
    early_stopping_threshold: NonNegativeFloat | None = None
    """Least difference that is a gain to the patience, in points or nats; null is any."""
    save_steps: PositiveInt | None = None
    """Optimiser steps between two checkpoints; null makes one every five minutes. An interrupted
    run makes one at once, and a run that is through drops them."""

    @property
    def batch(self) -> int:
        """Pairs of one optimiser step, over all processes."""
        each = self.per_device_train_batch_size * self.gradient_accumulation_steps
        return each * self.processes

    @property
    def translates(self) -> bool:
        """Whether the choice of a step needs translations of the dev set."""
        return self.metric_for_best_model not in {None, "eval_loss"}

    @property
    def others(self) -> dict[str, Any]:
        """The fields that are handed to HF as they are."""
        return dict(self.__pydantic_extra__ or {})
