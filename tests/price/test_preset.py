"""Platform files: presets, and files that change another one."""

import os
import re

import pytest

from spikewise.errors import DataError, ParameterError
from spikewise.price import estimate, load_platform, platform_names
from spikewise.price.preset import PRESETS, merged
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload("net", [LayerShape("fc", "linear", 64, 64, weight_bits=4)], 2, [0.5])


EXTENDS = 'extends = "rram-64-32nm-physical"\n'


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
        ('extends = "mine.toml"\n', "mine.toml: extends must not go in circles; got mine.toml -> mine.toml. Mend one"),
        ('extends = "../mine"\n', "extends: the path of a platform file must end in .toml; got '../mine'. Rename"),
        (EXTENDS + "[component.adc]\n", "every key must be one of .*; got 'component'. Did you mean 'components'"),
        (
            EXTENDS + "[components.adc]\nenrgy = 3\n",
            "every key of components.adc must be one of .*; got 'enrgy'. Did you mean 'energy'",
        ),
        (EXTENDS + "[components.adc.energy]\nvalue = -1\n", "components.adc.energy.value must be at least 0; got -1"),
        (EXTENDS + '[components.adc.energy]\nvalue = "x"\n', "components.adc.energy.value must be a number; got 'x'"),
        (EXTENDS + "[mapping]\nn_rows = 1.5\n", "mapping.n_rows must be a whole number; got 1.5"),
        (EXTENDS + '[mapping]\nscheme = "im2cols"\n', "mapping.scheme must be one of .* Did you mean 'im2col'"),
        (EXTENDS + "mapping = 3\n", "mapping must be a table; got 3"),
        (EXTENDS + "name = 3\n", "name must be text; got 3"),
        (EXTENDS + 'name = ""\n', "name must hold at least 1; got ''"),
        (EXTENDS + "components = 3\n", r"components must be a table; got 3. Write \[components.NAME\]"),
        (EXTENDS + "new_components = 3\n", "new_components must be a table; got 3"),
        ('extends = "loihi"\n[components.adc]\n', "components must extend a platform of components; loihi has none"),
        (
            EXTENDS + 'name = "loihi"\n',
            "name must not be that of a platform that ships .*; got 'loihi'. Choose another",
        ),
        ("x = " + "9" * 5000, "mine.toml must be a readable TOML file"),
        ("x = " + "[" * 100_000, "mine.toml must be a readable TOML file"),
        ('extends = "nowhere.toml"\n', "nowhere.toml must be a readable TOML file"),
        (
            'extends = "rram-64-32nm"\n[components.adcs.energy]\nvalue = 1\n',
            "component must be one of .*; got 'adcs'. Did you mean 'adc'",
        ),
        ('extends = "rram-64-32nm"\n[new_components.adc]\n', "new_components.adc must not be there yet"),
        (
            'extends = "rram-64-32nm"\n[components.adc.area]\nvalue = -1\n',
            "components.adc.area.value must be at least 0; got -1",
        ),
        ('extends = "rram-64-32nm"\n[components.adc.area]\nunit = "pJ"\n', "components.adc.area: unit must be an area"),
        ('extends = "rram-64-32nm"\n[mapping]\ncell_bits = 40\n', "mapping.cell_bits must be at most 8; got 40"),
        ('kind = "toaster"\n', "kind must be one of .*imc.*; got 'toaster'"),
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
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", (tmp_path / "zero.toml")):
        if not path.exists():
            path.symlink_to("/dev/zero")
        with pytest.raises(DataError, match="a regular file; it is a pipe or a device"):
            load_platform(path)
    with pytest.raises(DataError, match="must not hold a zero byte"):
        load_platform("a\0.toml")
    with pytest.raises(ParameterError, match="Did you mean 'sram-22nm'"):
        load_platform("sram-21nm")


def test_a_path_must_end_in_toml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, EXTENDS, "mine")
    for name in ("mine", "./mine", "nowhere/mine", tmp_path / "mine.json"):
        with pytest.raises(ParameterError, match=r"the path of a platform file must end in \.toml; got"):
            load_platform(name)
    assert load_platform(write(tmp_path, EXTENDS, "Q.TOML")).name == "Q"


