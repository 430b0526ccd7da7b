"""From our trainer section to HF's training arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep import device
from mtsweep.config import TrainerConfig

if TYPE_CHECKING:
    from transformers import Seq2SeqTrainingArguments
    from trl.trainer.sft_config import SFTConfig


_OURS = {
    "processes", "max_length", "metric_for_best_model", "early_stopping_patience",
    "early_stopping_threshold",
}  # fmt: skip
"""Fields that HF is not handed: its own way of choosing cannot translate, nor go on bit for bit."""


_PATIENT_SECONDS = 7 * 86400
"""The other processes wait while the first translates the dev set, however long that takes."""


def sft_config(trainer: TrainerConfig, seed: int, folder: Path) -> SFTConfig:
    """Arguments of TRL's SFTTrainer. Pairs come tokenised and measured, so it cuts nothing."""
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(max_length=None, packing=False, **_shared(trainer, seed, folder))


def seq2seq_arguments(trainer: TrainerConfig, seed: int, folder: Path) -> Seq2SeqTrainingArguments:
    """Arguments of HF's Seq2SeqTrainer."""
    from transformers import Seq2SeqTrainingArguments

    return Seq2SeqTrainingArguments(**_shared(trainer, seed, folder))


def _shared(trainer: TrainerConfig, seed: int, folder: Path) -> dict[str, Any]:
    on_gpu = device.device().type == "cuda"
    half = str(device.half()).removeprefix("torch.") if on_gpu else None
    own = trainer.model_dump(exclude={*_OURS, *trainer.others})
    if own["max_steps"] is None:
        own["max_steps"] = -1  # HF's word for: as many as the epochs have
    if own["save_steps"] is None:
        own.pop("save_steps")  # checkpoints are asked for by the clock
    if trainer.processes > 1:
        own["ddp_timeout"] = _PATIENT_SECONDS
    return {
        **own,
        "eval_strategy": "epoch" if trainer.eval_steps is None else "steps",
        "save_total_limit": 2,  # the newest, and the one before it
        "save_strategy": "no" if trainer.save_steps is None else "steps",
        "bf16": half == "bfloat16" and not trainer.others.get("fp16", False),
        "fp16": half == "float16" and "bf16" not in trainer.others,
        **trainer.others,
        "output_dir": str(folder / "checkpoints"),
        "seed": seed,
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        "report_to": "none",  # tracking mirrors our own metrics.jsonl
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,  # else a loss that is not finite is logged as 0.0
    }
