import importlib.util
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.dynamic import EntropyExit, ExitPath, ExitRule, ScoreTrace, calibrate, normalized_entropy, replay_exit
from spikewise.dynamic.sigma_e import SigmaEExit, SigmaEUnit, agreement
from spikewise.dynamic.sigma_e_cost import work_per_decision
from spikewise.errors import ParameterError, ShapeError


def _load(*path):
    file = Path(__file__).parents[1].joinpath(*path)
    spec = importlib.util.spec_from_file_location(file.stem + "_beside_sigma_e", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = _load("oracles", "sigma_e.py")
UNIT = SigmaEUnit()
scores_of_samples = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-300, 300)
)
close_scores = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-5, 5))


@st.composite
def units(draw):
    log_bits = draw(st.integers(2, 20))
    score_bits = draw(st.integers(2, 32))
    return SigmaEUnit(
        n_score_bits=score_bits,
        n_score_frac=draw(st.integers(0, min(16, score_bits))),
        n_exp_entries=2 ** draw(st.integers(1, 8)),
        n_exp_bits=draw(st.integers(1, 16)),
        n_log_entries=2 ** draw(st.integers(1, min(8, log_bits))),
        n_log_bits=log_bits,
        n_sum_bits=draw(st.integers(7, 34)),
        n_threshold_bits=draw(st.integers(1, log_bits)),
        n_reciprocal_bits=draw(st.integers(2, 16)),
    )


# -- bit by bit ----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(units(), st.one_of(scores_of_samples, close_scores), st.integers(1, 400), st.floats(-0.1, 1.1))
def test_the_unit_equals_the_oracle_bit_by_bit(unit, scores, n_steps, bound):
    found = unit.entropy(scores, n_steps)
    expected = [ORACLE.decide(unit, row, bound, n_steps) for row in scores.tolist()]
    assert found.code.tolist() == [entropy for entropy, *_ in expected]
    assert found.value.tolist() == [entropy / full for entropy, full, *_ in expected]
    # The oracle's entropy is a quotient, its decision is not: both must agree with the unit, which never divides.
    assert unit.ready(scores, bound, n_steps).tolist() == [below for _, _, below, _ in expected]


def test_the_default_unit_equals_the_oracle_on_many_scores():
    scores = np.random.default_rng(0).normal(0, 4, (300, 10))
    expected = [ORACLE.decide(UNIT, row, 0.2, 3) for row in scores.tolist()]
    assert UNIT.entropy(scores, 3).code.tolist() == [entropy for entropy, *_ in expected]
    assert UNIT.ready(scores, 0.2, 3).tolist() == [below for _, _, below, _ in expected]


@pytest.mark.parametrize("n_bits", [4, 10, 16, 20])
@pytest.mark.parametrize("n_entries", [2, 64, 1024])
def test_the_tables_are_right_to_the_last_bit(n_entries, n_bits):
    if n_bits <= 16:
        unit = SigmaEUnit(n_exp_entries=n_entries, n_exp_bits=n_bits)
        assert unit.exp_table.tolist() == ORACLE.exp_table(n_entries, n_bits)
    if n_entries <= 2**n_bits:
        unit = SigmaEUnit(n_log_entries=n_entries, n_log_bits=n_bits, n_threshold_bits=min(18, n_bits))
        assert unit.log_table.tolist() == ORACLE.log_table(n_entries, n_bits)


# -- laws ----------------------------------------------------------------------------------------------


@given(units(), scores_of_samples)
def test_entropy_lies_between_certain_and_uniform(unit, scores):
    value = unit.entropy(scores).value
    assert ((value >= 0) & (value <= 1)).all()


@given(units(), scores_of_samples, st.randoms(use_true_random=False))
def test_the_order_of_the_classes_does_not_matter(unit, scores, random):
    order = random.sample(range(scores.shape[1]), scores.shape[1])
    assert (unit.entropy(scores[:, order]).code == unit.entropy(scores).code).all()


@given(units(), st.integers(2, 7), st.floats(-1e6, 1e6))
def test_equal_scores_are_exactly_uniform(unit, n_classes, score):
    assert unit.entropy(np.full(n_classes, score)).value == 1.0
    assert not unit.ready(np.full(n_classes, score), 1.0).any()  # as in floating point: 1 < 1 is false


@given(close_scores, st.integers(-1000, 1000))
def test_shifting_all_scores_by_whole_steps_changes_nothing(scores, n_places):
    step = np.log(2) / 2**UNIT.n_score_frac
    on_grid = np.rint(scores / step)
    assert (UNIT.entropy((on_grid + n_places) * step).code == UNIT.entropy(on_grid * step).code).all()


