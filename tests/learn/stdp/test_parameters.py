"""What the parameters of the unsupervised estimators may be, and what becomes of them once they were used."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikewise.errors import ParameterError
from spikewise.learn import STDPClassifier, STDPEncoder
from spikewise.learn.stdp.health import Health
from spikewise.learn.stdp.rules.base import CompetingNeurons, LeanRule, TraceRule, lean_defaults

X, Y = load_digits(return_X_y=True)
SMALL = {"n_neurons": 12, "n_steps": 60, "n_epochs": 1, "random_state": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {"n_jobs": "x"},
        {"n_jobs": 0},
        {"n_jobs": True},
        {"n_jobs": 100_000},
        {"n_bits": np.array([8, 8])},
        {"rounding": ["nearest"]},
    ],
)
def test_parameters_of_the_wrong_kind_are_named(settings):
    with pytest.raises(ParameterError, match=next(iter(settings))):
        STDPEncoder(**{**SMALL, **settings}).fit(X[:20])


@pytest.mark.parametrize(
    "changes",
    [
        {"eta": 0.5},
        {"eta": "ab"},
        {"eta": (0.5, None)},
        {"theta_plus": (1.0, 600.0)},
        {"gain": "6"},
        {"gain": float("nan")},
        {"neurons": None},
        {"window": True},
        {"window": 2.5},
        {"events_per_step": 17.0},
    ],
)
def test_impossible_constants_of_the_lean_rule_are_named(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        LeanRule(**{"eta": (0.3, 0.01), "theta_plus": (1.0, 0.1), **changes})


@pytest.mark.parametrize(
    "changes",
    [{"nu_post": "x"}, {"events_per_step": 17}, {"neurons": 3}, {"mu": "1"}, {"window": True}, {"tau_theta": np.inf}],
)
def test_impossible_constants_of_the_rule_of_traces_are_named(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        TraceRule(**{"nu_post": 0.01, "theta_plus": 0.5, **changes})


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert LeanRule(eta=[0.3, 0.01], theta_plus=(1, 1), window=np.int64(50)).window == 50
    assert CompetingNeurons(n_refractory=np.int64(3)).n_refractory == 3


def test_a_checkpoint_needs_a_seed_that_can_come_again(tmp_path):
    for seed in (None, np.random.RandomState(0)):
        with pytest.raises(ParameterError, match="random_state must be an integer"):
            STDPEncoder(**{**SMALL, "random_state": seed}).fit(X[:20], checkpoint=tmp_path / "snapshot")


def test_learning_does_not_go_on_with_other_parameters():
    encoder = STDPEncoder(**SMALL).fit(X[:40])
    before = encoder.weights_
    for changes in ({"n_neurons": 13}, {"n_bits": 4}, {"rule": "first_spike"}, {"rule": lean_defaults(400)}):
        with pytest.raises(ParameterError, match=f"{next(iter(changes))} is"):
            encoder.set_params(**changes).partial_fit(X[40:60])
        np.testing.assert_array_equal(encoder.weights_, before)
        encoder.set_params(**SMALL, rule="lean", n_bits="auto")
    encoder.set_params(n_jobs=2, verbose=True).partial_fit(X[40:60])
    stream = STDPClassifier(**SMALL).fit(X[:40], Y[:40])
    with pytest.raises(ParameterError, match="n_steps is 50 and was 60"):
        stream.set_params(n_steps=50).partial_fit(X[:40], Y[:40])


def test_classes_of_a_stream_stay():
    stream = STDPClassifier(**SMALL).partial_fit(X[:20], Y[:20], classes=np.arange(10))
    stream.partial_fit(X[20:40], Y[20:40], classes=np.arange(10)[::-1])
    with pytest.raises(ParameterError, match="classes must stay"):
        stream.partial_fit(X[20:40], Y[20:40], classes=np.arange(11))


def test_a_decoder_chosen_after_fit_counts_from_the_next_labels_on(tmp_path):
    model = STDPClassifier(**SMALL).fit(X[:200], Y[:200])
    before = model.predict_proba(X[200:240])
    model.set_params(decoder="votes")
    np.testing.assert_array_equal(model.predict_proba(X[200:240]), before)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(STDPClassifier.load(tmp_path / "model").predict_proba(X[200:240]), before)
    voted = model.label(X[:200], Y[:200]).predict_proba(X[200:240])
    assert not np.array_equal(voted, before)
    voter = STDPClassifier(**SMALL, decoder="votes").fit(X[:200], Y[:200])
    np.testing.assert_array_equal(voted, voter.predict_proba(X[200:240]))


def test_labels_of_mixed_kinds_are_foreign_labels():
    named = STDPClassifier(**SMALL).fit(X[:60], np.array(["a", "b"] * 30))
    assert named.trace(X[:2], np.array(["b", "a"], object)).labels.tolist() == [1, 0]
    with pytest.raises(ParameterError, match="got 1"):
        named.trace(X[:2], np.array(["b", 1], object))


@pytest.mark.filterwarnings("ignore:only .* of the neurons ever fired")
@pytest.mark.parametrize(("rule", "batch_size"), [("lean", 1), ("lean", 8), ("diehl_cook", 1)])
def test_empty_samples_are_counted_apart_from_silent_ones(rule, batch_size):
    data = X[:40].copy()
    data[np.arange(40) % 5 < 3] = 0
    encoder = STDPEncoder(**{**SMALL, "n_steps": 350}, rule=rule, batch_size=batch_size)
    with pytest.warns(UserWarning, match="60% of the samples are empty"):
        encoder.fit(data)
    assert encoder.engine_.events.n_empty == 24
    assert encoder.health_.empty_share == 0.6
    found = encoder.respond(data)
    silent = np.bincount(found.samples, minlength=40) == 0
    assert (found.events.n_empty, found.events.n_silent) == (24, silent.sum() - 24)


def test_each_illness_has_its_remedy():
    well = Health(1.0, 4.5, 0.0, 0.0, 67.0, 0.03, 500.0)
    assert well.problems == []
    for change, remedy in (
        ({"silent_share": 0.2}, "Raise n_steps"),
        ({"empty_share": 0.6}, "Leave them out"),
        ({"live_share": 0.2}, "lower n_neurons"),
        ({"theta_spread": 0.8}, "Show more samples"),
    ):
        (problem,) = replace(well, **change).problems
        assert remedy in problem


def test_an_unknown_decoder_stops_a_stream_before_it_learns(tmp_path):
    stream = STDPClassifier(**SMALL).partial_fit(X[:20], Y[:20], classes=np.arange(10))
    before = stream.encoder_.weights_
    for decoder in ("bogus", None, 5):
        with pytest.raises(ParameterError, match="decoder must be one of"):
            stream.set_params(decoder=decoder).partial_fit(X[20:40], Y[20:40])
    np.testing.assert_array_equal(stream.encoder_.weights_, before)
    stream.save(tmp_path / "model")
    assert STDPClassifier.load(tmp_path / "model").decoder == "naive_bayes"


@pytest.mark.parametrize("rule", ["lean", "diehl_cook"])
def test_a_network_with_read_only_arrays_can_go_on_learning(rule):
    encoder, other = (STDPEncoder(**SMALL, rule=rule).partial_fit(X[:20]) for _ in range(2))
    for value in vars(encoder.engine_).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False  # as joblib hands them to other processes
    np.testing.assert_array_equal(encoder.partial_fit(X[20:40]).weights_, other.partial_fit(X[20:40]).weights_)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_threshold_stays_above_rest():
    rule = LeanRule(eta=(0.3, 0.1), theta_plus=(0.1, 0.1), neurons=CompetingNeurons(threshold_share=1e-9))
    encoder = STDPEncoder(1, rule=rule, n_steps=60, n_epochs=1, random_state=0).fit(X[:5])
    found = encoder.respond(X[:1])
    assert np.diff(found.steps).min() > rule.neurons.n_refractory


def test_rounding_needs_a_number_of_bits():
    learned = STDPClassifier(**SMALL).fit(X[:20], Y[:20])
    for n_bits in (None, "auto", 9):
        with pytest.raises(ParameterError, match="n_bits"):
            learned.quantized(n_bits)