@pytest.mark.parametrize("name", [None, 3, {}, ["loihi"]])
def test_a_platform_is_an_object_a_name_or_a_path(name):
    for ask in (load_platform, lambda each: estimate(LOAD, each)):
        with pytest.raises(ParameterError, match="platform must be a platform, its name or the path of its file; got"):
            ask(name)
    with pytest.raises(ParameterError, match="workload must be a Workload; got"):
        estimate(name)


def test_a_long_chain_is_no_circle(tmp_path):
    write(tmp_path, EXTENDS, "file0.toml")
    for n in range(1, 40):
        write(tmp_path, f'extends = "./file{n - 1}.toml"\n[mapping]\nn_tiles = {n}\n', f"file{n}.toml")
    assert load_platform(tmp_path / "file39.toml").mapping.n_tiles == 39


def test_a_circle_is_named_whatever_its_files_are_called(tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path, 'extends = "sub/b.toml"\n', "a.toml")
    write(tmp_path / "sub", 'extends = "../link.toml"\n', "b.toml")
    (tmp_path / "link.toml").symlink_to(tmp_path / "a.toml")
    with pytest.raises(DataError, match=r"circles; got a\.toml -> b\.toml -> link\.toml\. Mend one"):
        load_platform(tmp_path / "a.toml")


# -- whose words they are -----------------------------------------------------------------------------


def test_a_changed_platform_does_not_speak_in_the_name_of_the_original(tmp_path):
    original = load_platform("rram-64-32nm-physical")
    mine = load_platform(write(tmp_path, EXTENDS + "[mapping]\nn_rows = 128\n[components.adc.energy]\nvalue = 9\n"))
    assert mine.name == "mine"
    wanted = "mine: changes 2 settings of rram-64-32nm-physical: mapping.n_rows, components.adc.energy."
    assert mine.label == wanted == mine.estimate(LOAD).assumptions[0]
    assert mine.notes[0].startswith("the notes below were written for rram-64-32nm-physical; ")
    assert mine.notes[1:] == original.notes
    assert original.label not in mine.estimate(LOAD).assumptions


def test_many_changes_are_counted(tmp_path):
    parts = [name for name in load_platform("rram-64-32nm-physical").components if name not in ("crossbar", "adc")][:6]
    lines = "".join(f"[components.{name}]\nmemory = []\nonce = []\nenergy = []\n" for name in parts)
    label = load_platform(write(tmp_path, EXTENDS + lines)).label
    found = re.fullmatch(r"mine: changes (\d+) settings of rram-64-32nm-physical: (.*) and (\d+) more\.", label)
    assert len(found[2].split(", ")) == 5
    assert int(found[1]) == 5 + int(found[3])


def test_words_of_ones_own_and_values_that_stay_are_no_changes(tmp_path):
    text = EXTENDS + 'notes = ["a note"]\n[mapping]\nn_rows = 64\n'
    same = load_platform(write(tmp_path, text))
    assert (same.label, same.notes) == ("mine: the same as rram-64-32nm-physical.", ("a note",))
    told = load_platform(write(tmp_path, EXTENDS + 'name = "chip7"\nlabel = "measured"\n[mapping]\nn_rows = 32\n'))
    assert (told.name, told.label) == ("chip7", "measured")


def test_a_chain_tells_all_that_differs_from_what_it_began_with(tmp_path):
    write(tmp_path, 'extends = "sram-22nm"\nname = "first"\n[mapping]\nn_tiles = 900\n', "base.toml")
    part = 'energy = { per = "chip", value = 1, unit = "nJ", source = "measured", tag = "run" }'
    mine = load_platform(
        write(tmp_path, f'extends = "base.toml"\n[mapping]\nn_tiles = 800\n[new_components.radio]\n{part}\n')
    )
    assert mine.name == "mine"
    assert mine.label == "mine: changes 2 settings of sram-22nm: mapping.n_tiles, components.radio."
    assert sum("were written for" in note for note in mine.notes) == 1


def test_a_shipped_file_may_be_read_by_its_path():
    for name in platform_names():
        assert load_platform(str(PRESETS / f"{name}.toml")) == load_platform(name)


def test_what_a_change_does_not_name_stays():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    assert merged(base, {"a": {"y": [3]}}, "f") == {"a": {"x": 1, "y": [3]}, "b": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 2}
