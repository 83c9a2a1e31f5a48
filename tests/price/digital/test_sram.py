import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.price.digital.sram import NODES_NM, Sram

KIB = 8 * 1024
every = pytest.mark.parametrize("node_nm", NODES_NM)
sizes = st.floats(1.0, 2.0**30)


@pytest.mark.parametrize(
    ("node_nm", "size_kib", "read_pj", "write_pj", "area_mm2", "leakage_mw"),
    [(45, 8, 3.16, 3.24, 0.0263, 0.14), (32, 20, 3.06, 2.37, 0.0382, 2.6), (65, 1024, 90.6, 70.0, 6.81, 38)],
)
def test_the_table_itself_is_met(node_nm, size_kib, read_pj, write_pj, area_mm2, leakage_mw):
    sram, n_bits = Sram(node_nm), size_kib * KIB
    assert 64 * sram.read_j_per_bit(n_bits) == pytest.approx(read_pj * 1e-12, rel=1e-12)
    assert 64 * sram.write_j_per_bit(n_bits) == pytest.approx(write_pj * 1e-12, rel=1e-12)
    assert sram.area_m2(n_bits) == pytest.approx(area_mm2 * 1e-6, rel=1e-12)
    assert sram.leakage_w(n_bits) == pytest.approx(leakage_mw * 1e-3, rel=1e-12)


@every
@given(sizes, sizes)
def test_a_larger_memory_never_costs_less(node_nm, one, other):
    sram = Sram(node_nm)
    for figure in (sram.read_j_per_bit, sram.area_m2, sram.leakage_w):
        small, large = figure(min(one, other)), figure(max(one, other))
        assert small <= large * (1 + 1e-12)


def test_between_sizes_lies_the_geometric_mean():
    sram = Sram(45)
    middle = sram.read_j_per_bit(np.sqrt(8 * 10) * KIB)
    # log-linear between 8 and 10 KiB: halfway on the axis of sizes is halfway on the axis of energies
    assert middle == pytest.approx(np.sqrt(sram.read_j_per_bit(8 * KIB) * sram.read_j_per_bit(10 * KIB)), rel=1e-12)


def test_outside_the_table_energy_stays_and_banks_add_up():
    sram = Sram(45)
    assert sram.read_j_per_bit(100) == sram.read_j_per_bit(KIB)
    assert sram.read_j_per_bit(4096 * KIB) == sram.read_j_per_bit(1024 * KIB)
    assert sram.area_m2(4096 * KIB) == pytest.approx(4 * sram.area_m2(1024 * KIB), rel=1e-12)
    assert sram.area_m2([0, 0]).tolist() == [0, 0]


def test_an_unknown_process_is_refused():
    with pytest.raises(ParameterError, match="node_nm must be one of 22, 32, 45, 65; got 28"):
        Sram(28)
