"""The rules of the design: who imports whom, and who needs torch."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikewise

ROOT = Path(spikewise.__file__).parent

# From top to bottom: a folder or module imports only from those above it (and from itself).
ORDER = [
    "__init__", "errors", "units", "_lazy", "_compile", "_files", "_validation", "fixed_point", "_vector", "workload",
    "weights", "data", "spikes", "energy", "dynamic", "price", "network", "nonideal", "learn", "shrink", "search",
    "zoo", "runs", "report", "workflow", "cli", "__main__",
]  # fmt: skip
TORCH_LIVES_IN = ("network", "nonideal", "shrink", "learn.gradient", "data.augment")
MODULES = sorted(str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in ROOT.rglob("*.py"))


def needs_torch(module):
    return any(module == place or module.startswith(place + ".") for place in TORCH_LIVES_IN)


def imports(module):
    """Every module of spikewise, or package outside, that a module imports anywhere in its text."""
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
    package = module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                yield ".".join(["spikewise", *base, *([node.module] if node.module else [])])
            else:
                yield node.module


@pytest.mark.parametrize("module", MODULES)
def test_a_folder_imports_only_from_folders_above_it(module):
    here = module.split(".")[0]
    for name in imports(module):
        if name.split(".")[0] != "spikewise" or name == "spikewise":
            continue
        there = name.split(".")[1]
        assert ORDER.index(there) <= ORDER.index(here), f"{module} imports {name}, which stands below it"


@pytest.mark.parametrize("module", [m for m in MODULES if not needs_torch(m)])
def test_torch_is_imported_only_where_it_lives(module):
    assert not [name for name in imports(module) if name.split(".")[0] in ("torch", "accelerate")]


def test_everything_else_imports_with_torch_blocked():
    names = [f"spikewise.{m}".removesuffix(".__init__") for m in MODULES if not needs_torch(m)]
    code = (
        "import importlib, sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'accelerate'): raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_spikewise_is_light():
    code = "import sys, spikewise, json; print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "numba", "numpy", "sklearn", "scipy", "matplotlib", "rich"}


PACKAGES = ["spikewise"] + [
    name for _, name, is_package in pkgutil.walk_packages([str(ROOT)], "spikewise.") if is_package
]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_exists_and_is_sorted(name):
    package = importlib.import_module(name)
    assert package.__doc__
    assert len(package.__doc__) > 20
    exported = getattr(package, "__all__", [])
    assert exported in (sorted(exported), sorted(exported, key=lambda name: (not name.isupper(), name)))
    for item in exported:
        assert getattr(package, item) is not None
        assert item in dir(package)
    if exported:
        with pytest.raises(AttributeError, match="no attribute"):
            _ = package.surely_not_there


@pytest.mark.parametrize("module", MODULES)
def test_a_file_holds_one_idea(module):
    lines = (ROOT / (module.replace(".", "/") + ".py")).read_text().splitlines()
    assert len(lines) <= 350
    assert ast.get_docstring(ast.parse("\n".join(lines)))
