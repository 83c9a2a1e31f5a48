"""A sweep gives each design the figures that it has alone."""

import numpy as np
import pytest

from spikewise.dynamic.anytime import replay_exit
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import CapacityError, ParameterError
from spikewise.price import load_platform
from spikewise.price.platform import varied
from spikewise.search.budget import Budget
from spikewise.search.sweep import Variant, sweep
from spikewise.workload import LayerShape, uniform_workload

RNG = np.random.default_rng(4)
PATH = ExitPath.of("entropy", "mean", bounds=(0.05, 0.3, 0.6, 0.9))


def variant(name, bits):
    layer = LayerShape("fc", "linear", 64, 10, weight_bits=bits)
    scores = np.cumsum(RNG.normal(size=(4, 50, 10)), 0)
    trace = ScoreTrace.dense(scores, labels=RNG.integers(0, 10, 50))
    return Variant(name, 640.0 * bits, trace, trace, uniform_workload(name, [layer], n_steps=4, rates=[0.1]))


VARIANTS = [variant("8 bits", 8), variant("4 bits", 4)]
CHIPS = {name: load_platform(name) for name in ("rram-64-32nm", "digital-45nm")}


def test_every_design_has_the_figures_that_it_has_alone():
    found = sweep(VARIANTS, CHIPS, PATH)
    assert found.n_designs == 2 * 2 * 4
    for v, each in enumerate(VARIANTS):
        for m, rule in enumerate(PATH.rules):
            steps, answers = replay_exit(each.chosen_on, rule)
            assert found.mean_steps[v, m] == pytest.approx(steps.mean())
            assert found.accuracy[v, m] == pytest.approx(np.mean(answers == each.chosen_on.labels))
            for p, chip in enumerate(CHIPS.values()):
                report = chip.estimate(each.load)
                energies = [report.static.energy_at(step) for step in steps]
                latencies = [report.static.latency_at(step) for step in steps]
                assert found.energy_j[v, p, m] == pytest.approx(np.mean(energies))
                assert found.edp_js[v, p, m] == pytest.approx(np.mean(np.multiply(energies, latencies)))


def test_the_best_and_the_front_are_those_of_a_plain_search():
    found = sweep(VARIANTS, CHIPS, PATH)
    rows = [found.figures_at((v, p, m)) for v in range(2) for p in range(2) for m in range(4)]
    limit = Budget(accuracy=float(np.median(found.accuracy)), memory_bits=3000)
    allowed = [row for row in rows if row["accuracy"] >= limit.accuracy and row["memory_bits"] <= 3000]
    assert found.figures_at(found.best(found.within(limit)))["edp_js"] == min(row["edp_js"] for row in allowed)

    def beats(a, b):
        pairs = [(b["accuracy"], a["accuracy"]), (a["energy_j"], b["energy_j"]), (a["latency_s"], b["latency_s"])]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    expected = [row for row in rows if not any(beats(other, row) for other in rows)]
    front = [found.figures_at(place) for place in found.front(found.within(Budget()))]

    def figures(row):
        return tuple(row[key] for key in ("accuracy", "energy_j", "latency_s"))

    assert set(map(figures, front)) == set(map(figures, expected))
    assert len(front) == len(set(map(figures, front)))  # of several thresholds that do the same one stands for all
    assert found.best(np.zeros(found.energy_j.shape, bool)) is None
    assert found.front(np.zeros(found.energy_j.shape, bool)) == []


def test_a_platform_that_is_too_small_leaves_the_others():
    class Small:
        def estimate(self, load):
            raise CapacityError("the chip must have more tiles")

    with pytest.raises(CapacityError, match="more tiles"):
        sweep(VARIANTS, {"small": Small()}, PATH)
    found = sweep(VARIANTS, {"small": Small(), "digital": CHIPS["digital-45nm"]}, PATH)
    assert np.isinf(found.energy_j[:, 0]).all()
    assert not found.within(Budget())[:, 0].any()
    assert found.best(found.within(Budget()))[1] == 1


def test_nothing_to_sweep_is_refused():
    with pytest.raises(ParameterError, match="at least one network"):
        sweep([], CHIPS, PATH)


def test_platforms_vary_by_dotted_keys():
    chip = varied("rram-64-32nm-physical", {"mapping.adc_bits": 6, "mapping.cols_per_adc": 4})
    assert (chip.mapping.adc_bits, chip.mapping.cols_per_adc) == (6, 4)
    load = VARIANTS[0].load
    assert chip.estimate(load).energy_j != load_platform("rram-64-32nm-physical").estimate(load).energy_j
    with pytest.raises(ParameterError, match=r"one of .*; got 'mapping\.rows'"):
        varied("rram-64-32nm", {"mapping.rows": 3})
    with pytest.raises(ParameterError, match="possible together"):
        varied("rram-64-32nm", {"mapping.n_rows": -1})
