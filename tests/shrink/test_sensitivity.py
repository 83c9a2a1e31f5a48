import pytest

from spikewise.errors import ParameterError
from spikewise.shrink.format import FixedFormat
from spikewise.shrink.sensitivity import choose_bits, evaluator


def minding(costs):
    """An evaluation in which every layer below 8 bits costs some accuracy, and as much loss."""

    def evaluate(form):
        lost = sum(cost * (8 - form.bits[name]) / 4 for name, cost in costs.items())
        return 0.9 - lost, lost

    return evaluate


def test_the_layer_that_minds_least_per_bit_goes_first():
    costs = {"a": 0.02, "b": 0.004, "c": 0.03}
    found, rows = choose_bits("abc", [1000, 10, 3000], [8, 4], FixedFormat(), minding(costs), max_drop=0.03)
    assert found.bits == {"a": 8, "b": 8, "c": 4}  # c saves most per point; then nothing else fits
    assert rows[0]["accuracy"] == 0.9
    assert [row["change"] for row in rows[-3:]] == ["c 4", "a 4", "b 4"]


def test_the_loss_is_never_more_than_tolerated():
    costs = {"a": 0.005, "b": 0.006, "c": 0.007}
    found, rows = choose_bits("abc", [10, 10, 10], [8, 6, 4], FixedFormat(), minding(costs), max_drop=0.01)
    kept = [row for row in rows if row["is_kept"]]
    assert kept[-1]["accuracy"] >= 0.9 - 0.01
    assert sum(8 - bits for bits in found.bits.values()) > 0


def test_one_width_is_no_choice():
    with pytest.raises(ParameterError, match="at least two widths"):
        choose_bits("a", [1], [8, 8], FixedFormat(), minding({"a": 0}), max_drop=0.1)


def test_a_network_is_measured_in_each_format(small):
    network, images = small
    names, sizes, evaluate = evaluator(network, images, 2, (images, network(_tensor(images), 2).mean(0).argmax(1)))
    assert names[-1] == "readout"
    assert sizes == [layer.numel() for name, layer in network.named_parameters() if name.endswith("s.weight") or
                     name == "readout.weight"]  # fmt: skip
    fine, coarse = evaluate(FixedFormat(12)), evaluate(FixedFormat(2))
    assert fine[0] >= coarse[0]
    assert fine[1] != coarse[1]


def _tensor(images):
    import torch

    return torch.as_tensor(images)
