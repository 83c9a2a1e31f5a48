"""Normalisation and neurons as one operation, against the same in plain PyTorch with 64 bits."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from spikewise.errors import ShapeError
from spikewise.network.fused import can_fuse, norm_lif
from spikewise.network.neurons import LIFParams, lif_sequence
from spikewise.network.surrogate import Dspike, Triangle, fire

NEURONS = [
    LIFParams(surrogate=Dspike()),
    LIFParams(reset="soft", decay=0.7),
    LIFParams(surrogate=Triangle(1.0), v_reset=-0.2, v_threshold=0.8),
]
SHAPES = [(4, 3, 32, 4, 4), (1, 3, 32, 4, 4), (4, 8, 64), (3, 2, 8, 4, 4), (2, 5, 48, 2, 2)]


def norm_of(shape, is_training):
    norm = (nn.BatchNorm2d if len(shape) == 5 else nn.BatchNorm1d)(shape[2])
    nn.init.normal_(norm.weight, 1, 0.2)
    nn.init.normal_(norm.bias, 0.3, 0.2)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm.train(is_training)


def oracle(sums, norm, params, n_steps, v0=None):
    currents = norm(sums.flatten(0, 1)).reshape(sums.shape)
    return lif_sequence(currents.expand(n_steps, *sums.shape[1:]), params, v0)


def relative(found, expected):
    return float((found.double() - expected.double()).abs().max() / expected.abs().max())


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("params", NEURONS)
@pytest.mark.parametrize("is_training", [True, False])
def test_values_gradients_and_statistics_are_those_of_the_oracle(shape, params, is_training):
    n_steps = max(shape[0], 4) if shape[0] == 1 else shape[0]
    norm = norm_of(shape, is_training)
    exact = copy.deepcopy(norm).double()
    sums = (1.5 * torch.randn(shape)).requires_grad_()
    v0 = (0.5 * torch.randn(shape[1:])).requires_grad_()
    sums64, v64 = (each.detach().double().requires_grad_() for each in (sums, v0))
    assert can_fuse(sums, norm, params)
    spikes, v = norm_lif(sums, norm, params, n_steps, v0)
    expected, last = oracle(sums64, exact, params, n_steps, v64)
    assert torch.equal(spikes.double(), expected)
    assert relative(v.detach(), last.detach()) < 1e-6
    weights = [torch.randn_like(each) for each in (spikes, v)]
    sum((each * w).sum() for each, w in zip((spikes, v), weights, strict=True)).backward()
    sum((each * w).sum() for each, w in zip((expected, last), weights, strict=True)).backward()
    for found, wanted in ((sums, sums64), (v0, v64), (norm.weight, exact.weight), (norm.bias, exact.bias)):
        assert relative(found.grad, wanted.grad) < 2e-6
    for key in ("running_mean", "running_var"):
        assert relative(getattr(norm, key), getattr(exact, key)) < 1e-6
    assert norm.num_batches_tracked == exact.num_batches_tracked


@pytest.mark.parametrize("n_given", [4, 1])
@pytest.mark.parametrize("params", NEURONS)
def test_shortcuts_and_decays_receive_their_gradients(params, n_given):
    shape = (n_given, 3, 48, 4, 4)
    norm, each = norm_of(shape, True), (4, *shape[1:])
    exact = copy.deepcopy(norm).double()
    sums, residual, v0 = (torch.randn(size).requires_grad_() for size in (shape, each, shape[1:]))
    decay = torch.tensor(params.decay).requires_grad_()
    exactly = [value.detach().double().requires_grad_() for value in (sums, residual, v0, decay)]
    assert can_fuse(sums, norm, params)
    spikes, v = norm_lif(sums, norm, params, 4, v0, residual, decay)
    currents = exact(exactly[0].flatten(0, 1)).reshape(shape) + exactly[1]
    u, expected = exactly[2], []
    for current in currents:
        u = exactly[3] * u + current
        expected.append(fire(u, params.v_threshold, params.surrogate))
        silent = u - expected[-1] * params.v_threshold
        u = silent if params.reset == "soft" else u * (1 - expected[-1]) + expected[-1] * params.v_reset
    expected = torch.stack(expected)
    assert torch.equal(spikes.double(), expected)
    weights = [torch.randn_like(value) for value in (spikes, v)]
    sum((value * w).sum() for value, w in zip((spikes, v), weights, strict=True)).backward()
    sum((value * w).sum() for value, w in zip((expected, u), weights, strict=True)).backward()
    for found, wanted in zip((sums, residual, v0, decay), exactly, strict=True):
        assert relative(found.grad, wanted.grad) < 5e-6


@pytest.mark.parametrize(
    "shape", [(4, 9, 32, 6, 4), (1, 2, 16, 1, 3), (4, 1, 6, 5, 8), (2, 3, 16, 4, 4), (4, 3, 24, 3, 3)]
)
@pytest.mark.parametrize("params", NEURONS)
def test_means_of_spikes_and_their_gradients_are_those_of_averaging_afterwards(shape, params):
    given, each = torch.randn(shape), (4, *shape[1:])
    residual, v0 = torch.randn(each), torch.randn(shape[1:])
    norm, decay, found = norm_of(shape, True), torch.tensor(params.decay), []
    for fused in (True, False):
        same = copy.deepcopy(norm)
        values = [value.clone().requires_grad_() for value in (given, residual, v0, decay)]
        n_steps = max(shape[0], 4) if shape[0] == 1 else shape[0]
        values[1] = values[1][:n_steps].detach().requires_grad_()
        out, v = norm_lif(values[0], same, params, n_steps, values[2], values[1], values[3], means=fused)
        if not fused:
            assert set(out.unique().tolist()) <= {0.0, 1.0}
            out = nn.functional.avg_pool2d(out.flatten(0, 1), 2, 1, 1).unflatten(0, out.shape[:2])
        torch.manual_seed(1)
        ((out * torch.randn(out.shape)).sum() + (v * torch.randn(v.shape)).sum()).backward()
        gradients = [value.grad for value in (*values, same.weight, same.bias)]
        found.append((out.detach(), v.detach(), same.running_var, gradients))
    (out, v, variance, gradients), (out_after, v_after, variance_after, gradients_after) = found
    assert torch.equal(out, out_after)
    assert torch.equal(v, v_after)
    assert torch.equal(variance, variance_after)
    for mine, afterwards in zip(gradients, gradients_after, strict=True):
        assert relative(mine, afterwards) < 3e-5


@pytest.mark.parametrize("params", NEURONS)
def test_steps_one_by_one_and_plain_pytorch_give_the_same_bits(params, monkeypatch):
    shape = (4, 3, 32, 4, 4)
    norm, sums, residual = norm_of(shape, False), 1.5 * torch.randn(shape), torch.randn(shape)
    with torch.no_grad():
        spikes, v = norm_lif(sums, norm, params, 4, residual=residual)
        state, singles = None, []
        for step in range(4):
            now = slice(step, step + 1)
            one, state = norm_lif(sums[now], norm, params, 1, state, residual[now])
            singles.append(one)
        monkeypatch.setattr("spikewise.network.fused.cpu.can_fuse", lambda *_: False)
        plain, v_plain = norm_lif(sums, norm, params, 4, residual=residual)
    assert torch.equal(torch.cat(singles), spikes)
    assert torch.equal(state, v)
    assert torch.equal(plain, spikes)
    assert torch.equal(v_plain, v)


def test_the_number_of_threads_changes_no_bit():
    shape = (4, 16, 32, 8, 8)
    sums, weights = torch.randn(shape), torch.randn(shape)
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            torch.manual_seed(1)
            norm, x = norm_of(shape, True), sums.clone().requires_grad_()
            spikes, _ = norm_lif(x, norm, LIFParams(), 4)
            (spikes * weights).sum().backward()
            found.append((spikes.detach(), x.grad, norm.weight.grad, norm.running_var))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_a_static_input_is_one_that_repeats():
    norm, params = norm_of((1, 3, 16, 4, 4), False), LIFParams()
    once = torch.randn(1, 3, 16, 4, 4, requires_grad=True)
    often = once.detach().repeat(4, 1, 1, 1, 1).requires_grad_()
    weights = torch.randn(4, 3, 16, 4, 4)
    for sums in (once, often):
        (norm_lif(sums, norm, params, 4)[0] * weights).sum().backward()
    assert relative(once.grad[0], often.grad.sum(0)) < 1e-6


def test_only_the_sums_are_kept_for_backward():
    shape = (4, 8, 32, 8, 8)
    norm, sums, kept = norm_of(shape, True), torch.randn(shape, requires_grad=True), []

    def pack(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        norm_lif(sums, norm, LIFParams(), 4)
    large = [tensor for tensor in kept if tensor.numel() >= 1000]
    assert [tensor.data_ptr() for tensor in large] == [sums.data_ptr()]


def test_sixteen_bits_are_as_good_as_their_rounding():
    shape = (4, 8, 32, 4, 4)
    norm, params = norm_of(shape, True), LIFParams()
    exact = copy.deepcopy(norm).double()
    sums = torch.randn(shape).to(torch.bfloat16).requires_grad_()
    sums64 = sums.detach().double().requires_grad_()
    spikes, _ = norm_lif(sums, norm, params, 4)
    expected, _ = oracle(sums64, exact, params, 4)
    weights = torch.randn(shape).to(torch.bfloat16)
    (spikes * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    assert spikes.dtype == sums.grad.dtype == torch.bfloat16
    assert (spikes.double() != expected).float().mean() < 1e-3
    assert relative(sums.grad, sums64.grad) < 0.01
    assert relative(norm.weight.grad, exact.weight.grad) < 0.01


@pytest.mark.parametrize(
    ("shape", "dtype", "is_fused"),
    [
        ((4, 3, 32, 4, 4), torch.float32, True),
        ((4, 3, 32, 4, 4), torch.float64, False),
        ((4, 3, 12, 4, 4), torch.float32, True),
        ((4, 3, 3, 3, 3), torch.float32, False),
        ((4, 1, 8, 1, 1), torch.float32, False),
    ],
)
def test_maps_that_fill_no_vectors_and_other_precisions_run_in_plain_pytorch(shape, dtype, is_fused):
    norm, sums = norm_of(shape, False).to(dtype), torch.randn(shape, dtype=dtype)
    assert can_fuse(sums, norm, LIFParams()) == is_fused
    spikes, _ = norm_lif(sums, norm, LIFParams(), 4)
    expected, _ = oracle(sums.double(), copy.deepcopy(norm).double(), LIFParams(), 4)
    assert torch.equal(spikes.double(), expected)


def test_a_channel_of_weight_zero_still_learns():
    shape = (4, 8, 32, 4, 4)
    norm, sums = norm_of(shape, True), torch.randn(shape).requires_grad_()
    with torch.no_grad():
        norm.weight[:16] = 0
        norm.bias[:16] = 0.7
    exact, sums64 = copy.deepcopy(norm).double(), sums.detach().double().requires_grad_()
    weights = torch.randn(shape)
    (norm_lif(sums, norm, LIFParams(), 4)[0] * weights).sum().backward()
    (oracle(sums64, exact, LIFParams(), 4)[0] * weights.double()).sum().backward()
    assert relative(norm.weight.grad, exact.weight.grad) < 2e-6
    assert relative(sums.grad, sums64.grad) < 2e-6


@pytest.mark.parametrize(
    ("sizes", "n_steps", "complaint"),
    [
        (((2, 3, 16, 4, 4), None, None), 4, r"sums must have shape \(1, B, C, ...\) or \(4, B, C, ...\)"),
        (((4, 3, 16, 4, 4), (1, 16, 4, 4), None), 4, r"v0 must have shape \(3, 16, 4, 4\)"),
        (((1, 3, 16, 4, 4), None, (1, 3, 16, 4, 4)), 4, r"residual must have shape \(4, 3, 16, 4, 4\)"),
        (((4, 3, 16, 4, 4), None, None), 0, "sums must have shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(sizes, n_steps, complaint):
    sums, v0, residual = (None if size is None else torch.zeros(size) for size in sizes)
    with pytest.raises(ShapeError, match=complaint):
        norm_lif(sums, norm_of(sizes[0], False), LIFParams(), n_steps, v0, residual)


class Doubled(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("is_training", [True, False])
def test_normalisations_of_another_kind_or_under_watch_are_asked(is_training):
    sums, seen = torch.randn(4, 3, 16, 4, 4), []
    own, watched = Doubled(16).train(is_training), nn.BatchNorm2d(16).train(is_training)
    watched.register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(norm_lif(sums, own, LIFParams(), 4)[0], oracle(sums, copy.deepcopy(own), LIFParams(), 4)[0])
    norm_lif(sums, watched, LIFParams(), 4)
    assert seen == [1]


@pytest.mark.parametrize("mean", [0.0, 100.0, 1e4])
def test_statistics_are_right_far_off_the_running_mean(mean):
    norm, sums = nn.BatchNorm2d(16), mean + torch.randn(4, 8, 16, 8, 8)
    exact = copy.deepcopy(norm).double()
    norm_lif(sums, norm, LIFParams(), 4)
    exact(sums.double().flatten(0, 1))
    assert relative(norm.running_var, exact.running_var) < 1e-5
    assert relative(norm.running_mean, exact.running_mean) < 1e-6


def test_a_single_sample_in_a_single_step_has_the_right_gradients():
    conv, norm = nn.Conv2d(3, 10, 3, padding=1), nn.BatchNorm2d(10)  # 15 x 15 x 10 numbers fill no whole vectors
    images = torch.randn(1, 3, 15, 15).contiguous(memory_format=torch.channels_last)
    exact_conv, exact = copy.deepcopy(conv).double(), copy.deepcopy(norm).double()
    (norm_lif(conv(images)[None], norm, LIFParams(), 4)[0] * torch.arange(15)).sum().backward()
    (
        oracle(exact_conv(images.double().contiguous())[None], exact, LIFParams(), 4)[0] * torch.arange(15)
    ).sum().backward()
    assert relative(norm.bias.grad, exact.bias.grad) < 1e-4
    assert relative(conv.weight.grad, exact_conv.weight.grad) < 1e-4


def test_one_number_per_channel_and_an_empty_batch_are_torchs_affair():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm_lif(torch.zeros(1, 1, 16), nn.BatchNorm1d(16), LIFParams(), 4)
    norm = nn.BatchNorm2d(16)
    assert norm_lif(torch.zeros(2, 0, 16, 4, 4), norm.eval(), LIFParams(), 2)[0].shape == (2, 0, 16, 4, 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    script = """
import os, torch
from spikewise.network import LIFParams
from spikewise.errors import ShapeError
from spikewise.network.fused import norm_lif
torch.set_num_threads(2)
run = lambda: norm_lif(torch.ones(4, 3, 16, 4, 4), torch.nn.BatchNorm2d(16).eval(), LIFParams(), 4)
run()
child = os.fork()
run()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode == 0
