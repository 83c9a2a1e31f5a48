import numpy as np
import pytest

pytest.importorskip("torch")

from spikewise.dynamic import EntropyExit, NeverExit
from spikewise.errors import ParameterError
from spikewise.network import SpikingClassifier
from spikewise.nonideal.network import Nonideal, clip_share, clip_shares, design_crossbars
from spikewise.nonideal.study import chip_traces, study_chips
from spikewise.price import CrossbarArray

pytestmark = pytest.mark.usefixtures("one_thread")


def scores(network, images, n_steps=4):
    return SpikingClassifier(network, n_steps).trace(images).final_scores()


MANY = [
    {"variation": 0.2}, {"variation": 0.2, "adc_bits": 5, "on_off": 10}, {"read_noise": 0.2, "variation": 0.1},
    {"read_noise": 0.2, "adc_bits": 6}, {"stuck_on": 0.01, "array": CrossbarArray(n_rows=5, n_cols=9, cell_bits=2)},
    {"read_noise": 0.2, "array": CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, sign="offset")},
]  # fmt: skip


@pytest.mark.parametrize("design", MANY, ids=str)
def test_chips_that_run_together_answer_as_each_alone(network, images, design):
    made, seeds = design_crossbars(network, Nonideal(**design), images), (3, 1, 7)
    together = made.chips(seeds)
    labels = np.zeros(len(images), int)
    traces = chip_traces(together, 3, images, labels, 4, batch_size=10)
    for index, seed in enumerate(seeds):
        alone = made.chip(seed)
        expected = SpikingClassifier(alone, 4, batch_size=10).trace(images)
        # Sums of float32 may be added in another order, and a spike may then move now and then.
        for found, right in zip(traces[index].steps(), expected.steps(), strict=True):
            assert np.isclose(found, right, rtol=1e-4, atol=1e-4).mean() > 0.97
        assert clip_shares(together)[index] == pytest.approx(clip_share(alone), rel=0.02)


def test_a_study_tells_mean_and_spread_and_is_reproducible(network, images):
    labels = scores(network, images).argmax(1)
    pair = images, labels
    settings = {"seeds": (0, 1, 2), "max_drop": 0.1}
    noisy = study_chips(network, Nonideal(variation=0.5), pair, pair, EntropyExit(0.5), **settings)
    again = study_chips(network, Nonideal(variation=0.5), pair, pair, EntropyExit(0.5), **settings)
    clean = study_chips(network, Nonideal(weight_bits=8), pair, pair, EntropyExit(0.5), seeds=(0,))
    assert noisy.to_dict() == again.to_dict()
    assert noisy.mean()["accuracy_static"] < clean.mean()["accuracy_static"]
    assert noisy.spread()["accuracy_static"] > 0 == clean.spread()["accuracy_static"]
    assert len(noisy.bound_chip) == 3
    assert ((noisy.steps_clean >= 1) & (noisy.steps_clean <= 4)).all()
    assert noisy.to_dict()["nonideal"]["on_off"] is None


def test_a_study_does_not_depend_on_how_many_chips_run_together(network, images):
    pair = images, scores(network, images).argmax(1)
    for faults in ({"variation": 0.3}, {"read_noise": 0.3, "adc_bits": 6}):
        one, three = (
            study_chips(network, Nonideal(**faults), pair, pair, EntropyExit(0.5), seeds=(4, 5, 6, 7), n_together=n)
            for n in (1, 3)
        )
        for key, values in one.to_dict().items():
            if key != "nonideal":
                np.testing.assert_allclose(three.to_dict()[key], values, rtol=1e-6, atol=1.1 / len(images))


@pytest.mark.parametrize("faults", [{"variation": 0.3}, {"on_off": 10, "adc_bits": 6}], ids=str)
def test_a_recording_of_a_still_picture_is_answered_as_the_picture(network, images, faults):
    labels = scores(network, images).argmax(1)
    still = np.repeat(images[None], 4, 0)
    settings = {"seeds": (0, 1, 2), "max_drop": 0.1, "batch_size": 10}
    one, other = (
        study_chips(network, Nonideal(**faults), pair, pair, EntropyExit(0.5), **settings)
        for pair in ((images, labels), (still, labels))
    )
    for key, values in one.to_dict().items():
        if key != "nonideal":
            np.testing.assert_allclose(other.to_dict()[key], values, rtol=1e-6, atol=1.1 / len(images))


def test_read_noise_of_recordings_is_refused(network, images):
    with pytest.raises(ParameterError, match="read_noise must be 0 for recordings"):
        design_crossbars(network, Nonideal(read_noise=0.1), np.repeat(images[None], 4, 0))


def test_a_study_needs_a_bound_and_chips(network, images):
    with pytest.raises(ParameterError, match="rule must be an EntropyExit"):
        study_chips(network, Nonideal(), (images, [0] * 24), (images, [0] * 24), NeverExit())
    with pytest.raises(ParameterError, match="seeds must name"):
        study_chips(network, Nonideal(), (images, [0] * 24), (images, [0] * 24), EntropyExit(0.1), seeds=())
