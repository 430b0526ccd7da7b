"""What depends on the device: which one, its precision, its memory. The only place that asks."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """The first CUDA device, or the CPU."""
    import torch

    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def dtype(wanted: str) -> torch.dtype:
    """A precision by name; ``auto`` is bfloat16 on CUDA and float32 on a CPU."""
    import torch

    if wanted == "auto":
        wanted = "bfloat16" if device().type == "cuda" else "float32"
    return getattr(torch, wanted)


def use_one_gpu() -> None:
    """Show torch the first of the visible GPUs alone; called before torch is imported.

    Trainers spread a model over all that they see (``nn.DataParallel``), which changes the batch.
    """
    if gpu_may_be_there():
        first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        os.environ["CUDA_VISIBLE_DEVICES"] = first


def describe() -> str:
    """One phrase for the banner and the record; does not import torch where no GPU can be."""
    if not gpu_may_be_there():
        return f"CPU, {len(os.sched_getaffinity(0)) if _is_linux() else os.cpu_count()} cores"
    import torch

    if not torch.cuda.is_available():
        return f"CPU, {os.cpu_count()} cores (this torch sees no CUDA device)"
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def gpu_may_be_there() -> bool:
    """Whether it is worth importing torch to look for a GPU."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "x") in {"", "-1"}
    return not hidden and (Path("/dev/nvidiactl").exists() or not _is_linux())


def _is_linux() -> bool:
    return sys.platform.startswith("linux")


def reset_peak_memory() -> None:
    """Start a new measurement of the peak; on a CPU this needs Linux."""
    import torch

    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif _is_linux():
        # 5 resets VmHWM (man proc_pid_clear_refs)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Bytes at the peak since the last reset: CUDA allocator, or resident memory of the process."""
    import torch

    if device().type == "cuda":
        return torch.cuda.max_memory_allocated()
    if _is_linux():
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory() -> None:
    """Give back what nobody holds any more."""
    import torch

    gc.collect()
    if device().type == "cuda":
        torch.cuda.empty_cache()
