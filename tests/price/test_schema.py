"""The schema of platform files: what can be read is valid, what cannot is not."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from spikewise.errors import ParameterError
from spikewise.price import load_platform, platform_names
from spikewise.price.platform import KINDS
from spikewise.price.preset import PRESETS
from spikewise.price.schema import platform_schema

_SPEC = importlib.util.spec_from_file_location("json_schema", Path(__file__).parents[1] / "oracles" / "json_schema.py")
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "platforms.md"
EXTENDS = 'extends = "rram-64-32nm-physical"\n'
RATE = '{ per = "chip", value = 1, unit = "nJ", source = "s", tag = "run" }'
COMPLETE = 'kind = "imc"\nlabel = "l"\n[mapping]\nn_rows = 64\nn_cols = 64\ncell_bits = 4\n'


def is_right(text, kind="imc"):
    return oracle.is_valid(platform_schema(kind), tomllib.loads(text))


@pytest.mark.parametrize("name", platform_names())
def test_every_preset_is_valid_for_its_kind_and_no_other(name):
    text = (PRESETS / f"{name}.toml").read_text(encoding="utf-8")
    right = load_platform(name).kind
    assert [kind for kind in KINDS if is_right(text, kind)] == [right]


def test_the_file_that_the_documentation_teaches_is_valid():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert is_right(example)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (EXTENDS, True),
        (EXTENDS + "[components.adc.energy]\nvalue = 3\n", True),
        (EXTENDS + f"[new_components.radio]\nenergy = {RATE}\n", True),
        (EXTENDS + f"[new_components.radio]\nenergy = [{RATE}, {RATE}]\n", True),
        (EXTENDS + "[new_components.radio]\nenergy = { value = 1 }\n", False),
        (EXTENDS + "[components.adc]\nenergy = [{ value = 1 }]\n", False),  # lists are replaced as a whole
        (EXTENDS + "[component.adc]\n", False),
        (EXTENDS + "[components.adc]\nenrgy = 3\n", False),
        (EXTENDS + "[components.adc.energy]\nvalue = -1\n", False),
        (EXTENDS + "[mapping]\nn_rows = 0\n", False),
        ("[mapping]\nn_rows = 64\nn_cols = 64\n", False),
        (f"{COMPLETE}[components.x]\nenergy = {RATE}\n", True),  # a file without a name is called like itself
        (f"{COMPLETE}[new_components.x]\nenergy = {RATE}\n", False),
        (f"{COMPLETE}[components.x]\nenergy = {RATE}\n".replace("label", "labels"), False),
    ],
)  # fmt: skip
def test_a_change_may_leave_out_what_a_complete_file_must_say(text, right):
    assert is_right(text) is right


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(ParameterError, match=r"kind of platform must be one of .*; got 'ims'. Did you mean 'imc'"):
        platform_schema("ims")
