import numpy as np
import pytest

from spikewise.dynamic import EntropyExit
from spikewise.dynamic.uncertainty import normalized_entropy
from spikewise.errors import DataError
from spikewise.network.classifier import SpikingClassifier
from spikewise.shrink import FixedClassifier, FixedFormat, shrink_network


@pytest.fixture(scope="module")
def classifier(small):
    network, images = small
    bits = {"conv1": 8, "conv2": 4, "conv3": 4, "linear4": 3, "readout": 8}
    form = FixedFormat(bits, membrane_bits=12)
    return FixedClassifier(shrink_network(network, form, images, 4), form, 4)


def test_it_comes_back_from_disk(classifier, small, tmp_path):
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    found = FixedClassifier.load(path)
    assert found.form == classifier.form
    assert np.array_equal(found.trace(small[1]).final_scores(), classifier.trace(small[1]).final_scores())
    with pytest.raises(DataError, match="spikewise-classifier"):
        SpikingClassifier.load(path)


def test_the_file_holds_integers(classifier):
    arrays, _ = classifier.content()
    kinds = {key: values.dtype.kind for key, values in arrays.items()}
    assert [key for key, kind in kinds.items() if kind != "i"] == ["scale"]
    assert arrays["layers.conv2.synapses.weight"].dtype == np.int8


def test_it_stops_early_and_really(classifier, small):
    full = [scores.copy() for scores in classifier.trace(small[1]).steps()]
    rule = EntropyExit(float(np.median(normalized_entropy(full[1] / 2))))
    result = classifier.predict_with_exit(small[1], rule)
    assert 1 < result.mean_steps < 4
    for sample, (step, scores) in enumerate(zip(result.steps, result.scores, strict=True)):
        assert np.allclose(scores, full[step - 1][sample], atol=1e-6)


def test_each_layer_is_priced_with_its_bits(classifier, small):
    load = classifier.workload(small[1])
    assert [layer.weight_bits for layer in load.layers] == [8, 4, 4, 3, 8]
    assert {layer.state_bits for layer in load.layers} == {12}
    assert load.layers[0].once_per_inference
    assert load.layers[0].input_bits == 9  # a pixel less the mean has a sign
    assert [layer.has_neurons for layer in load.layers] == [True] * 4 + [False]


def test_a_damaged_card_is_told(classifier, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    arrays, card = classifier.content()
    monkeypatch.setattr(classifier, "content", lambda: (arrays, {**card, "fixed": {}}))
    classifier.save(path)
    with pytest.raises(DataError, match="fixed-point format"):
        FixedClassifier.load(path)
