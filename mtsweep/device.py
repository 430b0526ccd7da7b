"""What depends on the device: which one, its precision, its memory. The only place that asks."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.errors import UserError

if TYPE_CHECKING:
    import torch


_asked: list[str] = []


def use(name: str) -> None:
    """Compute on a device by torch's name from now on: ``cpu``, ``cuda``, ``cuda:1``.

    Args:
        name: ``auto`` is the first CUDA device, or the CPU.

    Raises:
        UserError: if it is none, or not there.
    """
    import torch

    kind, _, number = name.partition(":")
    if name not in {"auto", "cpu", "cuda"} and not (kind == "cuda" and number.isdecimal()):
        raise UserError(f"{name!r} is no device; there are: auto, cpu, cuda, cuda:0, cuda:1, …")
    count = torch.cuda.device_count() if kind == "cuda" else 0
    if kind == "cuda" and int(number or 0) >= count:
        raise UserError(f"device {name}: torch sees {count or 'no'} CUDA device{'s'[: count != 1]}")
    _asked[:] = [] if name == "auto" else ["cuda:0" if name == "cuda" else name]


def device() -> torch.device:
    """The device asked for (:func:`use`); else the first CUDA device, or the CPU."""
    import torch

    if _asked:
        return torch.device(_asked[0])
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def dtype(wanted: str) -> torch.dtype:
    """A precision by name; ``auto`` is :func:`half` on CUDA and float32 on a CPU."""
    import torch

    if wanted == "auto":
        return half() if device().type == "cuda" else torch.float32
    return getattr(torch, wanted)


def half() -> torch.dtype:
    """What a CUDA device computes fast in 16 bits: bfloat16, or float16 before Ampere (T4, V100).

    There bfloat16 is emulated: right, and several times slower.
    """
    import torch

    major, _ = torch.cuda.get_device_capability(device())
    return torch.bfloat16 if major >= _AMPERE else torch.float16


_AMPERE = 8


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use, as the driver tells of it."""

    id: str
    """What ``CUDA_VISIBLE_DEVICES`` calls it."""
    name: str
    total: int
    """Bytes of memory."""
    free: int
    """Bytes that nobody holds."""


@cache
def gpus() -> tuple[Gpu, ...]:
    """The visible GPUs, asked of ``nvidia-smi``: torch is not imported."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    program = shutil.which("nvidia-smi")
    if visible in {"", "-1"} or program is None:
        return ()
    query = [program, "--query-gpu=index,uuid,name,memory.total,memory.free"]
    try:
        told = subprocess.run(
            [*query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SMI_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in told.splitlines() if line]
    found = {
        name: Gpu(name, row[2], int(row[3]) << 20, int(row[4]) << 20)
        for row in rows
        for name in (row[0], row[1])
    }
    wanted = [row[0] for row in rows] if visible is None else visible.split(",")
    return tuple(found[name] for name in wanted if name in found)


_SMI_SECONDS = 20


def describe() -> str:
    """One phrase for the banner, without torch."""
    if not (found := gpus()):
        return f"CPU, {cores()} cores"
    names = Counter(f"{gpu.name}, {gpu.total / 2**30:.0f} GiB" for gpu in found)
    return "; ".join(f"{count} x {name}" if count > 1 else name for name, count in names.items())


def in_use() -> str:
    """One phrase for the record: the device that torch computes on."""
    import torch

    if not torch.cuda.is_available():
        return f"CPU, {cores()} cores"
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if _is_linux() else os.cpu_count() or 1


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


def settle() -> None:
    """Wait until the device has done what it was given, so that a clock tells the truth."""
    import torch

    if device().type == "cuda":
        torch.cuda.synchronize()


def free_memory() -> None:
    """Give back what nobody holds any more."""
    import torch

    gc.collect()
    if device().type == "cuda":
        torch.cuda.empty_cache()


def memory() -> int:
    """Bytes held now, on the device or (on a CPU) by the process; 0 where nobody can tell."""
    import torch

    if device().type == "cuda":
        return torch.cuda.memory_allocated()
    return resident()


def resident() -> int:
    """Bytes of the host's memory that this process has; 0 where nobody tells."""
    return _pages(1) if _is_linux() else 0


def _pages(place: int) -> int:
    """Bytes by ``/proc/self/statm``: all that is mapped at place 0, what is in memory at 1."""
    counts = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(counts[place]) * os.sysconf("SC_PAGE_SIZE")


def room() -> int | None:
    """Bytes that a worker can have: of the fullest visible GPU, or of the host; without torch."""
    if found := gpus():
        return min(gpu.free for gpu in found)
    known = _meminfo()
    return known.get("MemAvailable")


def capacity() -> int | None:
    """Bytes that a worker could have if nothing else ran: more than this fits on no day."""
    if found := gpus():
        return min(gpu.total for gpu in found)
    known = _meminfo()
    return known["MemTotal"] + known.get("SwapTotal", 0) if "MemTotal" in known else None


def left() -> int | None:
    """Bytes of the host's memory that this process may still take; ``None`` where nobody tells.

    The least of what the host has free, what its control group is allowed, and its own limit.
    """
    if not _is_linux():
        return None
    import resource

    found = [_meminfo().get("MemAvailable"), _left_of_group(Path("/sys/fs/cgroup"))]
    # Of its pages, all count for one limit, and what is its own (data and stack) for the other.
    for limited, place in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        limit, _ = resource.getrlimit(limited)
        if limit != resource.RLIM_INFINITY:
            found.append(max(0, limit - _pages(place)))
    return min((each for each in found if each is not None), default=None)


def _left_of_group(folder: Path) -> int | None:
    """What a control group (version 2) may still take; pages of files count as free."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    told = dict(zip(stat[::2], stat[1::2], strict=False))
    return int(limit) - used + int(told.get("inactive_file", 0))


def _meminfo() -> dict[str, int]:
    """What the kernel tells of the host's memory, in bytes; empty where it tells nothing."""
    path = Path("/proc/meminfo")
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the device or on the host."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    told = str(error)
    return isinstance(error, RuntimeError) and any(sign in told for sign in _NO_MEMORY)


def is_disk_full(error: BaseException) -> bool:
    """Whether a file could not grow, said in whichever way the writing library says it."""
    told = str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return True
    return any(sign in told for sign in _NO_ROOM)


_NO_ROOM = ("No space left", "File too large", "PytorchStreamWriter failed")
_NO_MEMORY = (
    "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory", "CUDA driver error: out of memory",
)  # fmt: skip


LOST = 86
"""Exit code of a process whose device computes nothing more."""


def is_lost(error: BaseException) -> bool:
    """Whether the device computes nothing more for this process, as after a failed CUDA kernel."""
    import torch

    if is_out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def digest(model: torch.nn.Module) -> str:
    """A hash of every parameter and buffer of a model, bit by bit; computed on its device."""
    import torch

    whole = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        flat = tensor.detach().contiguous().view(-1).view(torch.uint8)
        bits = flat if flat.numel() % 4 else flat.view(torch.int32)
        # The second sum sees the order too: weights that changed places are told.
        mixed = torch.hash_tensor(bits).view(torch.int64)
        halves = bits[: bits.numel() // 2].sum(), bits.sum(), mixed
        whole.update(f"{name} {tuple(tensor.shape)} {[int(each) for each in halves]}".encode())
    return whole.hexdigest()
