"""Functions that are called with modules as soon as these are imported."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any


def when_imported(names: Collection[str], act: Callable[[ModuleType], None]) -> None:
    """Call a function with each of some modules: now, where one is there already, or later."""
    for name in names:
        if name in sys.modules:
            act(sys.modules[name])
    sys.meta_path.insert(0, _Finder(names, act))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, names: Collection[str], act: Callable[[ModuleType], None]) -> None:
        self.names = names
        self.act = act

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name not in self.names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            self.act(module)

        spec.loader.exec_module = exec_module
        return spec
