"""The fused operation of GPUs, against the same in plain PyTorch with 64 bits.

Where there is no GPU, Triton's interpreter runs the kernels on CPU tensors, in a process of its own: it must be asked
for before Triton is imported.
"""

import copy
import importlib.util
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
import torch

from spikewise.network.fused import cuda as fused_cuda
from spikewise.network.fused import norm_lif
from spikewise.network.fused.cuda import can_fuse_cuda, norm_lif_cuda
from spikewise.network.neurons import LIFParams, lif_sequence

_SPEC = importlib.util.spec_from_file_location("norm_lif", Path(__file__).parents[2] / "oracles" / "norm_lif.py")
_ORACLE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_ORACLE)
NEURONS, norm_of, oracle, relative = _ORACLE.NEURONS, _ORACLE.norm_of, _ORACLE.norm_lif, _ORACLE.relative

HAS_GPU, IS_INTERPRETED = torch.cuda.is_available(), os.environ.get("TRITON_INTERPRET") == "1"
PLACE = "cpu" if IS_INTERPRETED else "cuda"
HAS_TRITON, NO_TRITON = importlib.util.find_spec("triton") is not None, "Triton comes with CUDA builds of PyTorch"
needs_triton = pytest.mark.skipif(not HAS_TRITON, reason=NO_TRITON)
runs = pytest.mark.skipif(
    not (HAS_TRITON and (HAS_GPU or IS_INTERPRETED)),
    reason="no GPU; the interpreter runs it in another process" if HAS_TRITON else NO_TRITON,
)
SHAPES = [(4, 3, 24, 4, 4), (1, 3, 24, 4, 4), (3, 5, 70)]
NARROW = [(2, 5, 3, 3, 3), (1, 2, 4, 4, 4)]  # the interpreter takes its time for each program
LAYOUTS = [torch.channels_last, torch.contiguous_format]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def laid_out(values, layout):
    """Values (T, B, C, H, W) in this layout, as they come from a convolution."""
    if values.ndim < 5:
        return values
    return values.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, values.shape[:2])


def exactly(values):
    return None if values is None else values.detach().double().requires_grad_()


def leaf(values):
    return values.detach().to(PLACE).requires_grad_()


def check(shape, params, is_training=True, layout=torch.channels_last, extras=True, weigh=(1, 1)):
    """Compare values, gradients and statistics with those of the oracle."""
    n_steps = 3 if shape[0] == 1 else shape[0]
    norm = norm_of(shape, is_training).to(PLACE)
    exact = copy.deepcopy(norm).double()
    inputs = [leaf(laid_out(1.5 * torch.randn(shape), layout)), None, None, None]
    if extras:
        residual = leaf(laid_out(torch.randn(n_steps, *shape[1:]), layout))
        inputs[1:] = leaf(0.5 * torch.randn(shape[1:])), residual, leaf(torch.tensor(params.decay))
    exacts = [exactly(each) for each in inputs]
    found = norm_lif_cuda(inputs[0], norm, params, n_steps, *inputs[1:])
    expected = oracle(exacts[0], exact, params, n_steps, *exacts[1:])
    assert torch.equal(found[0].double(), expected[0])
    assert relative(found[1].detach(), expected[1].detach()) < 1e-6
    weights = [factor * torch.randn_like(each) for each, factor in zip(found, weigh, strict=True)]
    sum((each * w).sum() for each, w, factor in zip(found, weights, weigh, strict=True) if factor).backward()
    sum((each * w).sum() for each, w in zip(expected, weights, strict=True)).backward()
    for one, wanted in zip((*inputs, norm.weight, norm.bias), (*exacts, exact.weight, exact.bias), strict=True):
        if one is not None:
            assert relative(one.grad, wanted.grad) < 5e-6
            assert one.grad.shape == one.shape
    for key in ("running_mean", "running_var"):
        assert relative(getattr(norm, key), getattr(exact, key)) < 1e-6
    assert norm.num_batches_tracked == exact.num_batches_tracked


