r"""Energy and memory of unsupervised (STDP) networks, training and inference, from what their engines counted.

An engine counts its elementary operations by component (:mod:`spikewise.workload.operations`); each costs what it costs
in digital hardware,

.. math:: E = \sum_{component} n_{weight} b_w e_{mem}(M) + n_{state} b_s e_{mem}(S) + n_{add} e_{add} + n_{mul} e_{mul}
              + n_{exp} e_{exp} + n_{rand} e_{rand},

with a weight memory of the size M of the whole network, stored inhibition included, and a state memory of size S. The
answer is a :class:`~spikewise.price.cost.CostReport` of a single step whose *layers* are the components of the engine
(integration, leak, plasticity, ...) and whose *components* are the parts of the hardware. A comparison counts as an
addition.

Assumed: four values are kept per neuron (potential, adaptive threshold, refractory time, gain or trace), two more where
inhibition has neurons of its own, and while learning one per input (trace or rate). Each operation reads and writes
memory as it was counted; nothing is reused.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, unknown_name
from spikewise.price.accounts import Accounts
from spikewise.price.cost import CostReport
from spikewise.price.ledger import FloatArray
from spikewise.price.protocol import Platform, as_platform
from spikewise.workload.layer import LayerShape
from spikewise.workload.operations import OperationCounts, Operations
from spikewise.workload.workload import Workload

from . import sram
from .accelerator import DigitalAccelerator
from .counts import in_order
from .roofline import RooflineProcessor

Phase = Literal["inference", "training"]
PHASES: tuple[Phase, ...] = ("inference", "training")
COMPONENTS = ("weight memory", "state memory", "arithmetic", "random numbers", "leakage")
_STATES = 4  # potential, adaptive threshold, refractory time, gain or trace
_INHIBITORY_STATES = 2  # potential, refractory time


@checks_arguments
def weight_bits_of(layer: LayerShape) -> float:
    """Return the bits of all weights of a layer, stored inhibition included."""
    n_lateral = layer.n_neurons**2 if layer.lateral == "matrix" else 0
    return float((layer.n_weights + n_lateral) * layer.weight_bits)


@checks_arguments
def state_bits_of(layer: LayerShape, phase: Phase) -> float:
    """Return the bits of all states of a layer during inference or training."""
    # Inhibition by a matrix has neurons of its own; training keeps one more value per input (trace or rate).
    per_neuron = _STATES + (_INHIBITORY_STATES if layer.lateral == "matrix" else 0)
    n_states = layer.n_neurons * per_neuron + (layer.n_inputs if phase == "training" else 0)
    return float(n_states * layer.state_bits)


@checks_arguments
def estimate_operations(workload: Workload, platform: Platform, phase: Phase = "inference") -> CostReport:
    """Price the counted operations of one sample, mean over the samples.

    Parameters
    ----------
    workload : Workload
        Workload of a network that counts its operations, such as that of ``STDPClassifier.workload``.
    platform : Platform
        A digital accelerator or an embedded processor.
    phase : {"inference", "training"}
        Inference, with the early exits that were counted, or training on a sample.

    Raises
    ------
    ParameterError
        If nothing was counted in this phase, or the platform has no arithmetic of its own.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from spikewise.workload.operations import OperationCounts
    >>> from spikewise.price.quantity import read_settings
    >>> from spikewise.workload import uniform_workload
    >>> chip = read_settings(DigitalAccelerator, files("spikewise.price") / "presets" / "digital-45nm.toml")
    >>> layer = LayerShape("excitatory", "linear", 784, 400)
    >>> counts = OperationCounts({"integration": Operations(weight_reads=1000, additions=1000)})
    >>> load = Workload("net", (layer,), uniform_workload("net", [layer], 1, [0.1]).activity, counts=counts)
    >>> report = estimate_operations(load, chip)
    >>> report.layers, round(report.breakdown()["arithmetic"].energy_j * 1e12, 6)
    (('integration', 'chip'), 50.0)
    """
    if phase not in PHASES:
        raise unknown_name("phase", phase, PHASES)
    parts = _counted(workload, phase)
    if not parts:
        raise ParameterError(
            f"workload must carry counted operations of {phase}; {workload.name!r} has none. "
            "Take it from STDPClassifier.workload."
        )
    if len(workload.layers) != 1:
        raise ParameterError(f"workload must have the one layer that was counted; got {len(workload.layers)} layers.")
    if isinstance(platform, DigitalAccelerator):
        return _on_accelerator(workload, platform, phase, parts)
    if isinstance(platform, RooflineProcessor):
        return _on_processor(workload, platform, phase, parts)
    raise ParameterError(
        f"platform must be digital or an embedded processor to price operations; got {as_platform(platform).name!r}."
    )


def _counted(workload: Workload, phase: Phase) -> Mapping[str, Operations]:
    """Return the operations of a phase, by component; empty if none were counted."""
    counts = workload.counts or OperationCounts()
    return counts.training if phase == "training" else counts.inference


def _on_accelerator(
    workload: Workload, chip: DigitalAccelerator, phase: Phase, parts: Mapping[str, Operations]
) -> CostReport:
    layer, memory = workload.layers[0], chip.memory
    accounts = Accounts(tuple(parts), COMPONENTS, 1)
    sizes = {"weight": np.array(weight_bits_of(layer)), "state": np.array(state_bits_of(layer, phase))}
    widths = {"weight": layer.weight_bits, "state": layer.state_bits}
    for name, size in sizes.items():
        accounts.energy(f"{name} memory", memory.read(size), widths[name] * _count(parts, f"{name}_reads"))
        accounts.energy(f"{name} memory", memory.write(size), widths[name] * _count(parts, f"{name}_writes"))
        accounts.memory(f"{name} memory", accounts.on_chip(size))
        accounts.area(f"{name} memory", accounts.on_chip(memory.sram.area_m2(memory.on_chip(size))))
    add = chip.add_j(workload, np.array([layer.state_bits]))[:, 0]
    # One width for all: which of the factors are states was not counted, so the wider one is taken.
    multiply = chip.multiply_j(workload, np.array([max(widths.values())]))[:, 0]
    accounts.energy("arithmetic", add, _count(parts, "additions") + _count(parts, "comparisons"))
    accounts.energy("arithmetic", multiply, _count(parts, "multiplications"))
    accounts.energy("arithmetic", chip.exponential.corners * (add + multiply), _count(parts, "exponentials"))
    draw = chip.random_number.corners * chip.random_j()
    accounts.energy("random numbers", draw, _count(parts, "random_numbers"))
    accounts.area("arithmetic", accounts.on_chip(chip.unit_area(workload) * chip.n_units.corners))
    outside = [name for name, size in sizes.items() if memory.is_outside(size)]
    moved = sum((widths[name] * _moved(parts, name) for name in outside), np.zeros(len(parts)))
    _take_time(accounts, chip, parts, moved)
    accounts.leak("leakage", memory.leakage_w(*sizes.values()))
    notes = [_line(phase, workload)]
    if not chip.is_float(layer) and layer.state_bits >= chip.float_from_bits:
        notes.append("states as wide as floats are priced in fixed point, since the weights are.")
    if outside:
        limit = f"{memory.capacity.value:g} {memory.capacity.unit}"
        notes.append(f"what exceeds {limit} lies in DRAM, which is in no area: {' memory, '.join(outside)} memory.")
        notes.append("every access goes there: against a network that fits, this compares DRAM with SRAM above all.")
    return accounts.report(chip, workload, (workload.n_samples,), notes, sram.SOURCE, sram.TAG)


def _take_time(
    accounts: Accounts, chip: DigitalAccelerator, parts: Mapping[str, Operations], bits_outside: FloatArray
) -> None:
    """Charge time: all units work in parallel, and wait only if off-chip memory takes longer than they do."""
    busy = _arithmetic(parts, chip.exponential.corners, chip.random_number.corners) * chip.slot_s[:, None]
    moving = np.multiply.outer(in_order(chip.memory.dram_bandwidth.corners), bits_outside)
    accounts.latency("arithmetic", busy)
    accounts.latency("weight memory", np.maximum(moving - busy, 0.0))


def _on_processor(
    workload: Workload, processor: RooflineProcessor, phase: Phase, parts: Mapping[str, Operations]
) -> CostReport:
    layer = workload.layers[0]
    accounts = Accounts(tuple(parts), ("arithmetic", "memory"), 1)
    weights, states = (-(-bits // 8) * 8 for bits in (layer.weight_bits, layer.state_bits))  # whole bytes
    moved = weights * _moved(parts, "weight") + states * _moved(parts, "state")
    # A multiply-addition counts as two operations of the processor's peak.
    done = _arithmetic(parts, 2 * processor.exponential.corners, processor.random_number.corners)
    for component, seconds in zip(accounts.components, processor.seconds(done, moved), strict=True):
        accounts.latency(component, seconds)
    stored = weight_bits_of(layer) / layer.weight_bits * weights
    stored += state_bits_of(layer, phase) / layer.state_bits * states
    accounts.memory("memory", accounts.on_chip(stored))
    notes = [_line(phase, workload), "weights and states take whole bytes, whatever the width of arithmetic."]
    if processor.run_time is not None:
        accounts.scale_run_time(processor.run_time.corners)
        notes.append("time is measured and shared out among the components as the roofline would.")
    accounts.spend(processor.power.corners)
    return accounts.report(processor, workload, (workload.n_samples,), notes)


def _count(parts: Mapping[str, Operations], name: str) -> FloatArray:
    """Return how often each component does an operation of this name."""
    return np.array([getattr(operations, name) for operations in parts.values()], np.float64)


def _moved(parts: Mapping[str, Operations], name: str) -> FloatArray:
    """Return how often each component reads or writes a weight, or a state."""
    return _count(parts, f"{name}_reads") + _count(parts, f"{name}_writes")


def _arithmetic(parts: Mapping[str, Operations], per_exponential: FloatArray, per_random: FloatArray) -> FloatArray:
    """Count arithmetic operations (3, L) of each component; exponentials and random numbers count as several."""
    plain = sum((_count(parts, name) for name in ("additions", "comparisons", "multiplications")), np.zeros(len(parts)))
    exponentials = np.multiply.outer(per_exponential, _count(parts, "exponentials"))
    return np.asarray(plain + (exponentials + np.multiply.outer(per_random, _count(parts, "random_numbers"))))


def _line(phase: Phase, workload: Workload) -> str:
    layer = workload.layers[0]
    return (
        f"{phase} of one sample from counted operations; weights of {layer.weight_bits} bits, states of "
        f"{layer.state_bits}; each operation reads memory as counted, nothing is reused."
    )


def phases_of(workload: Workload, platform: Platform) -> dict[Phase, CostReport]:
    """Price the counted operations of each phase; empty without counts, or on a platform that cannot price them."""
    if not isinstance(platform, DigitalAccelerator | RooflineProcessor):
        return {}
    return {phase: estimate_operations(workload, platform, phase) for phase in PHASES if _counted(workload, phase)}
