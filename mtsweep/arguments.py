"""Names, types and defaults of HF's training arguments, read without importing transformers.

Importing ``TrainingArguments`` costs two seconds of torch; a mistyped ``trainer.`` key must be told
before that. The classes are dataclasses in single source files, so their fields are read from the
installed packages' syntax trees: always those of the version that will run.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["causal", "seq2seq"]

_SHARED = [("transformers", "training_args.py", "TrainingArguments")]
_CLASSES: dict[Kind, list[tuple[str, str, str]]] = {
    "causal": [
        *_SHARED,
        ("trl", "trainer/base_config.py", "_BaseConfig"),
        ("trl", "trainer/sft_config.py", "SFTConfig"),
    ],
    "seq2seq": [
        *_SHARED,
        ("transformers", "training_args_seq2seq.py", "Seq2SeqTrainingArguments"),
    ],
}
TRAINER_CLASS: dict[Kind, str] = {
    "causal": "TRL's SFTConfig",
    "seq2seq": "Seq2SeqTrainingArguments",
}

_SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Field:
    """One field of an arguments class."""

    name: str
    types: tuple[type, ...]
    """Plain types that the annotation admits; empty where it has others (enums, dicts, lists)."""
    optional: bool
    choices: tuple[str, ...] = ()
    """What an enumeration admits; empty when it is none."""

    def complaint(self, value: object) -> str | None:
        """What is wrong with ``value`` here; ``None`` when nothing is, or nobody can tell."""
        if value is None and self.optional:
            return None
        if self.choices and value not in self.choices:
            near = difflib.get_close_matches(str(value), self.choices, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(self.choices)}"
            return f"{value!r} is no {self.name}; {hint}"
        if not self.types:
            return None
        allowed = self.types + ((int,) if float in self.types else ())
        if isinstance(value, allowed) and not (isinstance(value, bool) and bool not in self.types):
            return None
        if float in self.types and _is_number(value):
            return None  # YAML 1.1 reads 1e-3 as text
        wanted = " or ".join(kind.__name__ for kind in self.types)
        return f"expected {wanted}{' or null' if self.optional else ''}, not {value!r}"


@cache
def fields(kind: Kind) -> dict[str, Field]:
    """Fields of the arguments class that trains a model of this kind, by name."""
    found: dict[str, Field] = {}
    for package, file, class_name in _CLASSES[kind]:
        found.update((field.name, field) for field in _read(package, file, class_name))
    return found


def _read(package: str, file: str, class_name: str) -> Iterator[Field]:
    for node in _tree(package, file).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield _field(item.target.id, item.annotation)


@cache
def _enumerations() -> dict[str, tuple[str, ...]]:
    """Class name to values, of the enumerations that training arguments are typed with."""
    found = {}
    for file in ("training_args.py", "trainer_utils.py"):
        for node in _tree("transformers", file).body:
            if isinstance(node, ast.ClassDef) and "Enum" in "".join(map(ast.unparse, node.bases)):
                values = [
                    item.value.value
                    for item in node.body
                    if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)
                ]
                found[node.name] = tuple(str(value) for value in values)
    return found


@cache
def _tree(package: str, file: str) -> ast.Module:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return ast.Module([], [])
    path = Path(next(iter(spec.submodule_search_locations))) / file
    return ast.parse(path.read_text(encoding="utf-8"))


def _field(name: str, annotation: ast.expr) -> Field:
    parts = [part.strip() for part in ast.unparse(annotation).split("|")]
    optional = "None" in parts
    plain = [_SCALARS[part] for part in parts if part in _SCALARS]
    known = len(plain) == len([part for part in parts if part != "None"])
    choices = [value for part in parts for value in _enumerations().get(part, ())]
    return Field(name, tuple(plain) if known else (), optional, tuple(choices))


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return not isinstance(value, bool)
