"""What the folders of YAML files hold: groups, their options, and what an experiment asks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path


def conf_dirs() -> list[Path]:
    """Folders that hold config groups: the user's own ``./conf`` first, then the shipped ones."""
    here = Path(__file__).parents[1]
    shipped = next(path for path in (here / "conf", here.parent / "conf") if path.is_dir())
    own = Path.cwd() / "conf"
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]


def groups() -> dict[str, dict[str, str]]:
    """Group name to its options, and each option to the first comment line of its file."""
    found: dict[str, dict[str, str]] = {}
    for folder in reversed(conf_dirs()):
        for file in sorted(folder.glob("*/*.yaml")):
            found.setdefault(file.parent.name, {})[file.stem] = _opening(file)
    return found


def _opening(file: Path) -> str:
    """The first comment line of a YAML file, Hydra's ``@package`` apart."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("#"):
                return ""
            if "@package" not in line:
                return line.removeprefix("#").strip()
    return ""


def question(arguments: Sequence[str]) -> dict[str, str]:
    """Question and expectation that the experiment of a command line opens with, where it does."""
    names = [text.partition("=")[2] for text in arguments if text.startswith("experiment=")]
    told: dict[str, str] = {}
    for folder in conf_dirs() if len(names) == 1 else []:
        file = folder / "experiment" / f"{names[0]}.yaml"
        if not file.is_file():
            continue
        lines = itertools.takewhile(
            lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines()
        )
        text = " ".join(line.removeprefix("#").strip() for line in lines)
        parts = re.split(r"\b(Question|Command|Expectation|Cost): ", text)
        told = {
            name.lower(): said.strip() for name, said in zip(parts[1::2], parts[2::2], strict=True)
        }
        break
    return {key: told[key] for key in ("question", "expectation") if told.get(key)}
