"""A trainer that sees the same examples and draws the same numbers however often it is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler

from mtsweep.training import examples


class LengthGroups(LengthGroupedSampler):
    """Examples of like length together, in an order that seed and epoch alone decide.

    HF's own draws each epoch's order from the global random state, so a training that goes on from
    a checkpoint in a later epoch would see another one.

    Args:
        batch_size: Examples of one optimiser step.
        lengths: Tokens of each example.
        seed: Of the order.
    """

    def __init__(self, batch_size: int, lengths: list[int], seed: int) -> None:
        super().__init__(batch_size, lengths=lengths)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Indices of one epoch."""
        self.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return super().__iter__()


def steady(trainer: type[Any], seed: int) -> type[Any]:
    """A trainer class whose data order and dropout do not depend on where it was resumed.

    Args:
        trainer: ``SFTTrainer`` or ``Seq2SeqTrainer``.
        seed: Of the order.
    """

    class Steady(trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ANN401
            if self.args.train_sampling_strategy != "group_by_length":
                return super()._get_train_sampler(train_dataset)
            lengths = examples.lengths(self.train_dataset).tolist()
            step = self.args.train_batch_size * self.args.gradient_accumulation_steps
            step *= self.args.world_size
            return LengthGroups(step, lengths, seed)

        def get_train_dataloader(self) -> Any:  # noqa: ANN401
            return _with_numbers_of_its_own(super().get_train_dataloader(), seed)

        def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:  # noqa: ANN401
            return _with_numbers_of_its_own(super().get_eval_dataloader(eval_dataset), seed)

        def create_model_card(self, **_: Any) -> None:  # noqa: ANN401
            """A run's card is written from its record, not with each checkpoint."""

    return Steady


def _with_numbers_of_its_own(loader: Any, seed: int) -> Any:  # noqa: ANN401
    """Each pass over a loader begins with a draw, else of the global state that dropout uses."""
    inner = getattr(loader, "base_dataloader", loader)  # accelerate wraps it
    inner.generator = torch.Generator().manual_seed(seed)
    return loader


def token_mean(trainer: type[Any]) -> type[Any]:
    """A trainer class whose loss is a mean over the tokens of a whole effective batch.

    transformers 5 takes encoder-decoders for models that scale their loss by the tokens of the
    batch; M2M100 and Marian do not, so gradients would grow with ``gradient_accumulation_steps``.

    Args:
        trainer: ``Seq2SeqTrainer``.
    """

    class TokenMean(trainer):
        def compute_loss(
            self,
            model: Any,  # noqa: ANN401
            inputs: Any,  # noqa: ANN401
            return_outputs: bool = False,  # noqa: FBT001, FBT002 - as HF calls it
            num_items_in_batch: Any = None,  # noqa: ANN401
        ) -> Any:  # noqa: ANN401
            tokens = (inputs["labels"] != -100).sum()
            loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
            if num_items_in_batch is not None:
                loss = loss * tokens / num_items_in_batch
            return (loss, outputs) if return_outputs else loss

    return TokenMean
