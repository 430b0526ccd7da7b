"""What libraries say while a run runs goes to the run's log, not to the terminal."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from collections.abc import Iterator

from mtsweep.interruption import Pruned
from mtsweep.plan import Run


@contextlib.contextmanager
def logged_to(run: Run) -> Iterator[None]:
    """Within it, log records and warnings are added to the log of a run."""
    run.folder.start(run.as_yaml())
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
    except Pruned:
        raise
    except Exception:
        log_traceback()
        raise
    finally:
        logging.captureWarnings(capture=False)
        root.setLevel(level)
        root.removeHandler(handler)
        with contextlib.suppress(OSError):  # a full disk is told where it stopped the run
            handler.close()
        for logger, handlers in quiet.items():
            logger.handlers = handlers


def log_traceback() -> None:
    """Put the error in hand into the log, whole."""
    logging.getLogger(__name__).error("%s", traceback.format_exc())


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
