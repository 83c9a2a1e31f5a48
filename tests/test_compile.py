"""Compiled code is kept as long as no file with kernels changes, and no longer."""

import shutil

import numpy as np

from spikewise import _compile
from spikewise.spikes.streams import mix, stream_key


def test_any_change_of_a_file_with_kernels_asks_for_another_folder(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(_compile._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = _compile.digest_of(package)
    assert before == _compile.digest_of(_compile._PACKAGE)
    for name in ("learn/kernels/neurons.py", "learn/rules/lean.py", "spikes/streams.py", "_compile.py"):
        changed = package / name
        text = changed.read_text()
        changed.write_text(text + "# more\n")
        assert _compile.digest_of(package) != before
        changed.write_text(text)
    (package / "units.py").write_text("")
    assert _compile.digest_of(package) == before


def test_folders_of_other_contents_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "kernels-0123").mkdir()
    (tmp_path / "mine").mkdir()
    _compile.cache_folder.cache_clear()
    try:
        found = _compile.cache_folder()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([found.name, "mine"])
    finally:
        _compile.cache_folder.cache_clear()


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
