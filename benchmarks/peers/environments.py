"""One virtual environment per peer, made once, and calls into it.

A peer never meets our own environment: it has its own folder below ``$SPIKEWISE_PEERS`` (by default
``~/.cache/spikewise/peers``) with the versions written down here. What was installed is noted in the folder, so a
changed list makes it anew. A call sends one JSON object to a script's standard input and reads JSON lines back.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
_NOTE = "installed.json"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_INSTALL_SECONDS = 1800


class PeerError(Exception):
    """A peer cannot be installed or its script failed; the message goes into its row."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer, what pip is asked for, and the programs its environment needs.

    ``alone`` are packages installed without their dependencies.
    """

    name: str
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        """The file that runs inside the environment."""
        return HERE / f"run_{self.name}.py"


# bindsnet 0.3.4 declares torch >= 2.14, torchvision, opencv and Atari games. Training needs none of them, and torch
# 2.13 has all it calls, so it is installed alone; run_bindsnet.py puts stand-ins where it imports the absent ones.
BINDSNET = Peer(
    "bindsnet",
    (
        "torch==2.13.0", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "matplotlib==3.11.2", "pandas==3.1.1",
        "tqdm==4.70.1",
    ),
    alone=("bindsnet==0.3.4",),
)  # fmt: skip
# brian2 2.9.0 calls numpy.ndarray.ptp, which numpy 2.4 no longer has.
BRIAN2 = Peer("brian2", ("brian2==2.9.0", "numpy==2.3.5"), programs=("g++", "make"))
PEERS = {peer.name: peer for peer in (BINDSNET, BRIAN2)}
# Both ask for whatever torch is newest, and for packages that a training step does not need.
SPIKINGJELLY = Peer(
    "spikingjelly",
    ("torch==2.13.0", "numpy==2.4.6", "scipy==1.17.1", "matplotlib==3.11.2", "tqdm==4.70.1", "tensorboard==2.20.0",
     "einops==0.8.1", "loguru==0.7.3"),
    alone=("spikingjelly==2.0.0",),
)  # fmt: skip
SNNTORCH = Peer("snntorch", ("torch==2.13.0", "numpy==2.4.6"), alone=("snntorch==1.0.0",))
DEEP_PEERS = {peer.name: peer for peer in (SPIKINGJELLY, SNNTORCH)}


def cache_folder() -> Path:
    """Where the environments lie."""
    given = os.environ.get("SPIKEWISE_PEERS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "spikewise" / "peers"


def make_environment(peer: Peer) -> Path:
    """Python of the peer's environment, which is made if it is not there."""
    for program in peer.programs:
        if shutil.which(program) is None:
            raise PeerError(f"needs {program}, which is not installed")
    folder = cache_folder() / peer.name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = json.dumps([peer.packages, peer.alone, sys.version])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not python.exists() or not (folder / _NOTE).exists() or (folder / _NOTE).read_text() != wanted:
                print(f"making the environment of {peer.name} in {folder} (once, some minutes)", flush=True)
                _run(sys.executable, "-m", "venv", "--clear", folder)
                _pip(python, *peer.packages)
                if peer.alone:
                    _pip(python, "--no-deps", *peer.alone)
                (folder / _NOTE).write_text(wanted)
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerError(f"its environment cannot be made: {error}") from None
    return python


def _pip(python: Path, *arguments: str) -> None:
    _run(python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    if done.returncode:
        raise PeerError(f"{' '.join(map(str, command[1:]))} failed: {_last_line(done.stderr)}")


def call_lines(python: str | Path, script: Path, request: dict, core: int | None = None) -> Iterator[dict]:
    """The JSON objects that a script writes, one per line, as they come."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or python == sys.executable}
    environment |= dict.fromkeys(_THREADS, "1")
    answered = False
    with tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(
            [python, script, json.dumps(request)], stdout=subprocess.PIPE, stderr=complaints, text=True,
            env=environment, preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        ) as process:  # fmt: skip
            for line in process.stdout:
                if line.startswith("{"):
                    answered = True
                    yield json.loads(line)
        complaints.seek(0)
        if process.returncode or not answered:
            raise PeerError(f"{script.name} ended with {process.returncode}: {_last_line(complaints.read())}")


def _last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")
