"""The rules of the design: who imports whom, who needs torch, how long a function is, and where a file is tested."""

import ast
import functools
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import spikewise
from spikewise.cli.app import COMMANDS
from spikewise.price.platform import KINDS

ROOT = Path(spikewise.__file__).parent
TESTS = Path(__file__).parent

# From top to bottom: a folder or module imports only from those above it (and from itself).
ORDER = [
    "__init__", "errors", "units", "_choices", "_lazy", "_compile", "_opener", "_files", "_arrays", "_arguments",
    "_gates", "_validation", "fixed_point", "_vector",
    "workload", "weights", "data", "spikes", "energy", "dynamic", "price", "network", "nonideal", "learn", "shrink",
    "search", "zoo", "runs", "report", "workflow", "cli", "__main__",
]  # fmt: skip
TORCH_LIVES_IN = ("network", "nonideal", "shrink", "learn.gradient", "data.augment")
LONGEST_FUNCTION = 60  # lines of code, without docstring, comments and blank lines


def name_of(path):
    """``price.imc.chip`` of ``price/imc/chip.py``; of ``price/imc/__init__.py`` it is ``price.imc``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
MODULES = sorted(FILES)


def needs_torch(module):
    return any(module == place or module.startswith(place + ".") for place in TORCH_LIVES_IN)


@functools.cache
def tree_of(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def folder_of(module):
    """The package that a module stands in, or is."""
    return module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]


@functools.cache
def imports(module):
    """Pairs of a module, or package outside, and a name, for all imports anywhere in the text of a module."""
    here = folder_of(module).split(".") if folder_of(module) not in ("", "__init__") else []
    found = []
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ["spikewise", *here[: len(here) - node.level + 1]] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found += [(origin, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_exports":
            homes = {home.value for home in node.args[1].keys}
            found += [(importlib.util.resolve_name(home, ".".join(["spikewise", *here])), "") for home in homes]
    return tuple(found)


# What is imported by its name, when it is asked for.
BY_NAME = {
    "cli.app": [f"cli.{name}" for name in COMMANDS],
    "price.platform": [f"price.{module}" for module, _ in KINDS.values()],
}


@functools.cache
def ours_imported_by(module):
    """Modules of spikewise that a module imports, lazy re-exports included."""
    found = set(BY_NAME.get(module, ()))
    for origin, name in imports(module):
        if origin.split(".")[0] == "spikewise":
            inside = origin.removeprefix("spikewise").lstrip(".")
            full = f"{inside}.{name}".strip(".")
            found.add(full if full in FILES else inside or "__init__")
    return frozenset(found)


def test_a_folder_imports_only_from_folders_above_it():
    place = {name: ORDER.index(name.split(".")[0]) for name in MODULES}
    below = {m: [there for there in ours_imported_by(m) if place[there] > place[m]] for m in MODULES}
    assert not {module: names for module, names in below.items() if names}


def test_every_folder_has_its_place_in_the_order():
    assert {module.split(".")[0] for module in MODULES} == set(ORDER)


def test_no_files_import_one_another_in_a_circle():
    graph = {module: ours_imported_by(module) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import one another: {' <- '.join(error.args[1])}")


def test_no_private_name_is_imported_across_folders():
    """What begins with an underscore belongs to its folder; what lies beside the folders belongs to all of them."""
    private = re.compile(r"(^|\.)_(?!_)")
    found = [
        (module, origin, name)
        for module in MODULES
        for origin, name in imports(module)
        if (inside := origin.removeprefix("spikewise").lstrip(".")) in FILES and origin.startswith("spikewise")
        if folder_of(inside) != folder_of(module) and private.search(f"{inside.partition('.')[2]}.{name}")
    ]
    assert not found


def test_torch_is_imported_only_where_it_lives():
    found = [
        (m, name) for m in MODULES if not needs_torch(m) for name, _ in imports(m) if name.split(".")[0] == "torch"
    ]
    assert not found


def test_what_people_read_and_copy_imports_from_packages():
    """README, pages of the documentation, examples and benchmarks: a file of ours may move, its package stays."""
    project = TESTS.parent
    read = [project / "README.md", *(project / "docs").rglob("*.md")]
    read += [path for folder in ("benchmarks", "examples") for path in (project / folder).rglob("*.py")]
    lines = [(path.name, line) for path in read for line in path.read_text(encoding="utf-8").splitlines()]
    found = [(name, match) for name, line in lines for match in re.findall(r"from spikewise\.([\w.]+) import", line)]
    assert len(found) > 100
    assert not [(name, module) for name, module in found if "." in module and FILES[module].name != "__init__.py"]
    assert not [(name, module) for name, module in found if module.startswith("_")]


def test_everything_else_imports_with_torch_blocked():
    names = [f"spikewise.{m}".removesuffix(".__init__") for m in MODULES if not needs_torch(m)]
    code = (
        "import importlib, sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch': raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_prices_stand_on_workloads_and_ground_modules_alone():
    """Energy, since ``price`` exports the meter that it once held."""
    reached = {
        there.split(".")[0]
        for module in MODULES
        if module.split(".")[0] == "price"
        for there in ours_imported_by(module)
    }
    assert reached == {"_arguments", "_files", "_lazy", "_validation", "energy", "errors", "price", "workload"}
    importing = {module for module in MODULES if "energy.meter" in ours_imported_by(module)}
    assert {module for module in importing if module.startswith("price")} == {"price"}


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
        assert f"{name}.{item}" not in {f"spikewise.{module}" for module in MODULES}, f"{item} is a file of {name} too"
    if exported:
        with pytest.raises(AttributeError, match="no attribute"):
            _ = package.surely_not_there


def test_a_file_says_what_its_idea_is():
    assert not [module for module in MODULES if not ast.get_docstring(tree_of(module))]


def test_a_function_is_one_step():
    long = {}
    for module in MODULES:
        lines = FILES[module].read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                inside = [line.strip() for line in lines[body[0].lineno - 1 : node.end_lineno]]
                n_lines = sum(bool(line) and not line.startswith("#") for line in inside)
                long |= {f"{module}.{node.name}": n_lines} if n_lines > LONGEST_FUNCTION else {}
    assert not long


def test_of(module):
    """The file that is named after a module."""
    *folders, name = module.split(".")
    return Path(*folders, f"test_{name.lstrip('_')}.py")


test_of.__test__ = False
TESTED = [module for module in MODULES if not FILES[module].name.startswith("__")]
ELSEWHERE = tomllib.loads((TESTS / "elsewhere.toml").read_text(encoding="utf-8"))


@functools.cache
def reached_from(test):
    """Every module of spikewise that a file of tests imports, directly or through others."""
    text = (TESTS / test).read_text(encoding="utf-8")
    origins = re.findall(r"(?:from|import) (spikewise[\w.]*)", text)
    fixtures = [TESTS / folder / "conftest.py" for folder in [*Path(test).parents]]
    for conftest in fixtures:
        if conftest.exists():
            origins += re.findall(r"(?:from|import) (spikewise[\w.]*)", conftest.read_text(encoding="utf-8"))
    found, waiting = set(), [origin.removeprefix("spikewise").lstrip(".") or "__init__" for origin in origins]
    while waiting:
        module = waiting.pop()
        if module in FILES and module not in found:
            found.add(module)
            waiting += ours_imported_by(module)
    return found


def test_a_file_is_tested_by_the_file_of_its_name_or_where_the_list_says():
    unnamed = {module for module in TESTED if not (TESTS / test_of(module)).exists()}
    assert not unnamed - set(ELSEWHERE), "add a file of tests, or say in tests/elsewhere.toml where it is tested"
    assert not set(ELSEWHERE) - unnamed, "these have a file of tests, or are gone: take them off tests/elsewhere.toml"
    assert list(ELSEWHERE) == sorted(ELSEWHERE)
    for module, tests in ELSEWHERE.items():
        assert tests, module
        for test in tests:
            assert (TESTS / test).exists(), test
            assert module in reached_from(test), f"{test} does not reach {module}"
