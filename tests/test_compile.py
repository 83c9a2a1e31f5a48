"""Compiled code is kept as long as no file with kernels changes, and no longer."""

import ast
import functools
import os
import shutil
import time

import numpy as np
import pytest

from spikewise import _compile
from spikewise.spikes.streams import mix, stream_key


def test_any_change_of_a_file_with_kernels_asks_for_another_folder(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(_compile._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = _compile.digest_of(package)
    assert before == _compile.digest_of(_compile._PACKAGE)
    for name in ("learn/stdp/kernels/neurons.py", "learn/stdp/rules/lean.py", "spikes/streams.py", "_compile.py"):
        changed = package / name
        text = changed.read_text()
        changed.write_text(text + "# more\n")
        assert _compile.digest_of(package) != before
        changed.write_text(text)
    (package / "units.py").write_text("")
    assert _compile.digest_of(package) == before


@pytest.fixture
def folder_in(monkeypatch):
    """Function that gives the folder for compiled code in a place, as a new process would find it."""

    def find(place):
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(place))
        _compile.cache_folder.cache_clear()
        return _compile.cache_folder()

    yield find
    _compile.cache_folder.cache_clear()


def old(path):
    """Let a folder's marker say that it was last used 31 days ago."""
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(path / _compile._MARKER, (long_ago, long_ago))


def tree(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def test_folders_of_other_people_stay_whatever_their_name_and_age(tmp_path, folder_in):
    foreign = [
        "kernels-my-research/data.npy",  # beside our folder
        "kernels-0123456789abcdef/compiled.nbi",
        "spikewise/kernels-my-research/data.npy",  # inside it
        "spikewise/kernels-0123456789abcdee/compiled.nbi",  # our name without our marker
        f"spikewise/kernels-0123456789abcdeg/{_compile._MARKER}",  # our marker without our name
        f"spikewise/kernels-0123456789abcdea/{_compile._MARKER}",  # something else as the marker
    ]
    for name in foreign:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(_compile._IS_OURS if "abcdeg" in name else "mine")
        os.utime(tmp_path / name, (0, 0))
    before = tree(tmp_path)
    ours = folder_in(tmp_path)
    assert ours.parent == tmp_path / "spikewise"
    ours_too = [str(path.relative_to(tmp_path)) for path in (ours, ours / _compile._MARKER)]
    assert tree(tmp_path) == sorted([*before, *ours_too])


def test_two_versions_in_turn_or_at_once_keep_each_others_code(tmp_path, folder_in, monkeypatch):
    one = folder_in(tmp_path)
    (one / "compiled.nbi").write_text("code")
    monkeypatch.setattr(_compile, "digest_of", lambda package: "0123456789abcdef")
    other = folder_in(tmp_path)
    monkeypatch.undo()
    assert folder_in(tmp_path) == one != other
    assert (one / "compiled.nbi").exists()
    assert other.is_dir()


def test_a_folder_of_ours_unused_for_a_month_goes_but_not_what_others_put_into_it(tmp_path, folder_in, monkeypatch):
    forgotten = [tmp_path / "spikewise" / f"kernels-{letter * 16}" for letter in "ab"]
    for folder in forgotten:
        (folder / "spikes_1").mkdir(parents=True)
        (folder / "spikes_1" / "mix-1.py311.nbi").write_text("code")
        (folder / "spikes_1" / "mix-1.py311.1.nbc.tmp.0123").write_text("code")
        (folder / _compile._MARKER).write_text(_compile._IS_OURS)
    (forgotten[1] / "thesis.txt").write_text("mine")
    folder_in(tmp_path)
    assert all(folder.is_dir() for folder in forgotten)
    for folder in forgotten:
        old(folder)
    folder_in(tmp_path)
    assert not forgotten[0].exists()
    assert sorted(path.name for path in forgotten[1].iterdir()) == [_compile._MARKER, "thesis.txt"]


def test_a_link_to_a_folder_of_ours_is_left_alone(tmp_path, folder_in):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / _compile._MARKER).write_text(_compile._IS_OURS)
    (target / "x.nbi").write_text("code")
    old(target)
    (tmp_path / "spikewise").mkdir()
    (tmp_path / "spikewise" / f"kernels-{'c' * 16}").symlink_to(target)
    folder_in(tmp_path)
    assert (target / "x.nbi").exists()


def test_using_the_folder_again_keeps_it(tmp_path, folder_in):
    folder = folder_in(tmp_path)
    old(folder)
    folder_in(tmp_path)
    assert time.time() - (folder / _compile._MARKER).stat().st_mtime < 24 * 3600


@pytest.mark.parametrize("content", ["a file in the way", None])
def test_a_place_that_cannot_be_written_is_none(tmp_path, folder_in, content):
    if content:
        (tmp_path / "place").write_text(content)
    else:
        (tmp_path / "place").symlink_to(tmp_path / "nowhere" / "at all")
    assert folder_in(tmp_path / "place") is None


DECORATORS = {"kernel", "inlined", "intrinsic"}


def files_of_compiled_code():
    """Files that define a kernel, and those that define what a kernel uses: its helpers, their constants, and so on."""
    found, waiting = set(), [
        (path, name)
        for path in _compile._PACKAGE.rglob("*.py")
        for name, node in defined_in(path).items()
        if isinstance(node, ast.FunctionDef) and DECORATORS & {part.id for part in names_in(*node.decorator_list)}
    ]  # fmt: skip
    while waiting:
        path, name = place = waiting.pop()
        if place not in found and name in defined_in(path):
            found.add(place)
            imported = imported_by(path)
            used = {part.id for part in names_in(defined_in(path)[name])}
            waiting += [imported.get(each, (path, each)) for each in used]
    return {path for path, _ in found}


def names_in(*nodes):
    return [part for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)]


@functools.cache
def defined_in(path):
    """Node of each name that a file gives a meaning to."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        found.update(
            dict.fromkeys([*names, *(part.id for target in targets if target for part in names_in(target))], node)
        )
    return found


@functools.cache
def imported_by(path):
    """File of ours and name there of each name that a file imports from another."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("spikewise.")):
            base = path.parents[node.level - 1] if node.level else _compile._PACKAGE.parent
            file = base.joinpath(*(node.module or "").split(".")).with_suffix(".py")
            found.update({alias.asname or alias.name: (file, alias.name) for alias in node.names if file.exists()})
    return found


def test_every_file_that_compiled_code_depends_on_is_in_the_digest(tmp_path):
    modules = files_of_compiled_code()
    names = {path.relative_to(_compile._PACKAGE).as_posix() for path in modules}
    assert {"_compile.py", "_vector.py", "spikes/streams.py", "learn/stdp/rules/lean.py"} <= names
    package = tmp_path / "package"
    shutil.copytree(_compile._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = _compile.digest_of(package)
    for module in modules:
        changed = package / module.relative_to(_compile._PACKAGE)
        text = changed.read_text()
        changed.write_text(text + "# more\n")
        assert _compile.digest_of(package) != before, f"{changed} is not in the digest"
        changed.write_text(text)


def test_without_a_place_for_the_cache_kernels_still_compile(monkeypatch):
    monkeypatch.setattr(_compile, "cache_folder", lambda: None)

    @_compile.kernel
    def twice(x):
        return 2 * x

    assert twice(21) == 42


def test_kernels_are_cached_in_that_folder():
    stream_key(np.uint64(1), np.uint64(2))
    folder = _compile.cache_folder()
    assert folder is not None
    assert all(str(folder) in str(each._cache.cache_path) for each in (stream_key, mix))
