"""A package names what it offers and imports it only when asked."""

import subprocess
import sys

import pytest

import spikewise.dynamic


def test_a_name_is_imported_when_it_is_asked_for_and_not_before():
    code = (
        "import sys, spikewise.dynamic as dynamic\n"
        "before = 'spikewise.dynamic.rule' in sys.modules\n"
        "rule = dynamic.EntropyExit\n"
        "print(before, 'spikewise.dynamic.rule' in sys.modules, rule.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "spikewise.dynamic.rule"]


def test_what_a_package_offers_can_be_listed_and_nothing_else_is_there():
    assert set(spikewise.dynamic.__all__) <= set(dir(spikewise.dynamic))
    with pytest.raises(AttributeError, match=r"'spikewise\.dynamic' has no attribute 'EntropyExist'"):
        _ = spikewise.dynamic.EntropyExist
