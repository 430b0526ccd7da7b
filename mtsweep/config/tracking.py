"""Where the figures are mirrored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mtsweep.config.section import Section


class WandbConfig(Section):
    """Weights & Biases (``tracking=wandb``)."""

    use: bool = False
    """Whether runs are mirrored there."""
    mode: Literal["auto", "online", "offline"] = "auto"
    """``auto`` is online where a W&B key is found, else offline."""
    project: str = "mtsweep"
    entity: str | None = None
    """User or team; null takes the default of the key's owner."""


class TrackioConfig(Section):
    """Trackio (``tracking=trackio``), a dashboard on this machine; needs the extra ``trackio``.

    It keeps everything in ``trackio/`` of the output folder, or in ``TRACKIO_DIR``.
    """

    use: bool = False
    """Whether runs are mirrored there."""
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$")] = "mtsweep"
    """Names a file, so letters, digits, spaces, ``_``, ``.`` and ``-`` alone."""


class TrackingConfig(Section):
    """Where the figures are mirrored (``conf/tracking/``); ``tracking=[wandb,trackio]`` is both."""

    wandb: WandbConfig = WandbConfig()
    trackio: TrackioConfig = TrackioConfig()

    @model_validator(mode="before")
    @classmethod
    def _of_one_tracker(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was configured
        """Records and files of the time when there was one tracker, with its keys right here."""
        if not isinstance(value, Mapping) or "name" not in value:
            return value
        told = {key: each for key, each in value.items() if key not in {"name", *MOVED}}
        if value["name"] == "none":
            return told
        moved = {key: value[key] for key in MOVED if key in value}
        return {**told, "wandb": {**told.get("wandb", {}), **moved, "use": True}}


MOVED = ("mode", "project", "entity")
"""Keys of the section that are keys of ``wandb`` below it now."""
