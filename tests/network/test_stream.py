import numpy as np
import pytest
import torch
from scipy.special import softmax

from spikewise.dynamic import ConfidenceExit, EntropyExit, NeverExit
from spikewise.errors import ParameterError, ShapeError
from spikewise.network import SpikingClassifier, build_model
from spikewise.network.stream import stream


@pytest.fixture(scope="module")
def still():
    return SpikingClassifier(build_model("vgg5", (1, 8, 8), 3, width=0.2, seed=1), n_steps=4)


@pytest.fixture(scope="module")
def recorder():
    return SpikingClassifier(build_model("vgg5", (2, 8, 8), 3, width=0.2, seed=2), n_steps=5)


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
FRAMES = np.random.default_rng(1).integers(0, 4, (5, 6, 2, 8, 8), dtype=np.uint8)


def rules_of(trace):
    """Never, at once, and a bound that some samples meet on the way."""
    entropies = [EntropyExit(0.5).uncertainty(scores, step) for step, scores in enumerate(trace.steps(), 1)]
    return [NeverExit(), ConfidenceExit(-1.0), EntropyExit(float(np.median(entropies)))]


def assert_streams_equal(classifier, samples, one_by_one):
    trace = classifier.trace(samples)
    for rule in rules_of(trace):
        expected = classifier.predict_with_exit(samples, rule)
        for i, sample in enumerate(one_by_one):
            answers = list(classifier.stream(sample, rule))
            assert [answer.step for answer in answers] == list(range(1, expected.steps[i] + 1))
            assert [answer.is_last for answer in answers] == [False] * (len(answers) - 1) + [True]
            np.testing.assert_allclose(answers[-1].scores, expected.scores[i], atol=1e-5)
            assert answers[-1].label == expected.labels[i]


def test_a_stream_ends_where_a_batch_lets_the_sample_go(still):
    assert_streams_equal(still, IMAGES, list(IMAGES))


def test_frames_are_taken_as_they_arrive(recorder):
    assert_streams_equal(recorder, FRAMES, [FRAMES[:, i] for i in range(6)])
    taken = []

    def camera():
        for step, frame in enumerate(FRAMES[:, 0]):
            taken.append(step)
            yield frame

    for answer in recorder.stream(camera(), ConfidenceExit(-1.0)):
        assert answer.is_last
    assert taken == [0]  # an answer does not wait for the next frame


def test_frames_may_end_before_the_run(recorder):
    answers = list(recorder.stream(FRAMES[:2, 0]))
    assert [(answer.step, answer.is_last) for answer in answers] == [(1, False), (2, False)]


def test_the_confidence_is_that_of_the_evidence_of_the_rule(still):
    for rule, scale in ((EntropyExit(0.0, "sum", 2.0), lambda t: 1 / 2), (None, lambda t: 1 / t)):
        for answer in still.stream(IMAGES[0], rule):
            p = softmax(answer.scores * scale(answer.step))
            assert answer.confidence == pytest.approx(p.max())
            assert answer.label == p.argmax()


def test_tensors_are_samples_too(still):
    expected = [answer.label for answer in still.stream(IMAGES[0])]
    assert [answer.label for answer in still.stream(torch.from_numpy(IMAGES[0]))] == expected


def test_what_cannot_be_streamed_is_refused(still, recorder):
    with pytest.raises(ShapeError, match=r"\(B, 1, 8, 8\)"):
        list(still.stream(IMAGES[0][:, :4]))
    with pytest.raises(ShapeError, match="a frame must have shape"):
        list(recorder.stream([FRAMES[0, 0], FRAMES[0, 0, :1]]))
    with pytest.raises(ShapeError, match="at least one frame"):
        list(recorder.stream(iter(())))
    with pytest.raises(ParameterError, match="must be an exit rule"):
        list(still.stream(IMAGES[0], "soon"))

    class Deaf(torch.nn.Module):
        spec = still.model.spec

    with pytest.raises(ParameterError, match=r"Deaf must offer feed"):
        list(stream(Deaf(), FRAMES[:, 0], 4))