# A distance is off by at most 2^-10 bits (two scores rounded) and 2^-9 (the table's step), 0.0021 nats together, a
# weight by 2^-11 of itself. H moves by at most the error times the standard deviation of log p, at most
# sqrt(1 + (log K)^2 / 4) = 1.34 for K = 6, over log K; for K = 2 by 0.66 / 0.69. So by less than 2^-8.
TOLERANCE = 2.0**-8


@given(st.one_of(scores_of_samples, close_scores))
def test_the_error_is_bounded(scores):
    assert np.abs(UNIT.entropy(scores).value - normalized_entropy(scores)).max() < TOLERANCE


@given(st.one_of(scores_of_samples, close_scores), st.floats(1, 4))  # beyond, scores of 300 would saturate
def test_sharper_scores_never_raise_the_entropy_beyond_the_error(scores, factor):
    sharper, blunter = UNIT.entropy(scores * factor).value, UNIT.entropy(scores).value
    assert (sharper <= blunter + 2 * TOLERANCE).all()


def test_two_classes_grow_surer_with_every_step_of_their_distance():
    # All distances there are, four score steps to a step of the table. Two neighbours differ in the last bit of a
    # weight, 2^-11, which moves H by 0.72 of it.
    gap = np.arange(0, 40 * 1024, 4) * np.log(2) / 1024
    code = UNIT.entropy(np.stack([gap, np.zeros_like(gap)], 1)).code
    assert code[0] == 2**UNIT.n_log_bits
    assert np.diff(code).max() <= 2 ** (UNIT.n_log_bits - 11)
    assert code[-1] == 0
    assert (np.diff(code[::16]) <= 0).all()


@given(scores_of_samples, st.integers(1, 9), st.sampled_from(["sum", "mean"]))
def test_the_edges_of_the_bound(scores, n_steps, accumulate):
    for bound in (0.0, -1.0):
        assert not SigmaEExit(bound, accumulate).ready(scores, n_steps).any()
    assert SigmaEExit(1.001, accumulate).ready(scores, n_steps).all()


def test_sum_and_mean_differ_as_the_rule_says():
    score_sum = np.zeros((1, 10))
    score_sum[0, 0] = 6.0  # the worked case of early exit: mean logits (2, 0, ..., 0) at three steps
    assert SigmaEUnit().entropy(score_sum, 3).value[0] == pytest.approx(0.823, abs=1e-3)
    assert SigmaEUnit().entropy(score_sum, 1).value[0] == pytest.approx(0.066, abs=1e-3)


def test_scores_beyond_the_width_saturate_quietly():
    low, high = UNIT.score_limits
    assert UNIT.entropy([[1e308, -1e308]]).code.tolist() == [0]
    assert UNIT.entropy([[2 * high, 9 * high]]).value.tolist() == [1.0]
    assert low < -1400
    assert high > 1400


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_score_bits": 0}, r"n_score_bits must lie in 2\.\.32"),
        ({"n_score_bits": 40}, "n_score_bits"),
        ({"n_score_bits": 8}, "n_score_frac must be at most n_score_bits"),
        ({"n_score_frac": -1}, "n_score_frac"),
        ({"n_exp_entries": 100}, "n_exp_entries must be a power of two; got 100"),
        ({"n_exp_entries": 1}, "n_exp_entries"),
        ({"n_exp_bits": 2.5}, "n_exp_bits"),
        ({"n_log_entries": 96}, "n_log_entries must be a power of two"),
        ({"n_log_entries": 4096, "n_log_bits": 10, "n_threshold_bits": 10}, "n_log_entries must be at most"),
        ({"n_log_bits": 32}, "n_log_bits"),
        ({"n_log_bits": 12}, "n_threshold_bits must be at most n_log_bits"),
        ({"n_sum_bits": 64}, "n_sum_bits"),
        ({"n_threshold_bits": True}, "n_threshold_bits"),
        ({"n_reciprocal_bits": "12"}, "n_reciprocal_bits"),
    ],
)
def test_bad_widths_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        SigmaEUnit(**wrong)


