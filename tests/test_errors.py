import pickle

import pytest

from spikewise import errors
from spikewise.errors import (
    DataError,
    MissingExtraError,
    ParameterError,
    RunError,
    SpikewiseError,
    require,
    unknown_name,
)

BUILTINS = {"ShapeError": ValueError, "CapacityError": ValueError, "DataError": ValueError, "RunError": OSError}


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_each_error_is_also_the_builtin_a_reader_expects(name, builtin):
    error = getattr(errors, name)
    assert issubclass(error, SpikewiseError)
    assert issubclass(error, builtin)


def test_an_unknown_name_suggests_the_nearest():
    assert "Did you mean 'digits'?" in str(unknown_name("data set", "digts", ["digits", "mnist"]))
    assert "Choose one of these." in str(unknown_name("data set", "zzz", ["digits", "mnist"]))
    assert isinstance(unknown_name("x", "y", []), ParameterError)


def test_a_missing_extra_is_named_with_its_command():
    with pytest.raises(MissingExtraError, match=r"pip install 'spikewise\[deep\]'"):
        require("surely_not_installed", "deep")
    assert require("json", "deep").dumps({}) == "{}"


def test_a_broken_dependency_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import surely_not_installed_either")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed_either"):
        require("half_installed", "deep")


def test_a_message_is_one_line_of_bounded_length():
    error = DataError("a\nb\x1b[31m\u2028c" + "x" * 30_000 + " Fetch it again.")
    assert str(error).startswith("a b [31m c")
    assert str(error).endswith("x Fetch it again.")
    assert len(str(error)) == 800
    assert str(RunError("a\nb")) == str(pickle.loads(pickle.dumps(RunError("a\nb")))) == "a b"