@runs
@pytest.mark.parametrize("params", NEURONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_gradients_and_statistics_are_those_of_the_oracle(shape, params):
    check(shape, params)


@runs
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("shape", NARROW)
def test_so_are_those_of_maps_in_either_layout(shape, layout):
    check(shape, LIFParams(), layout=layout)


@runs
@pytest.mark.parametrize("shape", NARROW)
def test_so_are_those_of_an_evaluation_and_without_what_may_be_absent(shape):
    check(shape, LIFParams(), is_training=False)
    check(shape, LIFParams(), extras=False)
    check(shape, LIFParams(), weigh=(1, 0))
    check(shape, LIFParams(reset="soft"), weigh=(0, 1))


@runs
def test_so_are_those_of_many_steps():
    check((20, *NARROW[0][1:]), NEURONS[1])


@runs
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_as_good_as_their_rounding(dtype):
    shape, params = (4, 8, 24, 2, 2), LIFParams()
    norm = norm_of(shape, True).to(PLACE)
    exact = copy.deepcopy(norm).double()
    sums, weights = (
        leaf(laid_out(torch.randn(shape), torch.channels_last).to(dtype)),
        torch.randn(shape, device=PLACE).to(dtype),
    )
    sums64 = exactly(sums)
    spikes, v = norm_lif_cuda(sums, norm, params, 4)
    expected, _ = oracle(sums64, exact, params, 4)
    (spikes * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    assert spikes.dtype == v.dtype == sums.grad.dtype == dtype
    assert (spikes.double() != expected).float().mean() < 1e-3
    assert relative(sums.grad, sums64.grad) < 0.01
    assert relative(norm.weight.grad, exact.weight.grad) < 0.01
    assert relative(norm.running_var, exact.running_var) < 1e-6


@runs
@pytest.mark.parametrize("params", NEURONS)
def test_steps_one_by_one_and_plain_pytorch_give_the_same_bits(params):
    shape = (4, 3, 8, 4, 4)
    norm = norm_of(shape, False).to(PLACE)
    sums, residual = (laid_out(torch.randn(shape), torch.channels_last).to(PLACE) for _ in range(2))
    with torch.no_grad():
        spikes, v = norm_lif_cuda(sums, norm, params, 4, None, residual)
        state, singles = None, []
        for step in range(4):
            now = slice(step, step + 1)
            one, state = norm_lif_cuda(sums[now], norm, params, 1, state, residual[now])
            singles.append(one)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        scale, shift = (each.view(-1, 1, 1) for each in (scale, norm.bias - norm.running_mean * scale))
        plain, v_plain = lif_sequence(sums * scale + shift + residual, params)
    assert torch.equal(torch.cat(singles), spikes)
    assert torch.equal(state, v)
    assert torch.equal(plain, spikes)
    assert torch.equal(v_plain, v)


@runs
def test_running_statistics_without_a_momentum_are_the_mean_over_the_batches():
    shape = (2, 4, 8, 2, 2)
    norm = norm_of(shape, True).to(PLACE)
    norm.momentum = None
    exact = copy.deepcopy(norm).double()
    for _ in range(3):
        sums = torch.randn(shape, device=PLACE)
        norm_lif_cuda(sums, norm, LIFParams(), 2)
        exact(sums.flatten(0, 1).double())
    assert relative(norm.running_mean, exact.running_mean) < 1e-6
    assert relative(norm.running_var, exact.running_var) < 1e-6


@runs
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_only_the_sums_are_kept_and_neither_layout_is_copied(layout):
    shape = (4, 8, 8, 8, 8)
    norm, kept = norm_of(shape, True).to(PLACE), []
    sums = leaf(laid_out(torch.randn(shape), layout))

    def pack(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        spikes, _ = norm_lif_cuda(sums, norm, LIFParams(), 4)
    spikes.sum().backward()
    assert [tensor.data_ptr() for tensor in kept if tensor.numel() >= 1000] == [sums.data_ptr()]
    assert fused_cuda._Maps(sums.detach(), 4).data.data_ptr() == sums.data_ptr()
    assert spikes.stride() == sums.grad.stride() == sums.stride()


@pytest.mark.skipif(not HAS_GPU, reason="no GPU")
def test_on_a_gpu_every_layer_takes_it():
    shape = (4, 3, 24, 4, 4)
    norm, sums = norm_of(shape, False).cuda(), torch.randn(shape, device="cuda")
    assert can_fuse_cuda(sums, norm, LIFParams(), 4)
    spikes, _ = norm_lif(sums.requires_grad_(), norm, LIFParams(), 4)
    assert "NormLIF" in spikes.grad_fn.name()
    assert torch.equal(spikes, norm_lif_cuda(sums, norm, LIFParams(), 4)[0])
    assert not can_fuse_cuda(sums, norm, LIFParams(), 33)


@pytest.mark.skipif(HAS_GPU or IS_INTERPRETED, reason="runs where the tests above are skipped")
@needs_triton
def test_the_interpreter_passes_the_tests_that_need_a_gpu():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", __file__]
    done = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert " passed" in done.stdout


def test_without_a_gpu_or_triton_plain_pytorch_runs(monkeypatch):
    norm = torch.nn.BatchNorm1d(16)
    assert not can_fuse_cuda(torch.ones(4, 2, 16), norm, LIFParams(), 4)
    monkeypatch.setitem(sys.modules, "triton.language", None)
    assert not fused_cuda._has_triton.__wrapped__()


COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from spikewise.network.fused.cuda import norm_lif_cuda
from spikewise.network.neurons import LIFParams


class Driver:
    get_current_device = get_current_stream = lambda self, *_: 0
    get_current_target = lambda self: GPUTarget("cuda", 90, 32)


def launch(kernel, grid):
    def compile_only(*arguments, **options):
        text = kernel.warmup(*arguments, grid=grid, **options).asm["ptx"]
        assert "ld.global.v4" in text and "fma.rn" not in text, text
        print(kernel.fn.__name__)

    return compile_only


driver.set_active(Driver())
JITFunction.__getitem__ = launch
for memory in (torch.channels_last, torch.contiguous_format):
    sums = torch.zeros(8, 64, 8, 8, dtype=torch.bfloat16).contiguous(memory_format=memory).unflatten(0, (4, 2))
    norm_lif_cuda(sums.requires_grad_(), torch.nn.BatchNorm2d(64), LIFParams(), 4)[0].sum().backward()
"""


@pytest.mark.slow
@needs_triton
def test_the_kernels_compile_for_a_gpu_unfused_and_load_sixteen_bytes_at_once():
    settings = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Nothing is computed, so the sums hold anything, and whoever reads them may ask for the moments again.
    in_turn = [name for name, _ in groupby(done.stdout.split())]
    assert in_turn == ["moments", "forward", "backward", "normalise_gradient"] * 2
