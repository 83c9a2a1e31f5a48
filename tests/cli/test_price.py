import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.table import Table
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from spikewise.cli.output import emit
from spikewise.cli.price import find_workload, price
from spikewise.energy.measurement import Measurement
from spikewise.errors import DataError, ParameterError, RunError
from spikewise.learn import STDPClassifier
from spikewise.price.analysis.ann_baseline import ann_baseline
from spikewise.price.platform import estimate, load_platform
from spikewise.report.tables.priced import Priced
from spikewise.runs import Run
from spikewise.workload import LayerShape, uniform_workload
from spikewise.workload.metrics import count_metrics

LOAD = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 2, [0.2], [3, 1])


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(price)
    return app


@pytest.fixture
def run_folder(tmp_path):
    LOAD.without_exit().write(tmp_path / "workload.json")
    for age, name in enumerate(["loose", "strict"]):
        folder = tmp_path / "exits" / name
        folder.mkdir(parents=True)
        LOAD.write(folder / "workload.json")
        os.utime(folder / "workload.json", (1000 - age, 1000 - age))
    return tmp_path


def priced(app, path, *arguments):
    """What the command prints for programs."""
    result = CliRunner().invoke(app, [str(path), *arguments, "--json"], catch_exceptions=False)
    return json.loads(result.output)


@pytest.fixture
def toy(tmp_path):
    LOAD.write(tmp_path / "w.json")
    return tmp_path / "w.json"


def test_a_workload_file_is_priced_as_tables_json_and_csv(app, toy):
    run = CliRunner().invoke
    assert "toy on rram-64-32nm" in run(app, [str(toy), "--by", "layer"]).output
    found = priced(app, toy)
    assert found["workload"]["footprint_bytes"] == count_metrics(LOAD).footprint_bytes
    calibrated, physical = found["platforms"]  # a calibrated chip is never shown alone
    assert (calibrated["asked"], physical["asked"]) == (True, False)
    for each, name in ((calibrated, "rram-64-32nm"), (physical, "rram-64-32nm-physical")):
        summary = estimate(LOAD, name).summary()
        assert {key: each[key] for key in summary} == summary
        assert each["ann"]["rival"]["energy_j"] == ann_baseline(LOAD, load_platform(name)).energy_j
        assert each["sensitivity"] is None
        assert each["operations"] == {}
    lines = run(app, [str(toy), "--csv"]).output.splitlines()
    assert lines[0].startswith("workload,platform,component,energy_j,latency_s")
    assert {line.split(",")[1] for line in lines[1:]} == {"rram-64-32nm", "rram-64-32nm-physical"}


def test_json_has_the_same_keys_for_one_platform_and_for_several(app, toy):
    one = priced(app, toy, "--platform", "loihi")
    several = priced(app, toy, "--platform", "digital-45nm", "--platform", "rram-64-32nm", "--sensitivity")
    assert [(each["platform"], each["asked"]) for each in several["platforms"]] == [
        ("digital-45nm", True), ("rram-64-32nm", True), ("rram-64-32nm-physical", False),
    ]  # fmt: skip
    assert one.keys() == several.keys()
    assert len({tuple(each) for each in [*one["platforms"], *several["platforms"]]}) == 1


def test_companions_stand_in_every_table(app, toy):
    shown = CliRunner().invoke(app, [str(toy), "--markdown", "--sensitivity"]).output
    for title in (
        "**toy on rram-64-32nm-physical, by component**",
        "**does spiking pay on rram-64-32nm-physical?**",
        "**what moves the energy on rram-64-32nm-physical most**",
        "**taken for granted on rram-64-32nm-physical**",
    ):
        assert title in shown


def test_platforms_of_one_name_are_refused(app, toy, tmp_path):
    twins = [tmp_path / folder / "mine.toml" for folder in ("a", "b")]
    for path in twins:
        path.parent.mkdir()
        path.write_text('extends = "sram-22nm"\nname = "mine"\n')
    for first, second, name in (("sram-22nm", "sram-22nm", "sram-22nm"), (*map(str, twins), "mine")):
        result = CliRunner().invoke(app, [str(toy), "--platform", first, "--platform", second])
        assert isinstance(result.exception, ParameterError)
        assert f"got '{name}' 2 times" in str(result.exception)
        assert "give name =" in str(result.exception)


