"""The platforms on the command line."""

import json

import pytest

from spikewise.cli.app import run
from spikewise.price import load_platform, platform_names
from spikewise.price.analysis.sensitivity import constants_of


def told(capsys, *arguments):
    assert run(["platforms", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_all_platforms_are_listed_with_what_to_trust(capsys):
    rows = told(capsys)["platforms"]
    assert [row["name"] for row in rows] == list(platform_names())
    assert all(row["label"] and row["weakest_tag"] for row in rows)
    assert run(["platforms"]) == 0
    assert "rram-64-32nm-physical" in capsys.readouterr().out


@pytest.mark.parametrize("name", platform_names())
def test_a_platform_is_shown_with_every_constant_and_its_source(name, capsys):
    found = told(capsys, name)
    constants = dict(constants_of(load_platform(name)))
    assert found["constants"].keys() == constants.keys()
    assert all(each["source"] and each["unit"] and each["tag"] for each in found["constants"].values())
    assert run(["platforms", name]) == 0
    assert found["label"].split()[0] in capsys.readouterr().out
    assert found["scope"]
    assert all(found["constants"][key]["name"] for key in constants)


def test_settings_and_memories_are_shown_too(capsys):
    found = told(capsys, "rram-64-32nm")
    assert (found["settings"]["mapping.n_rows"], found["settings"]["fixed.mode"]) == (64, "fit_proportional")
    assert found["sram"] == []
    found = told(capsys, "digital-45nm")
    assert found["constants"]["integer.add.1"]["name"] == "integer.add at 16 bits"
    assert min(row["read_j"] for row in found["sram"]) > 0
    assert run(["platforms", "digital-45nm"]) == 0
    assert "SRAM at 45 nm" in capsys.readouterr().out


def test_editors_get_a_schema(capsys):
    assert run(["platforms", "--schema", "imc"]) == 0
    found = json.loads(capsys.readouterr().out)["properties"]
    assert {"components", "extends", "new_components"} <= found.keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rram"], "platform must be one of"),
        (["--schema", "ims"], "Did you mean 'imc'"),
        (["no.toml"], "readable"),
        (["loihi", "--schema", "imc"], "--schema takes a kind of platforms and no platform; got 'loihi' too"),
    ],
)
def test_what_is_not_there_is_named(arguments, words, capsys):
    assert run(["platforms", *arguments]) == 2
    assert words in capsys.readouterr().err