def test_bad_scores_and_bounds_are_refused():
    with pytest.raises(ShapeError, match="at least 2 classes"):
        UNIT.entropy([[1.0]])
    with pytest.raises(ShapeError, match="at most 7 classes; got 8"):
        SigmaEUnit(n_sum_bits=7).entropy(np.zeros(8))
    with pytest.raises(ParameterError, match="finite"):
        UNIT.entropy([np.nan, 0.0])
    with pytest.raises(ParameterError, match="finite"):
        UNIT.ready([1.0, 0.0], float("nan"))
    with pytest.raises(ParameterError, match="n_steps"):
        UNIT.entropy([1.0, 0.0], n_steps=0)
    with pytest.raises(ParameterError, match="accumulate"):
        SigmaEExit(0.1, "average")
    for bound in (None, "0.1", [0.1, 0.2], True, np.inf, 10**400):
        with pytest.raises(ParameterError, match="max_entropy must be a"):
            SigmaEExit(bound)
    with pytest.raises(ParameterError, match="unit must be a SigmaEUnit; got None"):
        work_per_decision(None, 10)
    with pytest.raises(ParameterError, match="unit must be a SigmaEUnit"):
        SigmaEExit(0.1, "sum", SigmaEUnit)
    with pytest.raises(ParameterError, match="at least one decision"):
        agreement(UNIT, EntropyExit(0.1), ScoreTrace.dense([[[1.0, 0.0]]]))


# -- decisions equal those of the float rule ---------------------------------------------------------------


@pytest.fixture(scope="module")
def deep_trace():
    """Scores of a small deep network on all digits, and on those it was validated on."""
    torch = pytest.importorskip("torch")
    from spikewise.data.images import load_images, load_splits
    from spikewise.learn import FitSettings
    from spikewise.learn.gradient.fit import fit
    from spikewise.network import SpikingClassifier, build_model

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sets = load_splits("digits", min_validation=350)
    train, validation = ((s.images, s.labels) for s in (sets["train"], sets["validation"]))
    model = build_model("vgg5", sets["train"].shape, 10, width=0.3, seed=0)
    fit(model, train, validation, FitSettings(epochs=3, batch_size=32))
    classifier, digits = SpikingClassifier(model, n_steps=4), load_images("digits", "all")
    yield classifier, classifier.trace(digits.images, digits.labels), classifier.trace(*validation)
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def stdp_trace():
    """Evidence of an STDP network on all digits, and on some kept out of learning."""
    from spikewise.data.images import load_images
    from spikewise.learn import STDPClassifier

    digits = load_images("digits", "all")
    model = STDPClassifier(60, n_epochs=1, random_state=0).fit(digits.images[:1000], digits.labels[:1000])
    return model.trace(digits.images, digits.labels), model.trace(digits.images[1000:], digits.labels[1000:])


THRESHOLDS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def disagreement(trace, validation, accumulate):
    """Share of unequal decisions at fixed and calibrated thresholds, and of unequal exits at the calibrated ones."""
    drops = (0.005, 0.01, 0.05)
    calibrated = [
        calibrate(validation, ExitPath.of(accumulate=accumulate), max_drop=drop).rule.max_entropy for drop in drops
    ]
    decisions = [1 - agreement(UNIT, EntropyExit(bound, accumulate), trace) for bound in (*THRESHOLDS, *calibrated)]
    exits = [
        np.mean(replay_exit(trace, EntropyExit(b, accumulate))[0] != replay_exit(trace, SigmaEExit(b, accumulate))[0])
        for b in calibrated
    ]
    return np.array(decisions), np.array(exits)


@pytest.mark.parametrize("accumulate", ["mean", "sum"])
def test_a_deep_network_decides_as_in_floating_point(deep_trace, accumulate):
    decisions, exits = disagreement(deep_trace[1], deep_trace[2], accumulate)
    assert decisions.max() <= 0.001
    assert decisions.mean() <= 0.0003
    assert exits.mean() <= 0.001


def test_an_stdp_network_decides_as_in_floating_point(stdp_trace):
    decisions, exits = disagreement(*stdp_trace, "sum")
    assert decisions.max() <= 0.001
    assert decisions.mean() <= 0.0003
    assert exits.mean() <= 0.001


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_random_scores_are_decided_as_in_floating_point(n_classes):
    rng = np.random.default_rng(n_classes)
    for spread in (1, 3, 10):
        scores = rng.normal(0, spread, (3000, n_classes))
        shares = [agreement(UNIT, EntropyExit(bound), scores) for bound in THRESHOLDS]
        assert min(shares) >= 0.999


