"""All figures of an STDP run as one object: fractions and SI units, ready for JSON.

Everything comes from the run folder, so that a run that is resumed after its end tells the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spikewise.dynamic.controls import cut_at
from spikewise.energy.measurement import measured_of
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.price.analysis.companions import Prices, all_figures_of
from spikewise.workload.operations import Operations
from spikewise.workload.workload import Workload

from .folder import WORKLOAD_FILE, Run

CPU_TIMES = ("test_full_cpu_s", "test_exit_cpu_s")
"""Names of the CPU seconds of the test images, full and with exit, before the name of the exit setting."""


def all_figures(
    keywords: Mapping[str, Any],
    run: Run,
    network: STDPClassifier,
    found: Mapping[str, Any],
    prices: Prices,
    watts: float | None = None,
) -> dict[str, Any]:
    """Every figure of a complete run, nested by what it is about.

    Parameters
    ----------
    keywords : mapping
        What was asked of the classifier.
    run : Run
        The folder, with its timings and workloads.
    network : STDPClassifier
        The labelled network.
    found : mapping
        Figures of its exit setting, from :func:`~spikewise.workflow.early_exit.stop_early`.
    prices : tuple of CostReport
        Their prices.
    watts : float, optional
        Mean power of the machine that made the run, if the user gave it.
    """
    timings, name = run.record["timings"], found["name"]
    full_s, exit_s = (timings.get(f"{key} ({name})") for key in CPU_TIMES)
    loads = {"full": run.path / WORKLOAD_FILE, "exit": run.exit_folder(name) / WORKLOAD_FILE}
    counts = {which: Workload.read(path).counts for which, path in loads.items()}
    totals = {
        "training": counts["full"] and counts["full"].training_total,
        "inference": counts["full"] and counts["full"].inference_total,
        "inference_exit": counts["exit"] and counts["exit"].inference_total,
    }
    health = network.encoder_.health_
    return {
        "run": str(run.path),
        "data": {
            **{key: run.entry("data", key) for key in ("name", "n_train", "n_validation")},
            "n_test": found["n_test"],
        },
        "settings": {
            **keywords,
            "n_bits": network.encoder_.engine_.settings.n_bits,  # what "auto" came to
            "max_drop": found["calibration"]["max_drop"],
        },
        "accuracy": found["accuracy_full"],
        "accuracy_by_decoder": dict(found["accuracy_by_decoder"]),
        "exit": {
            "accuracy": found["accuracy_exit"],
            **{key: found[key] for key in ("mean_steps", "n_steps", "in_spike_share", "rule", "threshold")},
            "cpu_share": exit_s / full_s if full_s and exit_s is not None else None,
        },
        "controls": {
            **controls_of(found),
            "first_spike": {"accuracy": found["accuracy_first_spike"], "mean_steps": found["first_spike_steps"]},
        },
        "cpu_s": {
            "training_sample": timings.get("train_cpu_s_per_sample"),
            "inference": full_s and full_s / found["n_test"],
            "inference_exit": exit_s and exit_s / found["n_test"],
        },
        "health": {**asdict(health), "problems": health.problems},
        "operations": {which: _accesses(total) for which, total in totals.items() if total},
        "cost": costs_of(prices),
        "measured": measured_figures(run, name, watts),
        "n_test_evaluations": len(run.record["test_evaluations"]),
    }


def controls_of(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What spends as many steps as early exit without asking the evidence: all cut alike, and exits at random."""
    return {
        "truncated": {"accuracy": found["accuracy_truncated"], "mean_steps": float(cut_at(found["mean_steps"]))},
        "random_exit": {"accuracy": found["accuracy_random_exit"], "mean_steps": found["mean_steps"]},
    }


def costs_of(prices: Prices) -> dict[str, Any]:
    """Prices with early exit, and in ``without_exit`` those of full runs."""
    return {**all_figures_of(prices), "without_exit": all_figures_of(tuple(report.static for report in prices))}


def measured_figures(run: Run, exit_name: str, watts: float | None) -> dict[str, dict[str, Any]]:
    """What learning, and answering the test images with an exit setting, took on the machine that made the run."""
    return {stage: found.summary() for stage, found in measured_of(run, exit_name, watts).items()}


def _accesses(total: Operations) -> dict[str, float]:
    return {
        "weight_accesses": total.weight_reads + total.weight_writes,
        "state_accesses": total.state_reads + total.state_writes,
        "additions": total.additions,
        "multiplications": total.multiplications,
    }