@pytest.mark.parametrize("name", ["[/b]x", "[bold]x", ":smile:"])
def test_names_from_outside_are_shown_as_they_are(name, capsys):
    load = uniform_workload(name, [LayerShape(name, "linear", 64, 10)], 2, [0.2])
    chip = load_platform("digital-45nm").model_copy(update={"name": name})
    for by in ("component", "layer"):
        emit({}, *Priced.of(load, [chip]).tables(by))
        assert f"{name} on {name}, by {by}" in capsys.readouterr().out


def test_what_is_printed_holds_no_markup_and_no_escapes(capsys):
    table = Table(title="[bold]t")
    table.add_column("[/b]x")
    table.add_row("a\x1b[31mb")
    emit({}, table)
    out = capsys.readouterr().out
    assert "[bold]t" in out
    assert "[/b]x" in out
    assert "a\\x1b[31mb" in out


def test_a_run_folder_gives_its_newest_exit_setting_or_the_named_one(run_folder):
    assert find_workload(run_folder) == run_folder / "exits" / "loose" / "workload.json"
    assert find_workload(run_folder, "strict") == run_folder / "exits" / "strict" / "workload.json"


def test_a_run_without_exits_gives_its_own_workload(tmp_path):
    LOAD.write(tmp_path / "workload.json")
    assert find_workload(tmp_path) == tmp_path / "workload.json"


@pytest.fixture
def measured_run(run_folder, tmp_path_factory):
    begun = Run.start(tmp_path_factory.mktemp("begun"), kind="stdp", settings={}, seed=0)
    shutil.copy(begun.path / "run.json", run_folder)
    run = Run.open(run_folder)
    took = Measurement(seconds=10.0, joules=150.0, source="RAPL (package-0)", n_samples=100)
    entries = ("training", "inference (loose)", "inference_exit (loose)")
    run.update(measured={name: took.to_dict() for name in entries})
    return run_folder


def test_what_a_run_took_stands_beside_its_price(app, measured_run):
    found = priced(app, measured_run, "--exit", "loose")["measured"]
    assert found.keys() == {"training", "inference", "inference_exit"}
    assert found["training"]["joules_per_sample"] == 1.5
    text = CliRunner().invoke(app, [str(measured_run)]).output
    assert "measured on the machine that made the run" in text
    assert "RAPL (package-0)" in text


def test_watts_turn_the_time_of_a_run_into_joules(app, measured_run):
    found = priced(app, measured_run, "--watts", "20")["measured"]["training"]
    assert found["joules"] == 200.0
    assert "20 W" in found["source"]


def test_watts_without_a_run_are_refused(toy):
    with pytest.raises(ParameterError, match="--watts needs a run folder, whose time was measured; got"):
        price(toy, watts=20)


def test_an_empty_exit_histogram_is_refused(tmp_path):
    table = tmp_path / "net.csv"
    table.write_text("kind,in,out,kernel,stride,groups,height,width,rate\nlinear,8,4,1,1,1,1,1,0.5\n")
    with pytest.raises(ParameterError, match="--exit-histogram must be whole numbers with commas between"):
        price(table, steps=2, exit_histogram="")