def test_a_deep_network_really_stops_by_the_unit(deep_trace):
    from spikewise.data.images import load_images

    classifier, trace, validation = deep_trace
    rule = SigmaEExit(calibrate(validation, max_drop=0.01).rule.max_entropy)
    assert isinstance(rule, ExitRule)
    result = classifier.predict_with_exit(load_images("digits", "all").images, rule)
    steps, classes = replay_exit(trace, rule)
    assert 1 < result.mean_steps < 4
    # A shrinking batch moves scores in their last bits.
    assert np.mean((result.steps == steps) & (result.labels == classes)) >= 0.999


def test_agreement_counts_the_decisions_that_are_asked_for():
    narrow = SigmaEUnit(n_score_bits=8, n_score_frac=0, n_exp_entries=2, n_exp_bits=1)
    trace = ScoreTrace.dense([[[1.1, 0.0], [9.0, 0.0]], [[1.1, 0.0], [9.0, 0.0]], [[9.0, 0.0], [9.0, 0.0]]])
    # 1.1 nats are 1.6 bits, which the narrow unit rounds to 2: an entropy of 0.72 instead of 0.81. The first sample is
    # asked twice, the second leaves at once.
    for accumulate, share in [("sum", 1 / 3), ("mean", 2 / 3)]:  # the mean is blunt at step 2, for both
        assert agreement(narrow, EntropyExit(0.75, accumulate), trace) == pytest.approx(share), accumulate
        assert agreement(UNIT, EntropyExit(0.75, accumulate), trace) == 1.0


# -- hardware ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", ["sum", "mean"])
@pytest.mark.parametrize("unit", [UNIT, SigmaEUnit(n_log_entries=1024, n_log_bits=10, n_threshold_bits=8)])
def test_the_counted_work_is_what_the_oracle_does(unit, accumulate):
    *_, count = ORACLE.decide(unit, [1.0, 0.5, -2.0, 0.0], 0.3, 3, is_mean=accumulate == "mean")
    work = work_per_decision(unit, 4, accumulate, n_steps=4)
    found = {
        "exp_lookup": work.n_exp_lookups, "log_lookup": work.n_log_lookups,
        "reciprocal_lookup": work.n_reciprocal_lookups, "addition": work.n_additions,
        "multiplication": work.n_multiplications, "comparison": work.n_comparisons, "shift": work.n_shifts,
    }  # fmt: skip
    assert found == dict(count)


def test_bits_of_the_default_unit():
    work = work_per_decision(UNIT, 10, "mean", n_steps=4)
    # 256 x 10; 128 x (20 + slope of 14); 4 x (12 + 3); scores 10 x 22, two sums of 26, bound 2 + 18.
    assert (work.exp_table_bits, work.log_table_bits, work.reciprocal_table_bits) == (2560, 4352, 60)
    assert work.register_bits == 292
    assert work.stored_bits == work.table_bits + 292
    assert (
        work_per_decision(UNIT, 10).table_bits <= 8 * 1024
    )  # both tables fit into the smallest SRAM with known energy
    assert {item.name for item in fields(work)} >= {"multiplications", "register_bits"}


@pytest.mark.parametrize(("n_classes", "n_steps"), [(1, 1), (2**25, 1), (10, 0)])
def test_impossible_work_is_refused(n_classes, n_steps):
    with pytest.raises(ParameterError):
        work_per_decision(UNIT, n_classes, "mean", n_steps)


def test_deciding_costs_less_than_a_thousandth_of_a_step_of_vgg16():
    # 0.375 pJ per look-up: CACTI 7, 1 KB, 32 nm [run]. At 45 nm, so too much: 0.1 pJ per 32-bit addition, 0.2 pJ per
    # 8-bit multiplication [verified], growing with the product of the widths (32 bits: 3.2, known 3.1) [derived].
    step = _load("price", "imc", "test_chip.py").vgg16(1)
    work = work_per_decision(UNIT, 10, "mean", 4)
    multiplications = sum(count * 0.2 * a * b / 64 for count, a, b in work.multiplications)
    picojoules = 0.375 * work.n_lookups + 0.1 * (work.n_additions + work.n_comparisons) + multiplications
    assert picojoules == pytest.approx(24.9, abs=0.1)
    energy = step.ledger.step_energy_j.sum()
    assert energy == pytest.approx(8.75e-6, rel=0.01)
    assert picojoules * 1e-12 < 0.001 * energy
    physical = _load("price", "imc", "test_chip.py").vgg16(1, (), "rram-64-32nm-physical", 0.15)
    assert physical.ledger.step_energy_j.sum() == pytest.approx(3.43e-6, rel=0.01)
    assert picojoules * 1e-12 < 0.001 * physical.ledger.step_energy_j.sum()
