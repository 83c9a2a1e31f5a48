import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikewise.dynamic import AnytimeClassifier, EntropyExit, NeverExit, replay_exit
from spikewise.dynamic.fingerprint import model_identity
from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.network import LIFParams, SpikingClassifier, build_model
from spikewise.weights import read_weights, write_weights


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier(images):
    model = build_model("vgg5", (1, 8, 8), 5, width=0.25, neurons=LIFParams(decay=0.75))
    model.normalize_by(torch.as_tensor(images))
    with torch.no_grad():
        for _ in range(30):
            model(torch.as_tensor(images), 4)  # settles the normalisation, so that neurons fire
        model.readout.weight.mul_(8)  # untrained scores lie so close that no bound would divide them
    return SpikingClassifier(model, n_steps=4, batch_size=16)


@pytest.fixture(scope="module")
def rule(classifier, images):
    """Lets some of the samples go at each step."""
    last = classifier.trace(images).final_scores()
    return EntropyExit(float(np.median(EntropyExit(0.5).uncertainty(last, 4))) + 1e-3)


def test_it_is_an_anytime_classifier(classifier):
    assert isinstance(classifier, AnytimeClassifier)


def test_a_rule_that_is_never_ready_gives_the_answer_of_the_full_run(classifier, images):
    result = classifier.predict_with_exit(images, NeverExit())
    trace = classifier.trace(images)
    np.testing.assert_array_equal(result.scores, trace.final_scores())
    np.testing.assert_array_equal(result.labels, classifier.predict(images))
    assert result.histogram.tolist() == [0, 0, 0, 50]
    assert result.wall_time_s > 0


@settings(max_examples=10, deadline=None)
@given(bound=st.floats(0.3, 1.0))
def test_stopping_agrees_with_a_replay_of_the_full_run(classifier, images, bound):
    rule = EntropyExit(bound)
    trace = classifier.trace(images)
    # A bound within rounding of an entropy would make the comparison a coin toss.
    entropies = np.array([rule.uncertainty(scores, step) for step, scores in enumerate(trace.steps(), 1)])
    if np.abs(entropies - bound).min() < 1e-4:
        return
    result = classifier.predict_with_exit(images, rule)
    steps, classes = replay_exit(trace, rule)
    np.testing.assert_array_equal(result.steps, steps)
    np.testing.assert_array_equal(result.labels, classes)
    for step, scores in enumerate(trace.steps(), 1):
        left = steps == step
        np.testing.assert_allclose(result.scores[left], scores[left], atol=1e-4)


def test_a_sample_that_left_is_not_computed_again(classifier, images, rule):
    seen = []
    hook = classifier.model.readout.register_forward_hook(lambda module, args, out: seen.append(out[0].shape[0]))
    steps = classifier.predict_with_exit(images, rule).steps
    hook.remove()
    assert sum(seen) == steps.sum()
    assert 50 < steps.sum() < 200


def test_the_workload_counts_the_exits_of_the_rule(classifier, images, rule):
    load = classifier.workload(images, rule)
    assert load.exit_histogram == tuple(classifier.predict_with_exit(images, rule).histogram)
    assert load.n_samples == 50


def test_a_saved_network_answers_as_before(classifier, images, tmp_path):
    classifier.save(tmp_path / "model.safetensors")
    again = SpikingClassifier.load(tmp_path / "model.safetensors")
    assert again.model.spec == classifier.model.spec
    assert again.class_names == ("0", "1", "2", "3", "4")
    again.batch_size = classifier.batch_size
    np.testing.assert_array_equal(again.trace(images).scores, classifier.trace(images).scores)


@pytest.mark.parametrize("place", [0, 8, 200, -1])
def test_a_damaged_weight_file_is_noticed(classifier, tmp_path, place):
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors must"):
        SpikingClassifier.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"}, {"n_steps": 0}, {"n_steps": "4"}, {"class_names": ["a"]},
        {"model": {}}, {"model": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_misshapen_card_is_noticed(classifier, tmp_path, changes):
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    weights, card = read_weights(path, "spikewise-classifier-1")
    write_weights(path, weights, {**card, **changes})
    with pytest.raises(DataError, match=r"model\.safetensors must"):
        SpikingClassifier.load(path)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 8, 8), (0, 1, 8, 8), (2, 1, 8, 9), (2, 3, 8, 8)])
