"""Assumptions of the price of a network on a chip, generated from the settings so that they always match."""

from spikewise.price.accounts import Accounts
from spikewise.workload.workload import Workload

from .charges import Chip
from .mapping import Placement

_EXIT_UNIT = "exit_unit"
_EXIT_SHARE = 0.01  # DT-SNN: the exit unit is much less than 1 % of a step; warn beyond
_LOW_UTILISATION = 0.1
_SIGNS = {
    "differential": "weights have their sign by two columns, of which one is subtracted",
    "offset": "weights have their sign by an offset, which a reference column of each crossbar gives back",
    "count": "weights have their sign by an offset, which is subtracted as often as inputs were counted, at no cost",
    "twos_complement": "weights have their sign by their highest bit, whose column counts negative",
}
_PARALLEL = {
    "all": "row and column blocks run in parallel",
    "rows": "row blocks run in parallel, column blocks in turn",
    "none": "row and column blocks run in turn",
}


def notes_on(chip: Chip, workload: Workload, placement: Placement, accounts: Accounts) -> list[str]:
    """Return one sentence each on mapping, order of work, work done once, converters, and anything unusual."""
    found = [f"{_SIGNS[chip.mapping.sign]}.", _order(chip), *_once(chip, workload), *_converters(chip, workload)]
    empty = [
        f"{layer.name} ({used:.1%})"
        for layer, used in zip(workload.layers, placement.utilisation, strict=True)
        if used < _LOW_UTILISATION
    ]
    if empty:
        found.append(f"these layers use little of their crossbars: {', '.join(empty)}.")
    if any(layer.lateral != "none" for layer in workload.layers):
        found.append("lateral inhibition is not priced.")
    if _EXIT_UNIT in chip.components:
        step_j = accounts.step_j[1, 1]  # nominal, of all samples
        unit = step_j[..., accounts.components.index(_EXIT_UNIT)].sum() / step_j.sum()
        if unit > _EXIT_SHARE:
            found.append(f"the exit unit takes {unit:.1%} of a step, more than the expected 1 %.")
    return found


def _order(chip: Chip) -> str:
    schedule = chip.schedule
    layers = (
        "layers run one after the other"
        if schedule.layer_overlap == 1
        else f"a layer waits for {schedule.layer_overlap:.0%} of the one before it"
    )
    steps = (
        "steps are not pipelined"
        if schedule.mode == "sequential"
        else "steps are pipelined, at the pace of the slowest layer; who leaves pays for steps that had begun"
    )
    return f"{layers}, {steps}; {_PARALLEL[chip.mapping.parallel]}."


def _once(chip: Chip, workload: Workload) -> list[str]:
    """Say how layers are charged that could be computed once per inference."""
    marked = [layer.name for layer in workload.layers if layer.once_per_inference]
    if chip.fixed.mode == "first_layer" and marked:
        return [f"computed once per inference, bit by bit of its input, its sums kept: {', '.join(marked)}."]
    if chip.fixed.mode == "first_layer":
        return ["no layer sees a constant input, so every layer is computed at every step."]
    if not marked:
        return []
    held = "the fitted fixed cost holds that" if chip.fixed.mode.startswith("fit_") else "nothing is done once"
    return [f"charged at every step, though they could be computed once ({held}): {', '.join(marked)}."]


def _converters(chip: Chip, workload: Workload) -> list[str]:
    """Warn if the converters have fewer levels than the largest sum."""
    array = chip.mapping
    is_split = array.scheme == "kernel_split"

    def rows(channels: int, taps: int) -> int:
        """Return the largest number of rows whose currents are summed before one converter."""
        if not is_split:
            return min(channels * taps, array.n_rows)
        return min(channels, array.n_rows) * (taps if array.tap_sum == "analog" else 1)

    sizes = [(layer.in_channels // layer.groups, layer.kernel[0] * layer.kernel[1]) for layer in workload.layers]
    summed = max(rows(channels, taps) for channels, taps in sizes)
    bits = array.lossless_adc_bits(summed)
    if bits <= array.adc_bits:
        return []
    return [
        f"up to {summed} rows are summed before the converter: {bits} bits would lose nothing, {array.adc_bits} bits "
        "cost accuracy, which a price does not show."
    ]
