"""Lazy re-exports (PEP 562): a package lists its public names and imports each one on first use."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], list[str]]:
    """Return ``__getattr__`` and ``__all__`` of a package whose names live in these modules; ``dir`` lists them.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Public names of each module (relative, such as ``".trace"``), separated by spaces.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home_of[name], package), name)

    module = sys.modules[package]
    # PEP 562 looks for __dir__ in the module too; without it the names not imported yet would be missing.
    vars(module)["__dir__"] = lambda: sorted({*vars(module), *home_of})
    return load, sorted(home_of)
