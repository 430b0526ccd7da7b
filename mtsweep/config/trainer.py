"""How the weights are trained."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class TrainerConfig(BaseModel):
    """How the weights are trained (``conf/trainer/``): HF TrainingArguments' own names and units.

    The fields below are those with bounds or defaults of ours; any other field of the class that
    trains the model (``SFTConfig`` or ``Seq2SeqTrainingArguments``) may stand beside them.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    learning_rate: PositiveFloat
    max_steps: PositiveInt | None = None
    """Optimiser steps; null trains for ``num_train_epochs``."""
    num_train_epochs: PositiveFloat = 3.0
    per_device_train_batch_size: PositiveInt = 8
    per_device_eval_batch_size: PositiveInt = 16
    gradient_accumulation_steps: PositiveInt = 1
    gradient_checkpointing: bool = False
    max_length: PositiveInt | None = 1024
    """Tokens of prompt + completion (decoder-only), or of each side (encoder-decoder); longer pairs
    are left out of training and counted, because a cut one would teach not to stop."""
    logging_steps: PositiveInt = 10
    eval_steps: PositiveInt | None = None
    """Optimiser steps between two dev losses; null takes one at the end of each epoch."""
    save_steps: PositiveInt | None = None
    """Optimiser steps between two checkpoints; null makes one every five minutes. An interrupted
    run makes one at once, and a run that is through drops them."""

    @property
    def others(self) -> dict[str, Any]:
        """The fields that are handed to HF as they are."""
        return dict(self.__pydantic_extra__ or {})
