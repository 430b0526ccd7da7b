"""Licences of base model and data: as configured, as known, or as the hub cache says."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Literal

from mtsweep.card.subject import Subject
from mtsweep.config import DataConfig
from mtsweep.config.data import PartConfig

UNKNOWN = "unknown"
_NAME = 60
"""Characters of a licence's name at most; what is longer is its text."""
_MODELS = {
    "smollm2": "apache-2.0",
    "tiny_causal": "mit",
    "tiny_seq2seq": "mit",
}
"""Of what mtsweep brings along or makes itself."""


def of_model(subject: Subject) -> str:
    """Identifier of the base model's licence, or ``unknown``."""
    model = subject.config.model
    if model.license:
        return model.license
    if model.source != "hub":
        return _MODELS.get(model.name, UNKNOWN)
    return _on_hub(model.name, "model", model.revision) or UNKNOWN


def of_data(data: DataConfig, *, synthetic: bool) -> dict[str, str]:
    """Each source of the pairs, by name, with the identifier of its licence or ``unknown``.

    Args:
        data: The section.
        synthetic: Whether synthetic pairs were trained on.
    """
    parts = data.mix if data.source == "combined" else (data,)
    told = {_named(part, data): _of_part(part, data) for part in parts}
    if synthetic and data.synthetic_file is not None:
        place = Path(data.synthetic_file).expanduser()
        told[f"synthetic pairs ({place.name})"] = _of_synthetic(place)
    return told


def _of_synthetic(place: Path) -> str:
    """What the data card of synthetic pairs says."""
    folder = place if place.is_dir() else place.parent
    try:
        told = json.loads((folder / "card.json").read_text(encoding="utf-8")).get("licence")
    except (OSError, ValueError, AttributeError):
        return UNKNOWN
    return str(told) if told else UNKNOWN


def _of_part(part: DataConfig | PartConfig, data: DataConfig) -> str:
    if part.license or data.license:
        return str(part.license or data.license)
    if part.source == "phrasebook":
        return "mit"
    if part.source == "gettext" and part.package:
        return _of_package(part.package)
    if part.source == "hub" and part.dataset:
        return _on_hub(part.dataset, "dataset", part.revision) or UNKNOWN
    return UNKNOWN


def _of_package(name: str) -> str:
    """What an installed package says of itself."""
    try:
        told = importlib.metadata.metadata(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return UNKNOWN
    named = [told[key] for key in ("License-Expression", "License") if key in told]
    licence = next(iter(named), "")
    return licence if 0 < len(licence) <= _NAME else UNKNOWN


def _named(part: DataConfig | PartConfig, data: DataConfig) -> str:
    match part.source:
        case "hub":
            name = str(part.dataset)
            return name if not Path(name).expanduser().is_dir() else Path(name).name
        case "gettext":
            return f"catalogs of {Path(str(part.package)).name}"
        case "files":
            return Path(str(part.train_file)).name
        case "phrasebook":
            return "phrasebook"
        case _:
            return part.name or data.name


def _on_hub(name: str, kind: Literal["model", "dataset"], revision: str | None) -> str | None:
    """What a repository's own page says, where the hub cache has it; nothing is fetched."""
    from huggingface_hub import ModelCard, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    folder = Path(name).expanduser()
    try:
        found = try_to_load_from_cache(name, "README.md", revision=revision, repo_type=kind)
    except HFValidationError:
        found = None
    path = Path(found) if isinstance(found, str) else folder / "README.md"
    if not path.is_file():
        return None
    try:
        told = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (OSError, ValueError):
        return None
    licence = told.get("license_name") or told.get("license")
    return licence if isinstance(licence, str) and licence else None
