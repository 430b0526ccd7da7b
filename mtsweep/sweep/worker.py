"""What takes a group: loads the base model once, and runs the group's runs on it."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtsweep import device
from mtsweep.config import RunConfig
from mtsweep.errors import MtsweepError
from mtsweep.models.load import Base
from mtsweep.plan import Group, Run
from mtsweep.watch import Watcher


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    run: Run
    reason: str

    @property
    def label(self) -> str:
        """What the run is called in progress and messages."""
        return self.run.label


def work(groups: Sequence[Group], sweep: str, watch: Watcher) -> list[Failure]:
    """Run every group, one after the other; a run that fails does not stop the others."""
    device.use_one_gpu()
    failures = []
    for group in groups:
        failures.extend(_work_group(group, sweep, watch))
        device.free_memory()
    return failures


def _work_group(group: Group, sweep: str, watch: Watcher) -> list[Failure]:
    failures = []
    base: Base | None = None
    for run in group.runs:
        label = run.label
        try:
            with _logged_to(run):
                base = base or _load(run, watch)
                record = _spine().execute(run, base, sweep, watch)
            watch.end(label, _spine().summary(record))
        except KeyboardInterrupt:
            run.folder.set_state("interrupted")
            raise
        except Exception as error:  # noqa: BLE001 - whatever happens to one run, the others go on
            reason = _reason(error)
            run.folder.set_state("failed", reason)
            failures.append(Failure(run, reason))
            watch.end(label, f"failed: {reason}")
            base = None  # who knows what it is like now
        if run.config.lora.method == "none":
            base = None  # its weights were trained
    return failures


def _spine():  # noqa: ANN202 - a module that is imported late, because it imports much
    from mtsweep import run

    return run


def _load(run: Run, watch: Watcher) -> Base:
    from mtsweep.models.load import load

    config: RunConfig = run.config
    watch.say(f"Loading {config.model.name} ...")
    return load(config.model, config.lora, run.located, run.family, watch.say)


def _reason(error: Exception) -> str:
    if isinstance(error, MtsweepError):
        return str(error)
    logging.getLogger(__name__).error("%s", traceback.format_exc())
    if type(error).__name__ == "OutOfMemoryError":
        return (
            "out of memory: halve trainer.per_device_train_batch_size and double "
            "trainer.gradient_accumulation_steps, or use lora=qlora"
        )
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}"


@contextlib.contextmanager
def _logged_to(run: Run) -> Iterator[None]:
    """Send what libraries say to the run's log instead of the terminal."""
    _spine().start(run)
    handler = logging.FileHandler(run.folder.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    quiet = _quiet_libraries()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    try:
        with warnings.catch_warnings():
            yield
    except Exception:
        root.error("%s", traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(capture=False)
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()
        for logger, handlers in quiet.items():
            logger.handlers = handlers


def _quiet_libraries() -> dict[logging.Logger, list[logging.Handler]]:
    """Take the handlers off libraries that write to the terminal; returns them."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    quiet = {}
    for name in ("transformers", "datasets", "accelerate", "peft", "trl", "bitsandbytes"):
        logger = logging.getLogger(name)
        quiet[logger], logger.handlers, logger.propagate = logger.handlers, [], True
    return quiet
