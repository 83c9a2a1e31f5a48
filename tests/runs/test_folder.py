import json
import os
import stat
import subprocess
import sys
import time

import pytest

from spikewise import _files
from spikewise._files import make_folder, replacing
from spikewise.errors import DataError, RunError
from spikewise.runs import PICTURES, Run

SETTINGS = {"n_steps": 4, "layers": (1, 2)}


def start(folder, **changes):
    return Run.start(folder, **{"kind": "deep", "settings": SETTINGS, "seed": 0, **changes})


def test_starting_twice_resumes(tmp_path):
    start(tmp_path / "run").update(metrics={"accuracy": 0.5})
    again = start(tmp_path / "run")
    assert again.record["metrics"] == {"accuracy": 0.5}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"settings": {"n_steps": 5, "layers": (1, 2)}}, r"settings\.n_steps"),
        ({"kind": "stdp"}, "kind"),
    ],
)
def test_another_run_in_the_way_is_not_overwritten(tmp_path, changes, named):
    start(tmp_path)
    with pytest.raises(RunError, match=f"differs in {named}"):
        start(tmp_path, **changes)


def test_sections_merge_and_looks_at_the_test_set_are_logged(tmp_path):
    run = start(tmp_path)
    run.update(metrics={"a": 1}, timings={"train_s": 2.0})
    run.update(metrics={"b": 2})
    run.log_test_evaluation("static curve", 100)
    record = Run.open(tmp_path).record
    assert record["metrics"] == {"a": 1, "b": 2}
    assert record["timings"] == {"train_s": 2.0}
    assert record["test_evaluations"][0]["purpose"] == "static curve"
    assert record["versions"]["numpy"]


def test_a_second_process_builds_on_what_the_first_wrote(tmp_path):
    first, second = start(tmp_path), start(tmp_path)
    with first.locked():
        first.update(metrics={"a": 1})
        first.log_test_evaluation("exit", 3)
    with second.locked():
        second.update(metrics={"b": 2})
    record = Run.open(tmp_path).record
    assert record["metrics"] == {"a": 1, "b": 2}
    assert len(record["test_evaluations"]) == 1


def test_leftovers_of_killed_writers_are_removed_under_the_lock(tmp_path):
    run = start(tmp_path)
    folders = [run.path, make_folder(run.exit("drop-0").path), make_folder(run.path / PICTURES)]
    name = f".exit.json.spikewise-{_files._HOST}-{a_process_that_is_gone()}-abcdefgh.tmp"
    for folder in folders:
        (folder / name).write_text("half")
    with run.locked():
        assert not list(run.path.rglob(".*.tmp"))


def a_process_that_is_gone():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_locking_a_run_touches_nothing_in_folders_of_other_things(tmp_path):
    """A run made by ``--out .`` has a whole project below it, with live runs of its own."""
    outer, nested = start(tmp_path), start(tmp_path / "runs" / "mine")
    name = f".exit.json.spikewise-{_files._HOST}-{a_process_that_is_gone()}-abcdefgh.tmp"
    foreign = [
        tmp_path / ".vscode.tmp",
        tmp_path / "src" / ".module.py.tmp",
        nested.path / name,
        tmp_path / "src" / name,
    ]
    for path in foreign:
        make_folder(path.parent)
        path.write_text("mine")
    make_folder(tmp_path / ".cache.tmp")
    with replacing(nested.path / "model.safetensors") as live:
        live.write(b"weights")
        with outer.locked():
            assert all(path.exists() for path in [*foreign, tmp_path / ".cache.tmp"])
    assert (nested.path / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("section", ["metrics", "measured"])
def test_a_section_of_the_wrong_kind_is_named(tmp_path, section):
    run = start(tmp_path)
    run.record[section] = []
    run._write()
    with pytest.raises(DataError, match=f"must hold '{section}' as dict"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("data", "classes", [1, 2]),
        ("data", "shape", [8, 8]),
        ("metrics", "exits", [1]),
        ("metrics", "exits", {"drop-0.1": None}),
        ("metrics", "accuracy_by_step", {"1": "0.5"}),
        ("metrics", "cost", None),
    ],
)
def test_an_entry_of_the_wrong_kind_is_named(tmp_path, section, key, value):
    run = start(tmp_path)
    run.record[section][key] = value
    run._write()
    with pytest.raises(DataError, match=rf"run\.json must be the whole .*; {section}\.{key}.*Restore it, or delete"):
        Run.open(tmp_path)


def test_a_missing_entry_is_named_once_it_is_needed(tmp_path):
    run = start(tmp_path)
    with pytest.raises(DataError, match=r"run\.json must be .*; data\.classes is missing\. Restore it"):
        run.entry("data", "classes")
    run.update(data={"classes": ["a"]})
    assert Run.open(tmp_path).entry("data", "classes") == ["a"]
    del run.record["kind"]
    run._write()
    with pytest.raises(DataError, match=r"; kind: Field required\."):
        Run.open(tmp_path)


def test_a_run_from_before_energy_was_measured_is_opened(tmp_path):
    run = start(tmp_path)
    del run.record["measured"]
    run._write()
    again = start(tmp_path)
    assert again.record["measured"] == {}
    again.update(measured={"training": {"seconds": 1.0}})
    assert Run.open(tmp_path).record["measured"] == {"training": {"seconds": 1.0}}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}'])
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"run\.json .*(Restore it, or delete the folder|Is this folder a run\?)"):
        Run.open(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(DataError, match="run folder"):
        Run.open(tmp_path / "absent")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match="a file is in the way"):
            start(place)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(RunError, match="written"):
        make_folder(tmp_path / "run")


def test_a_failed_write_leaves_the_old_record(tmp_path):
    run = start(tmp_path)
    run.update(metrics={"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        run.update(metrics={"b": float("nan")})
    assert Run.open(tmp_path).record["metrics"] == {"a": 1}
    assert {p.name for p in tmp_path.iterdir()} == {"run.json", ".lock"}


def test_a_killed_writer_leaves_a_whole_record(tmp_path):
    run = start(tmp_path)
    code = (
        "import sys; from spikewise.runs import Run\n"
        "run = Run.open(sys.argv[1]); n = 0\n"
        "while True: n += 1; run.update(metrics={'n': n, 'filler': 'x' * 200_000})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not Run.open(tmp_path).record["metrics"]:
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    assert json.loads((run.path / "run.json").read_text())["metrics"]["n"] >= 1


def test_two_processes_cannot_hold_a_run(tmp_path):
    run = start(tmp_path)
    code = "import sys; from spikewise.runs import Run\nwith Run.open(sys.argv[1]).locked(): pass"
    with run.locked():
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "one process at a time" in other.stderr
    with run.locked():
        pass


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.safetensors", "report.html", "pictures/", "exits/"])
def test_a_run_does_not_begin_among_somebodys_files_of_its_names(tmp_path, name):
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text("mine")
    with pytest.raises(RunError, match=rf"none of the files of a run .*; it holds {name.strip('/')}\. Choose another"):
        start(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != ".lock") == [path.name]


@pytest.mark.parametrize(("key", "value"), [("data", 5), ("fit", []), ("network", 1), ("binning", 5)])
def test_settings_of_the_wrong_kind_are_named(tmp_path, key, value):
    run = start(tmp_path)
    run.record["settings"][key] = value
    run._write()
    with pytest.raises(DataError, match=rf"must be the whole record of a run; settings\.{key}"):
        Run.open(tmp_path)
