"""What stages of a run took: how parts add up, and what a record must hold."""

import math
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.energy.measurement import NOTHING, Measurement, measured_of
from spikewise.errors import DataError, ParameterError

SOURCES = ["RAPL (package-0)", "30 W given by the user, times the time"]
AMOUNTS = st.integers(1, 10**6)


@st.composite
def measurements(draw):
    seconds, joules = draw(AMOUNTS) / 16, draw(AMOUNTS | st.none())
    source = draw(st.sampled_from(SOURCES)) if joules is not None else "not measured: no counters"
    return Measurement(seconds, joules and joules / 16, source, draw(AMOUNTS), draw(st.integers(0, 9)))


def recorded(**measured):
    return types.SimpleNamespace(record={"measured": measured})


@given(measurements(), measurements(), measurements())
def test_parts_add_up_in_any_grouping(a, b, c):
    assert a.then(b).then(c).summary() | {"source": ""} == a.then(b.then(c)).summary() | {"source": ""}
    both = a.then(b)
    assert (both.seconds, both.n_samples) == (a.seconds + b.seconds, a.n_samples + b.n_samples)
    assert (both.joules is None) == (a.joules is None or b.joules is None)
    assert (both.joules is None) == both.source.startswith("not measured")


@given(measurements())
def test_nothing_changes_nothing_and_a_part_taken_away_leaves_the_rest(a):
    assert NOTHING.then(a) == a == a.then(NOTHING)
    assert a.then(a).source == a.source
    assert a.without(a).seconds == 0
    assert a.without(NOTHING) == a


@given(measurements(), st.floats(1e-3, 1e6))
def test_watts_go_before_every_counter(a, watts):
    found = a.at_watts(watts)
    assert found.joules == watts * a.seconds
    assert (found.seconds, found.n_samples) == (a.seconds, a.n_samples)
    assert "given by the user" in found.source


@given(measurements())
def test_a_record_comes_back(a):
    assert Measurement.from_dict(a.to_dict()) == a == Measurement.from_dict(a.summary())


def test_without_joules_or_samples_there_is_no_mean():
    assert Measurement(1.0, None, "", 5).joules_per_sample is None
    assert NOTHING.joules_per_sample is None
    assert NOTHING.seconds_per_sample is None


GOOD = {"seconds": 2.0, "joules": 4.0, "source": "x", "n_samples": 8, "n_missing": 0}


@pytest.mark.parametrize(
    "damage", [{"seconds": -1}, {"joules": "many"}, {"n_samples": None}, {"seconds": math.inf}, {"joules": -0.5}]
)
def test_a_damaged_entry_is_named(damage):
    with pytest.raises(DataError, match=r"measured\.training in run\.json must hold seconds"):
        measured_of(recorded(training=GOOD | damage))
    with pytest.raises(DataError, match=r"measured\.training in run\.json"):
        measured_of(recorded(training=[1]))


def test_each_exit_setting_has_its_own_answers_and_the_last_is_the_default():
    entries = {
        "training": GOOD,
        **{f"{stage} (drop-{n})": GOOD | {"seconds": n} for n in (1, 2) for stage in ("inference", "inference_exit")},
    }
    run = recorded(**entries)
    assert {key: found.seconds for key, found in measured_of(run).items()} == {
        "training": 2.0, "inference": 2.0, "inference_exit": 2.0,
    }  # fmt: skip
    assert measured_of(run, "drop-1")["inference"].seconds == 1.0
    assert set(measured_of(run, "drop-3")) == {"training"}
    assert [found.joules for found in measured_of(run, "drop-1", watts=10).values()] == [20.0, 10.0, 10.0]


def test_a_run_without_records_has_none():
    assert measured_of(types.SimpleNamespace(record={})) == {} == measured_of(recorded())


@pytest.mark.parametrize("watts", [0.0, -1.0, math.nan, math.inf])
def test_impossible_watts_are_refused_even_where_nothing_was_recorded(watts):
    with pytest.raises(ParameterError, match="watts must be a number in"):
        measured_of(recorded(), watts=watts)
