import pytest

from spikewise.price import load_platform, platform_names
from spikewise.price.analysis.figures_of_merit import merit_figures
from spikewise.workload import LayerShape, uniform_workload
from spikewise.workload.metrics import count_metrics

LOAD = uniform_workload("net", [LayerShape("fc", "linear", 640, 100)], 4, [0.2], [3, 0, 0, 1])


@pytest.mark.parametrize("name", platform_names())
def test_figures_of_merit_multiply_back_to_the_price(name):
    report = load_platform(name).estimate(LOAD)
    merit, metrics = merit_figures(report, LOAD), count_metrics(LOAD)
    assert merit.energy_per_synaptic_operation_j * metrics.n_acs == pytest.approx(report.energy_j)
    assert merit.energy_per_synaptic_operation_j * merit.synaptic_operations_per_j == pytest.approx(1)
    assert merit.dense_operations_per_j * report.energy_j == pytest.approx(2 * metrics.n_dense_macs)
    assert merit.mean_power_w / merit.inferences_per_s == pytest.approx(report.energy_j)
    if report.area_m2:
        assert merit.power_density_w_per_m2 * report.area_m2 == pytest.approx(merit.mean_power_w)
    else:
        assert merit.power_density_w_per_m2 is None


def test_a_silent_network_has_no_energy_per_operation():
    silent = uniform_workload("net", LOAD.layers, 2, [0.0])
    merit = merit_figures(load_platform("digital-45nm").estimate(silent), silent)
    assert merit.energy_per_synaptic_operation_j is None
    assert merit.synaptic_operations_per_j == 0
