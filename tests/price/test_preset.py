"""Platform files: presets, and files that change another one."""

import pytest

from spikewise.errors import DataError, ParameterError
from spikewise.price import load_platform
from spikewise.price.preset import merged
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload("net", [LayerShape("fc", "linear", 64, 64, weight_bits=4)], 2, [0.5])


def write(folder, text, name="mine.toml"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_file_may_change_a_few_constants_of_another_platform(tmp_path):
    text = 'extends = "rram-64-32nm-physical"\nname = "mine"\n[components.adc.energy]\nvalue = 7.9\n'
    mine, base = load_platform(write(tmp_path, text)), load_platform("rram-64-32nm-physical")
    constant = mine.constants["components.adc.energy"]
    assert (constant.low, constant.value, constant.high) == (7.9, 7.9, 7.9)
    assert (constant.source, constant.tag, constant.unit) == ("mine.toml", "unverified", "pJ")
    ours, theirs = (chip.estimate(LOAD).breakdown()["adc"].energy_j for chip in (mine, base))
    assert ours == pytest.approx(10 * theirs)
    assert mine.estimate(LOAD).platform == "mine"


def test_files_may_extend_files_and_bring_parts_of_their_own(tmp_path):
    write(tmp_path, 'extends = "spikesim-65nm"\n[mapping]\nn_tiles = 9\n', "base.toml")
    part = 'energy = { per = "chip", value = 1, unit = "nJ", source = "measured", tag = "run" }'
    mine = load_platform(write(tmp_path, f'extends = "base.toml"\n[new_components.radio]\n{part}\n'))
    assert mine.mapping.n_tiles == 9
    assert mine.estimate(LOAD).breakdown()["radio"].energy_j == pytest.approx(2e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "rram"\n', "mine.toml: extends: platform must be one of .*; got 'rram'"),
        ("extends = 3\n", "extends must be the name of a platform or a TOML file; got 3"),
        ('extends = "mine.toml"\n', "extends must not go in circles"),
        ('extends = "nowhere.toml"\n', "nowhere.toml must be a readable TOML file"),
        (
            'extends = "rram-64-32nm"\n[components.adcs.energy]\nvalue = 1\n',
            "component must be one of .*; got 'adcs'. Did you mean 'adc'",
        ),
        ('extends = "rram-64-32nm"\n[new_components.adc]\n', "new_components.adc must not be there yet"),
        ('extends = "rram-64-32nm"\n[components.adc.area]\nvalue = -1\n', "components.adc.area.value: Input should be"),
        ('extends = "rram-64-32nm"\n[components.adc.area]\nunit = "pJ"\n', "components.adc.area: unit must be an area"),
        ('extends = "rram-64-32nm"\n[mapping]\ncell_bits = 40\n', "mapping.cell_bits: Input should be less than"),
        ('kind = "toaster"\n', "kind: must be one of imc.*; got 'toaster'"),
        ("kind = ", "must be a readable TOML file"),
    ],
)
def test_a_wrong_file_gets_one_clear_error(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load_platform(write(tmp_path, text))


def test_a_file_of_the_wrong_size_or_kind_is_refused(tmp_path):
    (tmp_path / "big.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(DataError, match="at most 1,048,576 bytes"):
        load_platform(tmp_path / "big.toml")
    (tmp_path / "noise.toml").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="readable TOML"):
        load_platform(tmp_path / "noise.toml")
    with pytest.raises(ParameterError, match="Did you mean 'sram-22nm'"):
        load_platform("sram-21nm")


def test_what_a_change_does_not_name_stays():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    assert merged(base, {"a": {"y": [3]}}, "f") == {"a": {"x": 1, "y": [3]}, "b": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 2}
