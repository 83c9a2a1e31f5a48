import importlib
import tomllib

import pytest

from spikewise.errors import DataError, ParameterError
from spikewise.price import Platform, load_platform, platform_names
from spikewise.price.platform import estimate
from spikewise.price.preset import PRESETS
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload("net", [LayerShape("fc", "linear", 64, 10)], 2, [0.2])


def text_of(name):
    return (PRESETS / f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", platform_names())
def test_every_platform_prices_a_network_and_names_its_sources(name):
    platform = load_platform(name)
    assert isinstance(platform, Platform)
    report = platform.estimate(LOAD)
    assert report.platform == name == platform.name
    assert report.energy_j > 0
    assert report.latency_s > 0
    assert report.assumptions
    assert report.sources


@pytest.mark.parametrize("name", platform_names())
def test_a_platform_file_of_ones_own_is_read(name, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text_of(name).replace(f'name = "{name}"', 'name = "mine"'), encoding="utf-8")
    assert estimate(LOAD, path).to_dict() == {**estimate(LOAD, name).to_dict(), "platform": "mine"}
    assert estimate(LOAD, load_platform(path)).energy_j == estimate(LOAD, str(path)).energy_j


def test_an_unknown_platform_is_answered_with_the_nearest_known_one():
    with pytest.raises(
        ParameterError, match=r"platform must be one of .*; got 'rram-64'. Did you mean 'rram-64-32nm'?"
    ):
        load_platform("rram-64")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent.toml must be a readable TOML file"):
        load_platform(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "value = 104\n",
            'value = 104.0\nunits = "s"\n',
            r"every key of components.control.latency must be one of .*; got 'units'. Did you mean 'unit'",
        ),
        ('unit = "ns"', 'unit = "pJ"', r"components.control.latency: unit must be a time; got 'pJ'"),
        (
            'per = "serial_cycle"',
            'per = "cycle"',
            r"components.control.latency.per must be one of .*; got 'cycle'. Did you mean 'pe_cycle'",
        ),
        ("n_crossbars = 9 ", "#", r"pe_cycle.n_crossbars must be given; it is missing"),
        (
            'per = "crossbar_read"',
            'per = "tile"',
            r"an energy that is a share must be charged per pe_cycle or crossbar_read",
        ),
        ("n_rows = 64", "n_rows = 128", r"pe_cycle holds for mapping.n_rows = 64; got 128"),
        ("n_rows = 64", "n_rows = 0", r"mapping.n_rows must be at least 1; got 0"),
        (
            '{ per = "tile", value = 10,',
            '{ per = "tile", value = -1,',
            r"components.periphery.memory.1.value must be at least 0; got -1",
        ),
        ("[fixed.ratio]", "[fixed.rat]", r"every key of fixed must be one of .*; got 'rat'. Did you mean 'ratio'"),
    ],
)
def test_a_wrong_platform_file_names_the_offending_key(tmp_path, old, new, message):
    text = text_of("rram-64-32nm")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=f"mine.toml: {message}"):
        load_platform(tmp_path / "mine.toml")


def test_the_calibrated_platform_is_as_uncertain_as_its_weakest_constant():
    assert estimate(LOAD).weakest_tag == "unverified"


def test_shares_of_a_pe_cycle_sum_to_one():
    raw = tomllib.loads(text_of("rram-64-32nm"))
    shares = [
        part["energy"]["value"] for part in raw["components"].values() if part.get("energy", {}).get("unit") == "1"
    ]
    assert sum(shares) == pytest.approx(1, abs=1e-15)


def test_the_package_offers_what_it_names():
    package = importlib.import_module("spikewise.price")
    assert all(getattr(package, name) is not None for name in package.__all__)