def test_images_of_another_shape_are_refused(classifier, shape):
    with pytest.raises(ShapeError, match="X must have shape"):
        classifier.trace(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 16.0])
def test_values_outside_the_unit_range_are_refused(classifier, value):
    images = np.zeros((2, 1, 8, 8))
    images[1, 0, 3, 3] = value
    with pytest.raises(ParameterError, match="lie in"):
        classifier.predict_with_exit(images, NeverExit())


def test_integers_of_unknown_range_are_refused(classifier):
    with pytest.raises(ParameterError, match="uint8"):
        classifier.trace(np.zeros((2, 1, 8, 8), np.int64))


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (range(10), ShapeError, r"y must hold one label per sample \(50\)"),
        (["a"] * 50, ParameterError, "y must hold class numbers"),
        (np.full(50, 0.7), ParameterError, "y must hold whole numbers"),
        (np.full(50, -5), ParameterError, "y must lie in"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_name(classifier, images, labels, error, words):
    with pytest.raises(error, match=words):
        classifier.trace(images, labels)


def test_labels_may_be_unknown_and_tensors(classifier, images):
    assert classifier.trace(images, torch.full((50,), -1)).labels.tolist() == [-1] * 50


@pytest.mark.parametrize("change", [lambda x: x.requires_grad_(), lambda x: x.double(), lambda x: x.bfloat16()])
def test_tensors_of_any_floating_type_run(classifier, images, change):
    found = classifier.predict(change(torch.tensor(images.round(-7) / 256, dtype=torch.float32)))
    np.testing.assert_array_equal(found, classifier.predict((images.round(-7) / 256).astype(np.float32)))


def test_a_bound_is_no_rule(classifier, images):
    for ask in (classifier.predict_with_exit, classifier.workload):
        with pytest.raises(ParameterError, match=r"such as EntropyExit\(0\.1\)"):
            ask(images, 0.1)


def test_impossible_settings_are_refused(classifier):
    with pytest.raises(ParameterError, match="n_steps"):
        SpikingClassifier(classifier.model, 0)
    with pytest.raises(ParameterError, match="class_names"):
        SpikingClassifier(classifier.model, 4, ["a", "b"])


class OwnRule:
    """Somebody's own, which answers as told."""

    def __init__(self, answer):
        self.answer = answer

    def ready(self, score_sum, n_steps):
        return self.answer(score_sum)


@pytest.mark.parametrize(
    "answer",
    [
        lambda scores: (scores.max(1) > 0).astype(int),
        lambda scores: scores.max(1, keepdims=True) > 0,
        lambda scores: np.True_,
        lambda scores: None,
        lambda scores: np.zeros(len(scores) + 1, bool),
    ],
)
def test_a_rule_must_answer_with_a_boolean_per_sample(classifier, images, answer):
    for run in (
        lambda rule: classifier.predict_with_exit(images, rule),
        lambda rule: replay_exit(classifier.trace(images), rule),
        lambda rule: list(classifier.stream(images[0], rule)),
    ):
        with pytest.raises(ParameterError, match="ready of OwnRule must return a boolean per sample"):
            run(OwnRule(answer))


def test_a_list_of_booleans_will_do(classifier, images):
    found = classifier.predict_with_exit(images, OwnRule(lambda scores: [True] * len(scores)))
    assert (found.steps == 1).all()


def test_weights_that_are_no_numbers_give_no_answer(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    network.readout.bias.data.fill_(float("nan"))
    classifier = SpikingClassifier(network, 2)
    for run in (
        lambda: classifier.predict_with_exit(images, NeverExit()),
        lambda: list(classifier.stream(images[0])),
        lambda: classifier.predict_with_exit(images[:1], NeverExit()),
    ):
        with pytest.raises(ParameterError, match=r"weights must be finite.*diverge"):
            run()
    classifier.model.readout.bias.data.fill_(3e38)  # finite, but the sum of two steps is not
    with pytest.raises(ParameterError, match=r"scores must be finite.*diverge"):
        classifier.predict_with_exit(images, NeverExit())


def test_predicting_in_the_middle_of_training_changes_nothing(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    classifier = SpikingClassifier(network, 2)
    expected = classifier.predict_with_exit(images, NeverExit()).scores
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.train()
    np.testing.assert_array_equal(classifier.predict_with_exit(images, NeverExit()).scores, expected)
    assert len(list(classifier.stream(images[0]))) == 2
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_identity_tells_neurons_and_numbers():
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    classifier = SpikingClassifier(network, 2)
    before = model_identity(classifier)
    assert before["precision"] == "float32"
    with torch.autocast("cpu", torch.bfloat16):
        assert model_identity(classifier)["precision"] == "float32 under autocast to bfloat16"
    network.layers["conv2"].neurons.params = LIFParams(v_threshold=2.0)
    assert model_identity(classifier)["model"] != before["model"]


@pytest.mark.parametrize("place", ["layers.conv2.synapses.weight", "layers.conv2.norm.running_var", "readout.bias"])
def test_weights_that_are_no_numbers_answer_nothing(place, images, tmp_path):
    model = build_model("vgg5", (1, 8, 8), 5, width=0.1)
    classifier = SpikingClassifier(model, 2)
    weights, card = classifier.content()
    weights[place] = weights[place] * np.float32("nan")
    {**dict(model.named_parameters()), **dict(model.named_buffers())}[place].data.fill_(float("nan"))
    for ask in (
        lambda: classifier.predict(images), lambda: classifier.predict_with_exit(images, NeverExit()),
        lambda: classifier.workload(images), lambda: list(classifier.stream(images[0], NeverExit())),
        lambda: classifier.save(tmp_path / "model"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=rf"weights must be finite; got NaN or infinity in {place}"):
            ask()
    assert not (tmp_path / "model").exists()
    write_weights(tmp_path / "model", weights, card)
    with pytest.raises(DataError, match=f"weights must be finite.*{place}"):
        SpikingClassifier.load(tmp_path / "model")


def test_a_description_that_promises_other_weights_takes_no_memory(tmp_path):
    SpikingClassifier(build_model("vgg5", (1, 8, 8), 5, width=0.1), 2).save(tmp_path / "model")
    weights, card = read_weights(tmp_path / "model", "spikewise-classifier-1")
    card["model"]["width"] = 16.0  # gigabytes of weights
    write_weights(tmp_path / "model", weights, card)
    with pytest.raises(DataError, match=r"must have the shape .* of its description; got"):
        SpikingClassifier.load(tmp_path / "model")


@pytest.mark.parametrize(("kind", "least"), [(torch.float64, 1), (torch.float16, 0.9), (torch.bfloat16, 0.5)])
def test_a_network_in_another_precision_answers_nearly_the_same(classifier, images, kind, least):
    other = SpikingClassifier(copy.deepcopy(classifier.model).to(kind), 4)
    assert other.precision == str(kind).removeprefix("torch.")
    # Scores of an untrained network lie close to one another, and bfloat16 has 8 significant bits.
    assert (other.predict(images) == classifier.predict(images)).mean() >= least
    assert other.workload(images[:5]).n_samples == 5


def test_predictions_that_overlap_never_touch_a_network_in_training(images):
    model = build_model("resnet18", (1, 8, 8), 5, width=0.1)
    classifier = SpikingClassifier(model, 2)
    expected = classifier.predict(images)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    streams = [classifier.stream(image, NeverExit()) for image in images[:4]]
    first = [next(stream) for stream in streams]  # all of them are half way now
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: classifier.predict(images), range(8)))
    assert all((labels == expected).all() for labels in found)
    assert len(first) == 4
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_wrappers_of_a_network_are_taken_off(classifier, images):
    expected = classifier.predict(images)
    for wrapped in (torch.compile(classifier.model, backend="eager"), nn.DataParallel(classifier.model)):
        assert (SpikingClassifier(wrapped, 4).predict(images) == expected).all()
