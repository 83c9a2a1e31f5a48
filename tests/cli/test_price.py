import json
import os

import numpy as np
import pytest
import typer
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from spikewise.cli.price import find_workload, price
from spikewise.errors import DataError, ParameterError
from spikewise.learn import STDPClassifier
from spikewise.price.baseline import ann_baseline
from spikewise.price.platform import estimate, load_platform
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
    (beside,) = found.pop("beside")  # a calibrated chip is never shown alone
    assert beside == estimate(LOAD, "rram-64-32nm-physical").summary()
    assert found.pop("operations") == {}
    assert found.pop("ann")["energy_j"] == ann_baseline(LOAD, load_platform("rram-64-32nm")).energy_j
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


def test_several_platforms_stand_side_by_side(app, tmp_path):
    LOAD.write(tmp_path / "w.json")
    run = CliRunner().invoke
    asked = [str(tmp_path / "w.json"), "--platform", "spikesim-65nm", "--platform", "sram-22nm"]
    shown = run(app, [*asked, "--markdown"]).output
    assert "|  | spikesim-65nm | sram-22nm |" in shown
    assert "| scope |" in shown
    assert "**does spiking pay?**" in shown
    assert "**toy on sram-22nm, by component**" in shown
    found = json.loads(run(app, [*asked, "--json", "--sensitivity"]).output)
    assert [each["platform"] for each in found["platforms"]] == ["spikesim-65nm", "sram-22nm"]
    assert found["platforms"][0]["sensitivity"] == []  # the replica has no bands
    assert found["platforms"][1]["sensitivity"][0]["constant"].startswith("components.")
    assert found["beside"] == []
    assert run(app, [*asked, "--csv"]).output.count("total,") == 2


def test_only_one_format_at_a_time(app, tmp_path):
    LOAD.write(tmp_path / "w.json")
    result = CliRunner().invoke(app, [str(tmp_path / "w.json"), "--json", "--markdown"])
    assert isinstance(result.exception, ParameterError)


def test_it_is_said_whether_spiking_pays(app, tmp_path):
    layers = [LayerShape("one", "linear", 640, 320), LayerShape("two", "linear", 320, 10)]
    for rate, answer in ((0.02, "yes, "), (0.5, "no, ")):
        uniform_workload("net", layers, 4, [rate, rate]).write(tmp_path / "w.json")
        shown = CliRunner().invoke(app, [str(tmp_path / "w.json"), "--platform", "digital-45nm", "--markdown"]).output
        assert f"| {answer}" in shown
    shown = CliRunner().invoke(app, [str(tmp_path / "w.json"), "--platform", "loihi", "--markdown"]).output
    assert "no dense layers there" in shown


def test_learning_is_priced_from_counted_operations(app, tmp_path):
    digits = load_digits().data[:60]
    network = STDPClassifier(n_neurons=9, n_steps=60, n_epochs=1, random_state=0).fit(digits, np.arange(60) % 3)
    network.workload(digits).write(tmp_path / "w.json")
    asked = [str(tmp_path / "w.json"), "--platform", "digital-45nm"]
    found = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)["operations"]
    assert found["training"]["energy_j"] > found["inference"]["energy_j"] > 0
    assert "counted operations on digital-45nm" in CliRunner().invoke(app, [*asked, "--markdown"]).output