def test_what_cannot_be_found_is_named(run_folder, tmp_path):
    with pytest.raises(ParameterError, match=r"exit setting must be one of loose, strict; got 'strikt'. Did you mean"):
        find_workload(run_folder, "strikt")
    with pytest.raises(ParameterError, match="needs a run folder"):
        find_workload(run_folder / "workload.json", "strict")
    with pytest.raises(DataError, match="it does not exist"):
        find_workload(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must be a workload file or a run folder"):
        find_workload(tmp_path / "empty")


def test_an_unknown_breakdown_is_named(tmp_path):
    with pytest.raises(
        ParameterError, match=r"--by must be one of component, layer, timestep; got 'timestap'. Did you mean 'timestep'"
    ):
        price(tmp_path, by="timestap")


def test_only_the_damaged_file_of_a_run_is_to_be_deleted(run_folder):
    path = run_folder / "exits" / "loose" / "workload.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match=r"Delete it and run the command again\.$") as caught:
        price(run_folder, exit_name="loose")
    assert str(caught.value).count(str(path)) == 1
    with pytest.raises(DataError) as caught:
        price(path)
    assert "Delete" not in str(caught.value)


def test_json_and_csv_exclude_each_other(tmp_path):
    with pytest.raises(ParameterError, match="exclude each other"):
        price(tmp_path, as_json=True, as_csv=True)


def test_several_platforms_stand_side_by_side(app, toy):
    asked = ["--platform", "spikesim-65nm", "--platform", "sram-22nm"]
    shown = CliRunner().invoke(app, [str(toy), *asked, "--markdown"]).output
    assert "|  | spikesim-65nm | sram-22nm |" in shown
    assert "| price includes |" in shown
    assert "**toy on sram-22nm, by component**" in shown
    assert "*all time stands in control" in shown  # captions too
    assert "\n- layers run one after the other" in shown  # and what was taken for granted
    found = priced(app, toy, *asked, "--sensitivity")["platforms"]
    assert [each["platform"] for each in found] == ["spikesim-65nm", "sram-22nm"]
    assert found[0]["sensitivity"] == []  # the replica has no bands
    strongest = found[1]["sensitivity"][0]
    assert strongest["constant"].startswith("components.")
    assert strongest["band"]["unit"]
    assert strongest["source"]
    csv = CliRunner().invoke(app, [str(toy), *asked, "--csv"]).output
    assert csv.count("energy_j") == 1
    assert csv.count(",total,") == 2


def test_sensitivity_has_no_place_in_csv(app, toy):
    result = CliRunner().invoke(app, [str(toy), "--csv", "--sensitivity"])
    assert isinstance(result.exception, ParameterError)


def test_only_one_format_at_a_time(app, tmp_path):
    LOAD.write(tmp_path / "w.json")
    result = CliRunner().invoke(app, [str(tmp_path / "w.json"), "--json", "--markdown"])
    assert isinstance(result.exception, ParameterError)


def test_learning_is_priced_from_counted_operations(app, tmp_path):
    digits = load_digits().data[:60]
    network = STDPClassifier(n_neurons=9, n_steps=60, n_epochs=1, random_state=0).fit(digits, np.arange(60) % 3)
    network.workload(digits).write(tmp_path / "w.json")
    asked = [str(tmp_path / "w.json"), "--platform", "digital-45nm"]
    (found,) = priced(app, *asked)["platforms"]
    assert found["operations"]["training"]["energy_j"] > found["operations"]["inference"]["energy_j"] > 0
    shown = CliRunner().invoke(app, [*asked, "--markdown"]).output
    assert "counted operations on digital-45nm" in shown
    assert "Believe the one above for a chip" in shown  # two prices of one network: which holds
    assert found["ann"]["rival"] is None
    assert "without labels" in found["ann"]["reason"]


@pytest.fixture
def table(tmp_path):
    (tmp_path / "net.csv").write_text("kind,in,out,rate\nlinear,64,32,0.5\nlinear,32,10,0.1\n")
    return tmp_path / "net.csv"


def test_steps_and_exits_of_a_table_are_given_beside_it(app, table, toy):
    assert priced(app, table, "--steps", "8")["workload"]["n_steps"] == 8
    found = priced(app, table, "--exit-histogram", "75,12,5,8")
    assert found["platforms"][0]["exit_histogram"] == [75, 12, 5, 8]
    for arguments, words in (
        ([str(table), "--exit-histogram", "3;1"], "whole numbers with commas"),
        ([str(toy), "--steps", "8"], "--steps needs a table of layers"),
        ([str(toy), "--exit-histogram", "3,1"], "--exit-histogram needs a table of layers"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, ParameterError)
        assert words in str(result.exception)


def test_a_folder_of_runs_lists_them(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    with pytest.raises(DataError, match=r"must be a run itself; there are runs in it: .*a, .*b\. Name one"):
        find_workload(tmp_path)


def test_exits_that_cannot_be_read_are_no_missing_exits(run_folder, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(RunError, match="exits must be readable, since the price depends on it; Permission denied"):
        find_workload(run_folder)
