import json
import os

import pytest
import typer
from typer.testing import CliRunner

from spikewise.cli.price import find_workload, price
from spikewise.errors import DataError, ParameterError
from spikewise.price.estimate import estimate
from spikewise.workload import LayerShape, uniform_workload

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


def test_a_workload_file_is_priced_as_tables_json_and_csv(app, tmp_path):
    LOAD.write(tmp_path / "w.json")
    run = CliRunner().invoke
    assert "toy on rram-64-32nm" in run(app, [str(tmp_path / "w.json"), "--by", "layer"]).output
    found = json.loads(run(app, [str(tmp_path / "w.json"), "--json"]).output)
    assert found == estimate(LOAD).summary()
    assert {"energy_j", "latency_s", "area_m2", "memory_bits", "edp_js", "edp_saving", "band"} <= set(found)
    assert {"breakdown", "assumptions", "platform", "weakest_tag"} <= set(found)
    assert run(app, [str(tmp_path / "w.json"), "--csv"]).output.startswith("component,energy_j,latency_s")


def test_a_run_folder_gives_its_newest_exit_setting_or_the_named_one(run_folder):
    assert find_workload(run_folder) == run_folder / "exits" / "loose" / "workload.json"
    assert find_workload(run_folder, "strict") == run_folder / "exits" / "strict" / "workload.json"


def test_a_run_without_exits_gives_its_own_workload(tmp_path):
    LOAD.write(tmp_path / "workload.json")
    assert find_workload(tmp_path) == tmp_path / "workload.json"


def test_what_cannot_be_found_is_named(run_folder, tmp_path):
    with pytest.raises(ParameterError, match=r"exit setting must be one of loose, strict; got 'strikt'. Did you mean"):
        find_workload(run_folder, "strikt")
    with pytest.raises(ParameterError, match="needs a run folder"):
        find_workload(run_folder / "workload.json", "strict")
    with pytest.raises(DataError, match="must be a workload file or a run folder"):
        find_workload(tmp_path / "nothing")


def test_an_unknown_breakdown_is_named(tmp_path):
    with pytest.raises(
        ParameterError, match=r"--by must be one of component, layer, step; got 'stap'. Did you mean 'step'"
    ):
        price(tmp_path, by="stap")


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
