"""A command that is killed at any moment leaves nothing that cannot be read, and ends as if it had not been.

Each command runs in fresh processes: they are killed, together or one alone, at random moments, until one of them ends
by itself. What lies in the folder after each kill must be readable, and at the end equal to that of an uninterrupted
run, but for timings, measured energy, and how often the test set was looked at.

    SPIKEWISE_KILLS=100 pytest -m slow tests/test_kills.py -s
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikewise._arrays import read_npz
from spikewise.errors import SpikewiseError
from spikewise.runs import Run
from spikewise.weights import read_weights

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there are no groups of processes")]

N_KILLS = int(os.environ.get("SPIKEWISE_KILLS", "14"))
DEEP = ["--model", "vgg5", "--width", "0.2", "--steps", "3", "--epochs", "4", "--threads", "1"]
STDP = ["--neurons", "30", "--steps", "100", "--epochs", "3"]
UNEQUAL = {"timings", "measured", "test_evaluations", "n_test_evaluations", "versions"}
COMMANDS = {
    "train": ["train", "--data", "DATA", "--out", "OUT", *DEEP],
    "stdp": ["stdp", "--data", "DATA", "--out", "OUT", *STDP],
    "exit": ["exit", "OUT", "--data", "DATA", "--max-drop", "0.01"],
    "shrink": ["shrink", "OUT", "--data", "DATA", "--bits", "4", "--out", "OUT-4bit"],
    "zoo": ["zoo", "digits-vgg5", "--out", "OUT"],
    "search": [
        "search", "--data", "DATA", "--out", "OUT", "--max-memory", "20kB", "--neurons", "10,20", "--bits", "4,8",
        "--steps", "50", "--trials", "4", "--jobs", "2",
    ],
    "demo": ["demo", "--data", "DATA", "--out", "OUT", "--epochs", "2", "--neurons", "20"],
}  # fmt: skip
RESUMED_BY = {"train": ["--resume"], "stdp": ["--resume"], "search": ["--resume"]}
NEEDS_A_RUN = {"exit", "shrink"}


def begin(command, data, out, more=()):
    words = [word.replace("DATA", str(data)).replace("OUT", str(out)) for word in COMMANDS[command]]
    return subprocess.Popen(
        [sys.executable, "-m", "spikewise", *words, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def processes_of(group):
    """The numbers of the processes of a group."""
    found = subprocess.run(["ps", "-o", "pid=", "-g", str(group)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def content(folder):
    """All that a folder holds, readable or not an error of ours, but for what may differ between equal runs."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.suffix in (".lock", ".html", ".svg", ".png", ".csv", ".log") or ".tmp" in name:
            continue
        if path.name == "run.json":
            record = Run.open(path.parent).record
            found[name] = {key: value for key, value in record.items() if key not in UNEQUAL}
        elif path.name == "search.json":
            found[name] = designs_of(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".safetensors" and path.name != "checkpoint.safetensors":
            found[name] = path.read_bytes()
        elif path.suffix == ".npz":
            found[name] = {key: values.tolist() for key, values in np.load(path).items()}
    return found


def designs_of(search):
    """What a search found; which process tried a design, and in which order, is chance."""
    key = ("name", "accuracy", "energy_j", "memory_bits")
    rows = {part: sorted(tuple(row[each] for each in key) for row in search[part]) for part in ("trained", "front")}
    return {**rows, "chosen": search["chosen"]["name"], "test": without_times(search["chosen"]["test"])}


def without_times(value):
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in UNEQUAL and not key.endswith(("seconds", "_s"))}
        return {key: without_times(each) for key, each in kept.items()}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def check_readable(folder):
    """Every file that lies there is whole: nothing is half written."""
    for path in folder.rglob("*"):
        if path.is_dir() or ".tmp" in path.name:
            continue
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".npz":
            read_npz(path, [])
        elif path.name == "model.safetensors":
            found = json.loads(path.with_name("model.json").read_text(encoding="utf-8"))["format"]
            read_weights(path, found)
        elif path.name == "run.json":
            Run.open(path.parent)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_killed_ends_as_if_it_had_not_been(command, few_digits, request, tmp_path):
    chance = random.Random(f"{command} {os.environ.get('SPIKEWISE_SEED', '0')}")
    start = request.getfixturevalue("trained_deep") if command in NEEDS_A_RUN else None

    def folder(name):
        return Path(shutil.copytree(start, tmp_path / name)) if start else tmp_path / name

    def fresh():
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        return folder("whole")

    for _ in range(2):  # the second does not wait for the compiler
        whole, began = fresh(), time.monotonic()
        process = begin(command, few_digits, whole)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        longest = time.monotonic() - began
    expected = content(tmp_path)

    n_kills, wanted = 0, -(-N_KILLS // len(COMMANDS))
    while n_kills < wanted:
        killed = fresh()
        for attempt in range(50):
            more = RESUMED_BY.get(command, []) if attempt and (killed / "run.json").exists() else []
            more = RESUMED_BY.get(command, []) if attempt and command == "search" and killed.exists() else more
            process = begin(command, few_digits, killed, more)
            try:
                said, _ = process.communicate(timeout=chance.uniform(0.3, 1.0) * longest if n_kills < wanted else 600)
                if process.returncode == 0:
                    break
                # A process that lost its helpers says so, in our words.
                assert process.returncode == 2, said
                assert "Traceback" not in said, said
            except subprocess.TimeoutExpired:
                alone = command == "search" and chance.random() < 0.5
                victims = processes_of(process.pid)
                try:
                    if alone and len(victims) > 1:
                        os.kill(chance.choice(victims), signal.SIGKILL)
                        said, _ = process.communicate(timeout=600)
                        assert "Traceback" not in said, said
                    else:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.communicate(timeout=60)
                except ProcessLookupError:
                    process.communicate(timeout=60)
                n_kills += 1
                check_readable(tmp_path)
                if process.returncode == 0:
                    break
        else:
            pytest.fail("it never ended")
        try:
            found = content(tmp_path)
        except SpikewiseError as error:
            pytest.fail(str(error))
        assert found.keys() == expected.keys()
        for name in expected:
            assert found[name] == expected[name], name
    print(f"{command}: {n_kills} kills")  # noqa: T201
