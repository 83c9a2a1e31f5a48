import numpy as np
import pytest
from sklearn.datasets import load_digits

from spikewise.errors import ParameterError
from spikewise.learn.stdp import STDPClassifier
from spikewise.price.platform import load_platform
from spikewise.search.designs import STDPDesign, STDPSpace
from spikewise.search.predict import inputs_per_step, memory_bits_of, predicted, predicted_workload

IMAGES, LABELS = load_digits(return_X_y=True)
DESIGNS = [
    STDPDesign(n_neurons=40, n_bits=4, n_steps=100),
    STDPDesign(n_neurons=60, n_bits=8, n_steps=150, rule="first_spike"),
    STDPDesign(n_neurons=30, n_bits=8, n_steps=100, rule="diehl_cook"),
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_memory_is_exact_and_inputs_are_those_measured(design):
    network = STDPClassifier(
        design.n_neurons, n_bits=design.n_bits, n_steps=design.n_steps, rule=design.rule, random_state=1
    )
    measured = network.fit(IMAGES[:600], LABELS[:600]).workload(IMAGES[600:900])
    in_spikes = inputs_per_step(IMAGES, design)
    found = predicted_workload(design, 64, in_spikes)
    assert found.layers == measured.layers
    assert memory_bits_of(found) == memory_bits_of(measured)
    chip = load_platform("digital-45nm")
    assert chip.estimate(found).memory_bits == chip.estimate(measured).memory_bits
    assert in_spikes == pytest.approx(np.mean(measured.activity[0].in_spikes), rel=0.1)


def test_every_prediction_grows_with_neurons_and_bits():
    def figures(**changes):
        return predicted(predicted_workload(STDPDesign(**changes), 784, 7.0), "digital-45nm")

    small, wide, deep = figures(n_neurons=100, n_bits=4), figures(n_neurons=200, n_bits=4), figures(n_neurons=100)
    for key in ("memory_bits", "energy_j"):
        assert small[key] < wide[key]
        assert small[key] < deep[key]


def test_no_images_are_refused():
    with pytest.raises(ParameterError, match="at least one image"):
        inputs_per_step(IMAGES[:0], STDPDesign())


def test_a_space_holds_every_combination_once():
    space = STDPSpace(n_neurons=(100, 400), n_bits=(4, 8), n_steps=(100, 350), rule=("lean", "fspinn"))
    designs = space.designs()
    assert len(designs) == len(set(designs)) == len({design.name for design in designs}) == 16
