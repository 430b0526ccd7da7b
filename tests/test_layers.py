import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mtsweep

ROOT = Path(mtsweep.__file__).parent

LAYERS = (
    "errors",
    "languages scores arguments cache device watch interruption space ranks",
    "hub lock",
    "config",
    "measures",
    "compose",
    "record",
    "store",
    "tracking",
    "data",
    "models",
    "estimate advice",
    "standing",
    "plan",
    "training",
    "evaluation",
    "compare",
    "table curves samples byparts",
    "report",
    "dashboard",
    "tune assess",
    "companion",
    "dialogue",
    "run",
    "serve",
    "export",
    "card",
    "publish",
    "app",
    "synthesis",
    "sweep",
    "behaviour",
    "terminal",
    "verdicts trials",
    "progress bar",
    "commands",
    "cli",
    "__main__",
)
"""Lowest first: a module imports only from lines above its own, or within its own package.

DESIGN.md, section 3, names most of them. The plan stands over data and models, because a run is
named by their content; the record stands below the layers that fill it.
"""

ALLOWED: dict[tuple[str, str], str] = {}
"""Imports, lazy ones included, that point up, each with its reason."""


@cache
def modules() -> dict[str, Path]:
    """Dotted names below ``mtsweep`` to files; a package is called by its own name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of ours that a module imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {_ours(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute here"
            found |= {_ours(f"{node.module}.{alias.name}") for alias in node.names}
    return frozenset(found - {None, ""})


def _ours(name: str) -> str | None:
    """The module that a dotted name stands in; ``None`` where it is not one of ours."""
    if name.partition(".")[0] != "mtsweep":
        return None
    inner = name.partition(".")[2]
    while inner not in modules():
        inner = inner.rpartition(".")[0]
    return inner


def layer(module: str) -> int:
    top = module.partition(".")[0]
    return next(index for index, line in enumerate(LAYERS) if top in line.split())


def test_every_module_has_its_layer_and_every_name_its_module():
    tops = {name.partition(".")[0] for name in modules()} - {""}
    assert tops == {name for line in LAYERS for name in line.split()}
    assert len(modules()) > 25


@pytest.mark.parametrize("module", sorted(set(modules()) - {""}))
def test_a_module_imports_only_lower_ones(module):
    top = module.partition(".")[0]
    wrong = {
        other
        for other in imports(module)
        if layer(other) >= layer(module)
        and other.partition(".")[0] != top
        and (module, other) not in ALLOWED
    }
    assert wrong == set()


def test_the_package_itself_imports_nothing():
    assert imports("") == frozenset()


def test_every_allowed_import_is_still_there_and_has_a_reason():
    assert all(reason and other in imports(module) for (module, other), reason in ALLOWED.items())


def test_the_check_sees_lazy_imports():
    assert "compose" in imports("cli.entry")
    assert "sweep.engine" in imports("cli.sweeping")


def test_there_is_no_import_cycle():
    order = TopologicalSorter({module: imports(module) for module in modules()})
    assert len(list(order.static_order())) == len(modules())  # raises CycleError on a cycle


def test_no_module_has_a_name_that_says_nothing():
    words = {word for name in modules() for word in name.split(".")}
    assert not words & {"utils", "util", "common", "helpers", "misc"}


def _trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules().items()}


def test_compose_alone_knows_hydra():
    knows = set()
    for name, tree in _trees().items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            if {each.partition(".")[0] for each in names} & {"hydra", "omegaconf"}:
                knows.add(name.partition(".")[0])
    assert knows == {"compose"}


def test_the_command_line_and_its_subcommands_alone_print_and_exit():
    calls = {
        name
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "sys.exit", "exit"}
    }
    assert {name.partition(".")[0] for name in calls} <= {"cli", "commands"}
