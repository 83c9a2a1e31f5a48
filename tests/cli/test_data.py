"""``spikewise data``."""

import json

import numpy as np
import typer
from typer.testing import CliRunner

from spikewise.cli.data import data

APP = typer.Typer()
APP.command()(data)


def run(*arguments):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_the_table_counts_every_split():
    result = run("digits")
    assert result.exit_code == 0
    for word in ("train", "1,295", "validation", "143", "test", "359", "1×8×8", "scikit-learn"):
        assert word in result.stdout


def test_json_is_one_object_with_hashes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (100, 2, 2), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(100) % 2, classes=["a", "b"])
    value = json.loads(run(tmp_path / "own.npz", "--json").stdout)
    assert (value["name"], value["classes"], value["is_verified"]) == ("own", ["a", "b"], False)
    assert {split: part["n_samples"] for split, part in value["splits"].items()} == {
        "train": 72,
        "validation": 8,
        "test": 20,
    }
    assert all(len(part["sha256"]) == 64 for part in value["splits"].values())


def test_empty_splits_are_listed(tmp_path):
    np.savez(tmp_path / "few.npz", images=np.arange(8, dtype=np.uint8).reshape(2, 2, 2), labels=[0, 1])
    splits = json.loads(run(tmp_path / "few.npz", "--json").stdout)["splits"]
    assert [splits[split]["n_samples"] for split in ("train", "validation", "test")] == [2, 0, 0]
    assert splits["test"] == {"n_samples": 0, "shape": [1, 2, 2], "sha256": None}
    assert "validation" in run(tmp_path / "few.npz").stdout
