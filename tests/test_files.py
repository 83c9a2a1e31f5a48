import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spikewise import _files
from spikewise._files import mendable, read_json, read_text, remove_leftovers, replacing, write_json, write_text
from spikewise.errors import DataError, RunError


def test_a_file_appears_whole_with_ordinary_permissions(tmp_path):
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("remedy", ["Delete it and run the command again.", "Restore it."])
@pytest.mark.parametrize(
    "problem",
    ["a rule is none; got 'abc'..", "No data left", "Is it right?", "{path} is empty.", "{path} is empty. {remedy}"],
)
def test_a_damaged_file_of_our_own_is_named_once_with_what_to_do(tmp_path, problem, remedy):
    path = tmp_path / "a.json"
    path.write_text("{}")
    with pytest.raises(DataError) as caught, mendable(path, remedy):
        raise DataError(problem.format(path=path, remedy=remedy))
    message = str(caught.value)
    assert message.count(str(path)) == message.count(remedy) == 1
    assert message.endswith(f" {remedy}")
    assert message.removesuffix(f" {remedy}")[-2:-1] not in ".?"
    assert message.removesuffix(f" {remedy}")[-1] in ".?"


def interrupt(path):
    with replacing(path) as handle:
        handle.write(b"half")
        raise KeyboardInterrupt


def full_disk(path):
    with replacing(path) as handle:
        handle.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("fail", "error"), [(interrupt, KeyboardInterrupt), (full_disk, RunError)])
def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, fail, error):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(error):
        fail(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(RunError, match="No space left"):
        full_disk(tmp_path / "a.txt")


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(RunError, match="folder that can be written"):
        write_text(tmp_path / "absent" / "a.txt", "x")


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_json_comes_back_or_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1]})
    assert read_json(tmp_path / "a.json", "thing") == {"x": [1]}
    with pytest.raises(DataError, match="at most 3 bytes"):
        read_json(tmp_path / "a.json", "thing", max_bytes=3)
    for content in (b"\xff{", b'{"x": ' + b"9" * 5000 + b"}"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(DataError, match="thing"):
            read_json(tmp_path / "a.json", "thing")


@pytest.mark.parametrize("read", [lambda path: read_json(path, "thing"), lambda path: read_text(path, "thing", 100)])
def test_what_may_never_end_is_not_even_opened(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DataError, match="a regular file; it is a pipe or a device"):
            read(path)
    with pytest.raises(DataError, match="it is a folder"):
        read(tmp_path)
    with pytest.raises(DataError, match="must not hold a zero byte"):
        read("a\0b")


def test_a_file_that_tells_no_size_is_read_up_to_the_limit():
    with pytest.raises(DataError, match="at most 3 bytes"):
        read_text("/proc/self/status", "thing", 3)


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffgrün".encode())
    assert read_text(tmp_path / "a.txt", "thing", 100) == "grün"


def killed_while_writing(path):
    """Temporary file of a process that was killed while it wrote; the process is gone."""
    code = f"import os\nfrom spikewise._files import replacing\nwith replacing({str(path)!r}): os.kill(os.getpid(), 9)"
    before = set(Path(path).parent.iterdir())
    subprocess.run([sys.executable, "-c", code], check=False)
    (leftover,) = set(Path(path).parent.iterdir()) - before
    return leftover


@pytest.mark.parametrize("name", ["run.json", "ü" * 120, "a\nb"])
def test_what_a_killed_process_left_is_removed(tmp_path, name):
    leftover = killed_while_writing(tmp_path / name)
    assert leftover.name.startswith(".")
    remove_leftovers([tmp_path])
    assert not leftover.exists()


def test_what_is_not_ours_or_still_being_written_stays(tmp_path):
    leftover = killed_while_writing(tmp_path / "run.json")
    gone = leftover.name.rsplit("-", 2)[1]
    names = [
        ".mine.tmp",
        ".run.json.abcdefgh.tmp",
        leftover.name.replace(".spikewise-", ".other-"),
        leftover.name.replace(f".spikewise-{_files._HOST}", ".spikewise-another.host"),
        leftover.name.replace(f"-{gone}-", "-1-"),  # a process of somebody else
        leftover.name.replace(f"-{gone}-", f"-{10**30}-"),
        leftover.name[1:],
        f"{leftover.name}.kept",
    ]
    (tmp_path / "below").mkdir()
    kept = [tmp_path / name for name in names] + [tmp_path / "below" / leftover.name]
    for path in kept:
        path.write_text("mine")
    folder = tmp_path / leftover.name.replace(f"-{gone}-", f"-{gone}-x")
    folder.mkdir()
    with replacing(tmp_path / "run.json") as live:
        remove_leftovers([tmp_path, tmp_path / "absent"])
        assert all(path.exists() for path in [*kept, folder, Path(live.name)])
    assert not leftover.exists()


def test_where_processes_cannot_be_asked_nothing_is_removed(tmp_path, monkeypatch):
    leftover = killed_while_writing(tmp_path / "run.json")
    monkeypatch.setattr("spikewise._files.os.name", "nt")
    is_running = _files._is_running(1)
    monkeypatch.undo()
    assert is_running
    remove_leftovers([tmp_path])
    assert not leftover.exists()
