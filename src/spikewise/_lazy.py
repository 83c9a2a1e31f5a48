"""Lazy re-exports (PEP 562): a package names what it offers and imports it only when asked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], list[str]]:
    """Return ``__getattr__`` and ``__all__`` of a package whose names live in the given submodules; they can be listed.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Submodule (relative, such as ``".trace"``) of each exported name.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name], package), name)

    module = sys.modules[package]
    vars(module)["__dir__"] = lambda: sorted({*vars(module), *homes})
    return load, sorted(homes)
