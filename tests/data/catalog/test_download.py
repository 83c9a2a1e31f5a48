"""A real server on the loopback that misbehaves in every way a mirror can."""

import hashlib
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spikewise.data.catalog.download import fetch
from spikewise.errors import DownloadError, ParameterError

BODY = hashlib.shake_256(b"body").digest(300_000)
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


class Handler(BaseHTTPRequestHandler):
    """Behaves as the words in the path say; ``once`` limits the trouble to the first request."""

    def do_GET(self):
        words = self.path.strip("/").split("-")
        log = self.server.log
        trouble = "once" not in words or not any(path == self.path for path, _ in log)
        log.append((self.path, self.headers.get("Range")))
        for code in (404, 503):
            if str(code) in words and trouble:
                return self.send_error(code)
        body = b"x" * len(BODY) if "wrong" in words and trouble else BODY
        start = 0
        if self.headers.get("Range") and "norange" not in words:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if "nolength" not in words:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if "linger" in words:
            time.sleep(0.3)
        if "cut" in words and trouble:
            self.wfile.write(body[start:HALF])
        elif "stall" in words and trouble:
            self.wfile.write(body[start:HALF])
            self.wfile.flush()
            self.server.released.wait(5)
        else:
            self.wfile.write(body[start:])
        return None

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up is part of the game."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    server.log, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, *paths, target, checksum=SHA256, **options):
    urls = [f"{server.url}/{path}" for path in paths]
    return fetch(urls, target, checksum, **{"timeout_s": 2.0, "n_retries": 2, "backoff_s": 0.001, **options})


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "folder" / "file.bin"


def part_of(target):
    return target.with_name("file.bin.part")


@pytest.mark.parametrize("path", ["plain", "nolength", "norange"])
def test_a_file_arrives_whole_and_leaves_no_part(server, target, path):
    assert get(server, path, target=target) == target
    assert target.read_bytes() == BODY
    assert not part_of(target).exists()


def test_a_file_that_is_there_is_not_asked_for_again(server, target):
    get(server, "plain", target=target)
    get(server, "plain", target=target)
    assert len(server.log) == 1


def test_a_file_that_is_there_and_wrong_is_replaced(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"damaged")
    get(server, "plain", target=target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("trouble", ["cut", "stall"])
def test_a_broken_transfer_is_resumed_where_it_stopped(server, target, trouble):
    get(server, f"{trouble}-once", target=target, timeout_s=0.2)
    assert target.read_bytes() == BODY
    assert [asked for _, asked in server.log] == [None, f"bytes={HALF}-"]


def test_a_broken_transfer_begins_anew_if_the_server_knows_no_ranges(server, target):
    get(server, "cut-once-norange", target=target)
    assert target.read_bytes() == BODY


def test_a_body_cut_short_without_an_announced_length_is_completed(server, target):
    get(server, "cut-once-nolength", target=target)
    assert target.read_bytes() == BODY


def test_an_interrupted_call_is_resumed_by_the_next_one(server, target):
    def interrupt(n_done, n_total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, "plain", target=target, progress=interrupt)
    n_kept = part_of(target).stat().st_size
    assert 0 < n_kept < len(BODY)
    assert not target.exists()
    get(server, "plain", target=target)
    assert target.read_bytes() == BODY
    assert server.log[-1] == ("/plain", f"bytes={n_kept}-")


def test_a_part_that_was_complete_is_used_without_a_request(server, target):
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(BODY)
    get(server, "plain", target=target)
    assert target.read_bytes() == BODY
    assert not server.log


@pytest.mark.parametrize("old", [b"other bytes", BODY + b"too long"])
def test_a_part_of_another_file_is_thrown_away(server, target, old):
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(old)
    get(server, "plain", target=target)
    assert target.read_bytes() == BODY


def test_a_wrong_checksum_deletes_the_part_and_says_so(server, target):
    with pytest.raises(DownloadError, match="wrong sha256"):
        get(server, "wrong", target=target)
    assert not target.exists()
    assert not part_of(target).exists()
    assert len(server.log) == 1


def test_a_wrong_file_is_fetched_from_the_next_mirror(server, target):
    get(server, "wrong", "plain", target=target)
    assert target.read_bytes() == BODY


def test_a_missing_file_is_asked_for_once_and_then_elsewhere(server, target):
    get(server, "404", "plain", target=target)
    assert [path for path, _ in server.log] == ["/404", "/plain"]


def test_a_busy_server_is_asked_again(server, target):
    get(server, "503-once", target=target)
    assert target.read_bytes() == BODY


def test_a_server_that_always_stalls_is_given_up_and_named(server, target):
    with pytest.raises(DownloadError, match=r"/stall-norange \(.*timed out"):
        get(server, "stall-norange", target=target, timeout_s=0.05, n_retries=1)
    assert len(server.log) == 2


def test_offline_the_mirrors_and_the_ways_out_are_named(target):
    with pytest.raises(DownloadError) as caught:
        fetch(["http://127.0.0.1:9/one", "http://127.0.0.1:9/two"], target, SHA256, backoff_s=60)
    for word in ("file.bin", "127.0.0.1:9/one", "127.0.0.1:9/two", "SPIKEWISE_DATA", "SPIKEWISE_MIRROR"):
        assert word in str(caught.value)


def test_progress_grows_to_the_announced_length(server, target):
    seen = []
    get(server, "cut-once", target=target, progress=lambda n_done, n_total: seen.append((n_done, n_total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(BODY), len(BODY))


def test_two_processes_download_a_file_once(server, target):
    code = "import sys; from spikewise.data.catalog.download import fetch; fetch(*sys.argv[1:])"
    command = [sys.executable, "-c", code, f"{server.url}/linger", str(target), SHA256]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(30) for process in running] == [0, 0]
    assert target.read_bytes() == BODY
    assert len(server.log) == 1


def test_md5_is_accepted(server, target):
    get(server, "plain", target=target, checksum="md5:" + hashlib.md5(BODY).hexdigest())
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("checksum", ["", "abc", "crc32:00", "sha256:"])
def test_a_checksum_that_is_none_is_refused(target, checksum):
    with pytest.raises(ParameterError, match="checksum must be"):
        fetch("http://127.0.0.1:9", target, checksum)


def test_a_folder_that_cannot_be_made_is_a_download_error(tmp_path):
    with suppress(OSError):
        (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="could not be written"):
        fetch("http://127.0.0.1:9", tmp_path / "file" / "below", SHA256)


def test_a_broken_address_is_a_download_error(target):
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch("no address", target, SHA256)
