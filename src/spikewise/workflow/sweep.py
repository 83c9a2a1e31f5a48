"""The leanest setting of a network that is there: exit threshold times bits times platform, without training.

The network is put into each width of weights once and its answers to validation images are recorded; all else is
arithmetic. Thresholds are chosen on one half of the images and judged on the other. The run is not changed, and its
test images are not looked at: what is taken is made by ``spikewise shrink`` and ``spikewise exit``.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.data.images import ImageSet
from spikewise.dynamic.exit_path import ExitPath
from spikewise.errors import ParameterError, require
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.price.platform import varied
from spikewise.price.protocol import Platform
from spikewise.runs.folder import Run
from spikewise.runs.results import SweepResults, SweptDesign, SweptNetwork
from spikewise.search.predict import memory_bits_of
from spikewise.search.sweep import Sweep, Variant, sweep
from spikewise.workload.workload import Workload

from .exit import accumulation_of, splits_of
from .learn import Progress, open_network
from .settings.shrink import FLOAT_BITS, N_TYPICAL
from .settings.sweep import SweepSettings
from .threshold import halves

_MOST_PLATFORMS = 10_000


def run_sweep(
    path: Path, settings: SweepSettings, stages: Callable[[str], Progress], *, data: str | None = None,
    root: Path | None = None,
) -> SweepResults:  # fmt: skip
    """Price every threshold of a trained network, in several bits, on several variants of platforms.

    Parameters
    ----------
    path : Path
        Folder of a run whose network is trained.
    settings : SweepSettings
        What to try. ``max_drop`` is the loss of accuracy that the design that is taken may have against the most
        accurate of the networks, all steps.
    stages : callable
        Opens a progress report per stage.
    data, root : optional
        Where the data of the run are, and where to look first.

    Raises
    ------
    ParameterError
        If a width, a platform or a key is impossible.
    CapacityError
        If the network fits on no platform.
    """
    chips = platform_variants(settings.platform, settings.vary)
    run = Run.open(path)
    if "shrink" in run.record["settings"]:
        raise ParameterError(f"a sweep must begin with a run that is not shrunk yet; {path} is. Name its parent.")
    network = open_network(run)
    least, most = (1, 8) if isinstance(network, STDPClassifier) else (2, 16)
    for width in settings.bits:
        if not least <= width <= most:
            raise ParameterError(f"--bits must lie in {least}..{most} for this network; got {width}.")
    splits = splits_of(run, data, root)
    validation = splits["validation"]
    validation = validation.subset(slice(min(settings.n_images, validation.n_samples)))
    variants = _variants(network, settings.bits, splits["train"], validation, stages(f"record {path.name}"))
    # Floats are no design for a chip; without any width they stand for what would have their bits.
    is_design = variants if isinstance(network, STDPClassifier) or not settings.bits else variants[1:]
    began = time.perf_counter()
    found = sweep(is_design, chips, ExitPath.of("entropy", accumulation_of(run)))
    seconds = time.perf_counter() - began
    networks = [
        SweptNetwork(
            each.name, float(each.chosen_on.accuracy_by_step()[-1]), float(each.kept.accuracy_by_step()[-1]),
            float(each.memory_bits),
        )
        for each in variants
    ]  # fmt: skip
    # The highest of them, so that a network that was unlucky on these images lends no room to the others.
    reference = max(each.accuracy for each in networks)
    is_within = found.within(settings.budget)
    return SweepResults(
        run=str(path), data=run.record["data"].get("name"), n_images=validation.n_samples,
        judged_apart=halves(validation)[1] is not None, max_drop=settings.max_drop,
        budget=settings.budget.model_dump(mode="json"), accuracy_full=reference, networks=networks,
        n_platforms=len(chips), n_designs=found.n_designs, n_within=int(is_within.sum()), seconds=seconds,
        designs_per_s=found.n_designs / seconds, front=[_design(found, place) for place in found.front(is_within)],
        chosen=_taken(found, is_within, reference, settings.max_drop),
    )  # fmt: skip


def _design(found: Sweep, place: tuple[int, int, int]) -> SweptDesign:
    figures: dict[str, Any] = found.figures_at(place)
    return SweptDesign(found.variants[place[0]].name, found.platforms[place[1]], **figures)


def _taken(found: Sweep, is_within: NDArray[np.bool_], reference: float, max_drop: float) -> SweptDesign | None:
    """The design with the least energy-delay product that loses little enough accuracy."""
    place = found.best(is_within & (found.figures["accuracy"] >= reference - max_drop))
    if place is None:
        return None
    own = float(found.variants[place[0]].chosen_on.accuracy_by_step()[-1])
    # What early exit may still cost this network, as spikewise exit counts it: against its own full runs.
    left = round(max(0.0, max_drop - (reference - own)), 4)
    return replace(_design(found, place), rule=found.rule(place), max_drop_left=left)


def platform_variants(platforms: Sequence[str], vary: Mapping[str, Sequence[Any]]) -> dict[str, Platform]:
    """Every platform with every combination of the values.

    Examples
    --------
    >>> list(platform_variants(["rram-64-32nm-physical"], {"mapping.adc_bits": (4, 6)}))
    ['rram-64-32nm-physical adc_bits=4', 'rram-64-32nm-physical adc_bits=6']
    """
    n_variants = len(platforms)
    for values in vary.values():
        n_variants *= len(values)
    if not 1 <= n_variants <= _MOST_PLATFORMS:
        raise ParameterError(f"a sweep must have 1 to {_MOST_PLATFORMS:,} platforms; got {n_variants:,}. Vary less.")
    chips = [
        varied(name, dict(zip(vary, values, strict=True))) for name in platforms for values in product(*vary.values())
    ]
    found = {chip.name: chip for chip in chips}
    if len(found) < len(chips):
        raise ParameterError(
            f"platforms must have names of their own; got {', '.join(chip.name for chip in chips)}. Give each file a "
            "name, and name none twice."
        )
    return found


def _variants(
    network: Any, bits: Sequence[int], train: ImageSet, validation: ImageSet, progress: Progress
) -> list[Variant]:
    """The network as it is, and in each width, with what it answers."""
    chosen_on, kept = halves(validation)
    kept = kept or chosen_on
    widths = sorted(set(bits), reverse=True)
    found = []
    for done, width in enumerate([None, *widths], 1):
        small = network if width is None else _in_bits(network, width, train)
        load: Workload = small.workload(kept.images)
        is_float = width is None and not isinstance(network, STDPClassifier)
        if is_float and widths:
            load = load.with_bits(FLOAT_BITS)
        name = "as it is" if width is None else f"{width} bits"
        traces = [small.trace(part.images, part.labels) for part in (chosen_on, kept)]
        found.append(Variant(name, memory_bits_of(load), traces[0], traces[1], load))
        progress(done, 1 + len(widths), name)
    return found


def _in_bits(network: Any, width: int, train: ImageSet) -> Any:
    if isinstance(network, STDPClassifier):
        return network.quantized(width)
    require("torch", "deep")
    from spikewise.shrink.classifier import FixedClassifier
    from spikewise.shrink.format import FixedFormat

    return FixedClassifier.of(network, FixedFormat(width), train.subset(slice(N_TYPICAL)).images)
