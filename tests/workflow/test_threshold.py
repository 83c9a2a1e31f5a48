import numpy as np
import pytest
from pydantic import ValidationError

from spikewise.data.images import ImageSet
from spikewise.dynamic import (
    EntropyExit,
    MarginExit,
    ScoreTrace,
    calibrate,
    certify,
    fit_temperature,
    replay_exit,
)  # fmt: skip
from spikewise.price.platform import load_platform
from spikewise.runs.exit_settings import ExitSettings
from spikewise.workflow.threshold import ENOUGH_TO_HALVE, choose, halves
from spikewise.workload import LayerShape, uniform_workload

CLASSES = ("dark", "bright")


def images(n, seed=0):
    """One pixel says the class, the others how hard it is to see."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 1, 2, 4), dtype=np.uint8)
    return ImageSet(pixels, (pixels[:, 0, 0, 0] > 127).astype(np.int64), CLASSES, "toy", "validation")


class Toy:
    """Sees the class through noise that further steps average away."""

    def __init__(self):
        self.seen = []

    def trace(self, X, y=None):
        self.seen.append(len(X))
        pixels = np.asarray(X, np.float64).reshape(len(X), -1) / 255
        signal = np.where(pixels[:, 0] > 127 / 255, 1.0, -1.0) * (1 + 4 * pixels[:, 1])
        outputs = signal + 6 * (pixels[:, 2:5].T - 0.5)
        return ScoreTrace.dense(np.stack([-outputs, outputs], 2).cumsum(0), y)


def trace_of(validation):
    return Toy().trace(validation.images, validation.labels)


def price():
    layer = LayerShape("fc", "linear", 64, 10)
    return load_platform("rram-64-32nm").estimate(uniform_workload("toy", [layer], n_steps=3, rates=[0.1]))


def chosen(asked, validation, kept=None):
    kept = halves(validation)[1] if kept is None else kept
    return choose(Toy(), validation, kept, asked, "mean", identity={"model": "m"}, price=price)


def test_a_heuristic_is_chosen_on_all_validation_images():
    validation = images(3000)
    found = chosen(ExitSettings(max_drop=0.01), validation)
    expected = calibrate(Toy().trace(validation.images, validation.labels), max_drop=0.01)
    assert (found.rule, found.kind, found.certificate) == (expected.rule, "heuristic", None)
    assert found.figures.n_samples == 3000
    assert found.profile.histogram.sum() == 3000


def test_a_guarantee_calibrates_on_the_half_that_chose_nothing():
    validation = images(3000)
    found = chosen(ExitSettings(max_drop=0.02, confidence=0.95), validation)
    used, kept = halves(validation)
    expected = certify(Toy().trace(kept.images, kept.labels), max_drop=0.02)
    assert found.kind == "guarantee"
    assert found.rule == expected.rule
    assert found.certificate.identity == {"model": "m", "data": kept.sha256}
    assert found.figures.n_samples == kept.n_samples
    assert not set(map(bytes, used.images)) & set(map(bytes, kept.images))
    assert used.n_samples + kept.n_samples == 3000


def test_a_network_that_chose_nothing_calibrates_on_all_of_them():
    found = chosen(ExitSettings(max_drop=0.02, confidence=0.95), images(3000), kept=images(3000))
    assert found.certificate.n_samples == 3000


def test_temperatures_are_found_on_the_other_half():
    tempered = chosen(ExitSettings(max_drop=0.02, confidence=0.95, temperature=True), images(3000))
    assert tempered.certificate.n_samples == halves(images(3000))[1].n_samples
    assert tempered.rule.temperature == fit_temperature(trace_of(halves(images(3000))[0]))


def test_few_images_that_chose_the_epoch_promise_nothing():
    found = chosen(ExitSettings(max_drop=0.02, confidence=0.95), images(ENOUGH_TO_HALVE - 1))
    assert (found.kind, found.certificate) == ("heuristic", None)
    assert (found.figures.n_needed, found.figures.n_to_halve) == (183, ENOUGH_TO_HALVE)
    stricter = chosen(ExitSettings(max_drop=0.005, confidence=0.95), images(ENOUGH_TO_HALVE - 1)).figures
    assert stricter.n_to_halve > ENOUGH_TO_HALVE
    assert halves(images(stricter.n_to_halve))[1].n_samples >= stricter.n_needed


def test_a_conditional_guarantee_opens_early_steps_last():
    asked = ExitSettings(max_drop=0.05, confidence=0.95, conditional=True)
    found = chosen(asked, images(8000))
    assert found.kind == "guarantee"
    assert len(found.rule.bounds) == 2
    assert found.certificate.conditional


@pytest.mark.parametrize("kind", ["entropy", "margin"])
def test_budgets_are_met(kind):
    validation, report = images(3000), price()
    steps = range(1, 4)
    energies = np.array([report.energy_at(step) for step in steps])
    products = energies * [report.latency_at(step) for step in steps]
    for asked, cost in (({"max_steps": 2.0}, np.arange(1, 4)), ({"max_energy_j": energies[1]}, energies),
                        ({"max_edp_js": products[1]}, products)):  # fmt: skip
        found = chosen(ExitSettings(rule=kind, **asked), validation)
        assert isinstance(found.rule, EntropyExit if kind == "entropy" else MarginExit)
        taken, _ = replay_exit(Toy().trace(validation.images, validation.labels), found.rule)
        spent = cost[taken - 1].mean()
        assert 0.9 * cost[1] < spent <= cost[1] * (1 + 1e-9)


def test_every_setting_has_a_folder_of_its_own():
    settings = [
        ExitSettings(max_drop=0.01, confidence=0.9999999), ExitSettings(max_drop=0.01, confidence=0.99999999),
        ExitSettings(max_drop=0.01), ExitSettings(max_drop=0.01, confidence=0.9), ExitSettings(max_steps=2),
        ExitSettings(max_drop=0.01, confidence=0.9, form="harm"), ExitSettings(max_edp_js=1e-12),
        ExitSettings(max_drop=0.01, confidence=0.9, conditional=True), ExitSettings(max_energy_j=1e-6),
        ExitSettings(max_drop=0.01, rule="margin"), ExitSettings(max_drop=0.01, temperature=True),
        ExitSettings(max_energy_j=1e-6, platform="digital-45nm"), ExitSettings(max_energy_j=1e-6, platform="../x.toml"),
    ]  # fmt: skip
    names = [each.name for each in settings]
    assert len(set(names)) == len(names)
    assert not any("/" in name or name.startswith(".") for name in names)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "exactly one of max_drop"),
        ({"max_drop": 0.1, "max_steps": 2}, "got max_drop, max_steps"),
        ({"max_drop": 0.0, "confidence": 0.9}, "above 0 with a confidence"),
        ({"max_steps": 2, "confidence": 0.9}, "confidence must stand with max_drop, .* got max_steps"),
        ({"max_drop": 0.1, "conditional": True}, "confidence must be given"),
        ({"max_drop": 0.1, "form": "harm"}, "confidence must be given"),
        ({"max_drop": 0.1, "rule": "mood"}, "rule"),
    ],
)
def test_impossible_requests_are_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        ExitSettings(**wrong)
