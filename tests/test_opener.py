"""Files of anybody's: only regular ones are opened, at once, and none for more memory than it can honestly hold."""

import os
import socket
import threading

import pytest

from spikewise._opener import budget_of, check_budget, memory_limit, opened, read_bytes
from spikewise.errors import DataError, ParameterError


def test_a_regular_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"spikes")
    assert read_bytes(tmp_path / "a", "file") == b"spikes"
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with opened(tmp_path / "b", "file") as (file, n_bytes):
        assert (file.read(), n_bytes) == (b"spikes", 6)
    (tmp_path / "empty").touch()
    assert read_bytes(tmp_path / "empty", "file") == b""


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    errors = []

    def read():
        try:
            read_bytes(tmp_path / "pipe", "recording")
        except DataError as error:
            errors.append(str(error))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout=30)
    assert not reader.is_alive()
    assert errors == [
        f"{tmp_path}/pipe must be a readable recording, a regular file; it is a pipe or a device. Name a file."
    ]


def test_devices_sockets_folders_and_absent_files_are_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)  # names of sockets must be short
        listener.bind("socket")
        for place, words in (
            ("socket", "it is a pipe or a device"),
            ("/dev/zero", "it is a pipe or a device"),
            (tmp_path, "it is a folder"),
            ("absent", "No such file or directory"),
            ("a\0b", "zero byte"),
        ):
            with pytest.raises(DataError, match=f"must .*{words}"):
                read_bytes(place, "recording")


@pytest.fixture(autouse=True)
def here():
    place = os.getcwd()
    yield
    os.chdir(place)


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(DataError, match=r"must be a card of at most 10 bytes; it has 11\. Is it one\?"):
        read_bytes(tmp_path / "a", "card", max_bytes=10)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**13)  # takes no room on the disk
    with pytest.raises(DataError, match=r"4,294,967,296 bytes; it has 10,000,000,000,000.*SPIKEWISE_MAX_MEMORY"):
        read_bytes(tmp_path / "sparse", "recording")
    monkeypatch.setenv("SPIKEWISE_MAX_MEMORY", "10B")
    with pytest.raises(DataError, match="at most 10 bytes"):
        read_bytes(tmp_path / "a", "recording")


def test_a_file_whose_size_is_stated_as_zero_is_read_up_to_the_limit():
    with open("/proc/self/status", "rb") as file:
        assert file.read(5) == read_bytes("/proc/self/status", "status", max_bytes=2**20)[:5]
    with pytest.raises(DataError, match="at most 3 bytes"):
        read_bytes("/proc/self/status", "status", max_bytes=3)


def test_the_budget_grows_with_the_file_up_to_the_limit(monkeypatch):
    assert budget_of(0) == 128 * 2**20
    assert budget_of(2**20) == 160 * 2**20
    assert budget_of(2**40) == memory_limit() == 4 * 2**30
    # Tiny-ImageNet: a zip of 248 MB holds pictures of 1.2 GB and a half.
    check_budget(110_000 * 3 * 64 * 64, 248_100_043, "tiny-imagenet-200.zip")
    monkeypatch.setenv("SPIKEWISE_MAX_MEMORY", "1.5 GB")
    assert budget_of(0) == budget_of(2**40) == 1_500_000_000


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan", "1e9", "9" * 5000, "8 GiB"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv("SPIKEWISE_MAX_MEMORY", text)
    with pytest.raises(ParameterError, match="must be a size such as 8GB") as raised:
        memory_limit()
    assert len(str(raised.value)) < 200
