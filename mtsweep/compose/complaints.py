"""What Hydra raises, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mtsweep.errors import ConfigError, Problem


@contextmanager
def hydra_errors() -> Iterator[None]:
    """Within it, what Hydra raises becomes a problem of the configuration."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        yield
    except (HydraException, OmegaConfBaseException, ValueError, YAMLError) as error:
        raise ConfigError([_hydra_problem(error)]) from error


def _hydra_problem(error: Exception) -> Problem:
    from yaml import YAMLError

    cause = error.__cause__
    text = " ".join(str(error).split()) if isinstance(error, YAMLError) else first_line(error)
    if cause is not None and (reason := first_line(cause)) not in text:
        text = f"{text} ({reason})"
    return Problem(str(getattr(cause, "full_key", "") or "command line"), text)


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
