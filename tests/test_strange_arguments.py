"""No argument of a public function, whatever it is, is answered in the words of a library.

There is one right call of every public function, with all its arguments by name. Each argument is replaced by values of
every kind: what comes of it is a result or an error of ours. Which values are *wrong* for images, features, labels,
scores and networks, and must be refused by name, is the subject of ``test_wrong_calls.py``.
"""

import importlib
import inspect
import re
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pydantic
import pytest

pytest.importorskip("torch")

import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import spikewise.data as data
import spikewise.dynamic as dynamic
import spikewise.energy as energy
import spikewise.learn as learn
import spikewise.network as network
import spikewise.nonideal as nonideal
import spikewise.price as price
import spikewise.search as search
import spikewise.shrink as shrink
import spikewise.spikes as spikes
import spikewise.workload as workload
import spikewise.zoo as zoo
from spikewise.data.event_augment import EventAugmentation
from spikewise.data.formats.event_checks import EVENT
from spikewise.errors import SpikewiseError

PACKAGES = [
    "data",
    "dynamic",
    "energy",
    "learn",
    "network",
    "nonideal",
    "price",
    "search",
    "shrink",
    "spikes",
    "workload",
    "zoo",
]

NO_CALL = {
    "data.load_events": "reads published recordings, which are not here",
    "price.EnergyMeter": "is energy.EnergyMeter",
    "learn.TraceRule": "is made by diehl_cook_defaults and fspinn_defaults",
    "learn.(LeanRule|TraceRule)[.].*|learn.spread_of|learn.STDPEncoder.adopt": "passes engines what they check",
    "learn.FitSettings.most_steps": "is asked by the training loop",
    "learn.(.*_loss|prefix_distillation)": "takes tensors inside a graph",
    "network.(LIF|NormLIF|SpikingLayer)([.].*)?": "takes tensors inside a graph",
    "network.(conv_layer|linear_layer|lif_.*|select|single_sample)": "takes tensors inside a graph",
    "network.SpikingNetwork([.].*)?": "takes tensors inside a graph; SpikingClassifier is its door",
    "network.(Dspike|Triangle).slope": "takes tensors inside a graph",
    ".*(AnytimeClassifier|ExitRule|TrainableNetwork|Platform)([.].*)?": "is a protocol",
    "shrink.choose_bits|shrink.finetune": "are steps of spikewise shrink, which checks its settings",
    "dynamic.(Answer|Calibration|Certificate|Comparison|Drift|ExitCurve|ExitProfile|ExitResult|ScoreTrace)": "a result",
    "learn.FitResult|nonideal.(CrossbarDesign|StudyRow)|price.(CostReport|Ledger|Placement|Ratio)": "a result",
    "workload.Metrics|zoo.ModelCard|energy.measured_of|price.read_prices": "is read out of a run",
    "price.(Component|CrossbarArray|DigitalAccelerator|ImcChip|NeuromorphicChip|RooflineProcessor)": "from a file",
    "price.(CrossbarArray|ImcChip|Ledger|Schedule|DigitalAccelerator|NeuromorphicChip|RooflineProcessor)[.].*":
        "is asked by the price, which has checked",
    "price.(constants_of|replaced)": "walks through settings that are checked",
}  # fmt: skip
"""Public callables without a right call below, as patterns, and why."""


class NoArray:
    """An object that is no array, and says so when asked."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("I am no array")


STRANGERS = {
    "None": None, "text": "spikes", "minus": -1, "nan": float("nan"), "list": [1, 2], "object": NoArray(),
    "huge": 10**30, "dictionary": {"a": 1}, "empty text": "", "zero": 0, "fraction": 1.5, "infinity": float("inf"),
    "true": True, "empty list": [], "complex": 1j, "array": np.full((3, 4), np.nan),
    "array of text": np.array(["a", "b"]), "bytes": b"x", "tensor": torch.zeros(2, 2), "set": {1, 2},
    "ragged": [[1], [1, 2]], "tuple": ("a", "b"), "zero byte": "a\0b",
}  # fmt: skip


@cache
def right_calls():
    """One right call of every public function; calls of one function that differ have a word behind its name."""
    FOLDER = Path(tempfile.mkdtemp())
    RNG = np.random.default_rng(0)
    IMAGES = RNG.integers(0, 256, (12, 1, 8, 8), np.uint8)
    LABELS = np.arange(12) % 3
    DIGITS, NAMES = (part[:40] for part in load_digits(return_X_y=True))
    SCORES = RNG.normal(size=(3, 6, 4)).cumsum(0)
    COUNTS = RNG.integers(0, 5, (6, 5))
    PER_CLASS = np.array([2, 2, 2])
    EVENTS = np.array([(0, 1, 0, 1), (4, 0, 1, 0), (9, 1, 1, 1)], EVENT)

    TRACE = dynamic.ScoreTrace.dense(SCORES, np.arange(6) % 4)
    RULE, PATH = dynamic.EntropyExit(0.3), dynamic.ExitPath.of("entropy")
    PROFILE = dynamic.ExitProfile.of(TRACE, RULE)
    MODEL = network.build_model("vgg5", (1, 8, 8), 3, width=0.05)
    DEEP = network.SpikingClassifier(MODEL, 2)
    FORM = shrink.FixedFormat(8)
    FIXED = shrink.FixedClassifier.of(DEEP, FORM, IMAGES)
    NONIDEAL = nonideal.Nonideal(adc_bits=6)
    DESIGN = nonideal.design_crossbars(MODEL, NONIDEAL, IMAGES, 2)
    QUICK = learn.FitSettings(epochs=1, batch_size=4, n_steps=1, threads=1)
    SMALL = {"n_neurons": 5, "n_epochs": 1, "n_steps": 20, "random_state": 0}
    STDP = learn.STDPClassifier(**SMALL).fit(DIGITS, NAMES)
    LOAD, STDP_LOAD = DEEP.workload(IMAGES), STDP.workload(DIGITS)
    LAYER = LOAD.layers[0]
    CHIP, DIGITAL = price.load_platform("rram-64-32nm"), price.load_platform("digital-45nm")
    REPORT = price.estimate(LOAD)
    MEASURED = energy.Measurement(1.0, 2.0, "rapl", 3)
    MODEL_NAME = zoo.model_names()[0]
    SET_NAMES = {"classes": ("a", "b", "c"), "name": "own", "split": "all"}

    LOAD.write(FOLDER / "load.json")
    TRACE.write(FOLDER / "trace.npz")
    (FOLDER / "table.csv").write_text("kind,in,out,rate\nlinear,8,4,0.5\n")
    REPORT.write(FOLDER / "report.json")
    for key, each in (("deep", DEEP), ("fixed", FIXED), ("stdp", STDP)):
        each.save(FOLDER / key)

    def fitted(**changed):
        return learn.STDPClassifier(**{**SMALL, **changed}).fit(DIGITS, NAMES)

    def trained(model="new", **rest):
        own = (
            network.build_model("vgg5", (1, 8, 8), 3, width=0.05)
            if isinstance(model, str) and model == "new"
            else model
        )
        return learn.fit(own, **{"train": (IMAGES, LABELS), "validation": (IMAGES, LABELS), "settings": QUICK, **rest})

    def drained(function):
        return lambda **arguments: list(function(**arguments))

    IMAGE_SET = data.ImageSet(IMAGES, LABELS, **SET_NAMES)
    EVENT_SET = data.EventSet([EVENTS] * 4, [0] * 4, ("a",), (2, 2), "own", "all")

    calls = {
        "data.ImageSet": (data.ImageSet, {"images": IMAGES, "labels": LABELS, **SET_NAMES}),
        "data.ImageSet.subset": (IMAGE_SET.subset, {"index": [0, 1]}),
        "data.EventSet": (data.EventSet, {"recordings": [EVENTS], "labels": [0], "sensor": (2, 2), **SET_NAMES}),
        "data.EventSet.subset": (EVENT_SET.subset, {"index": [0]}),
        "data.EventSet.varied": (EVENT_SET.varied, {"augmentation": EventAugmentation(), "seed": 0}),
        "data.EventSet.frames": (EVENT_SET.frames, {"n_steps": 2, "binning": None}),
        "data.Binning": (data.Binning, {"by": "time", "span_us": None, "crop": (2, 2), "size": None}),
        "data.Binning.frame_size": (data.Binning().frame_size, {"sensor": (2, 2)}),
        "data.Augmentation": (data.Augmentation, {"max_shift": 0, "flip": False, "cutout": 0, "mixup": 0.0}),
        "data.Augmentation.named": (data.Augmentation.named, {"data": "cifar10"}),
        "data.bin_events": (
            data.bin_events, {"events": EVENTS, "sensor": (2, 2), "n_steps": 2, "binning": None, "dtype": np.uint8},
        ),
        "data.arriving_frames": (
            drained(data.arriving_frames),
            {"chunks": [EVENTS], "sensor": (2, 2), "span_us": 5, "n_events": None, "binning": None},
        ),
        "data.load_images": (
            data.load_images,
            {"name": "digits", "split": "train", "root": None, "download": False, "validation_fraction": 0.1,
             "n_steps": 4, "binning": None},
        ),
        "data.load_splits": (
            data.load_splits,
            {"name": "digits", "root": None, "download": False, "validation_fraction": 0.1, "min_validation": 0,
             "n_steps": 4, "binning": None},
        ),
        "data.open_source": (
            data.open_source,
            {"name": "digits", "root": None, "download": False, "progress": None, "n_steps": 4, "binning": None},
        ),
        "data.stratified_holdout": (data.stratified_holdout, {"images": IMAGES, "labels": LABELS, "fraction": 0.3}),
        "data.stratified_folds": (data.stratified_folds, {"images": IMAGES, "labels": LABELS, "n_folds": 2}),
        "spikes.class_counts": (
            spikes.class_counts, {"spike_counts": COUNTS, "labels": np.arange(6) % 3, "n_classes": 3},
        ),
        "spikes.direct_encode": (spikes.direct_encode, {"values": IMAGES, "n_steps": 2}),
        "spikes.poisson_encode": (
            spikes.poisson_encode, {"intensity": np.full(3, 0.5), "n_steps": 2, "rng": np.random.default_rng(0)},
        ),
        "spikes.evidence_of": (
            spikes.evidence_of, {"decoder": "votes", "counts": COUNTS[:3], "n_per_class": PER_CLASS},
        ),
        "spikes.neuron_classes": (spikes.neuron_classes, {"counts": COUNTS[:3], "n_per_class": PER_CLASS}),
        "spikes.votes_evidence": (spikes.votes_evidence, {"counts": COUNTS[:3], "n_per_class": PER_CLASS}),
        "spikes.proportion_evidence": (spikes.proportion_evidence, {"counts": COUNTS[:3], "n_per_class": PER_CLASS}),
        "spikes.naive_bayes_evidence": (spikes.naive_bayes_evidence, {"counts": COUNTS[:3]}),
        "spikes.spike_shares": (spikes.spike_shares, {"features": np.ones((2, 3))}),
        "dynamic.Answer.of": (
            dynamic.Answer.of, {"scores": SCORES[0, 0], "step": 1, "rule": RULE, "is_last": False},
        ),
        "dynamic.ScoreTrace.dense": (dynamic.ScoreTrace.dense, {"score_sum": SCORES, "labels": np.arange(6) % 4}),
        "dynamic.ScoreTrace.from_changes": (
            dynamic.ScoreTrace.from_changes,
            {"steps": [1, 2], "samples": [0, 0], "scores": [[1.0, 0.0], [2.0, 0.0]], "n_steps": 3, "labels": [0]},
        ),
        "dynamic.ScoreTrace.read": (dynamic.ScoreTrace.read, {"path": FOLDER / "trace.npz"}),
        "dynamic.ScoreTrace.write": (TRACE.write, {"path": FOLDER / "trace-2.npz"}),
        "dynamic.ScoreTrace.changes": (TRACE.changes, {"step": 1}),
        "dynamic.NeverExit.ready": (dynamic.NeverExit().ready, {"score_sum": SCORES[0], "n_steps": 2}),
        "dynamic.ExitPath": (dynamic.ExitPath, {"rules": PATH.rules}),
        "dynamic.ExitPath.of": (
            dynamic.ExitPath.of, {"kind": "entropy", "accumulate": "mean", "temperature": 1.0, "bounds": None},
        ),
        "dynamic.ExitPath.enabling": (dynamic.ExitPath.enabling, {"rule": RULE, "n_steps": 3}),
        "dynamic.ExitPath.bounds": (PATH.bounds, {"n_steps": 3}),
        "dynamic.ExitPath.uncertainty": (PATH.uncertainty, {"score_sum": SCORES[0], "n_steps": 2}),
        "dynamic.calibrate": (
            dynamic.calibrate,
            {"trace": TRACE, "path": None, "max_drop": 0.1, "min_accuracy": None, "max_steps": None, "max_cost": None,
             "cost_by_exit": None},
        ),
        "dynamic.calibrate, cost": (
            dynamic.calibrate, {"trace": TRACE, "path": PATH, "max_cost": 2.0, "cost_by_exit": [1.0, 2.0, 3.0]},
        ),
        "dynamic.certify": (
            dynamic.certify,
            {"trace": TRACE, "path": None, "max_drop": 0.5, "confidence": 0.9, "form": "drop", "conditional": False,
             "identity": None},
        ),
        "dynamic.Certificate.from_dict": (
            dynamic.Certificate.from_dict, {"raw": dynamic.certify(TRACE, max_drop=0.5).to_dict()},
        ),
        "dynamic.Certificate.check": (
            dynamic.certify(TRACE, max_drop=0.5, identity={"a": "b"}).check, {"identity": {"a": "b"}},
        ),
        "dynamic.exit_curve": (dynamic.exit_curve, {"trace": TRACE, "path": PATH}),
        "dynamic.ExitCurve.mean": (dynamic.exit_curve(TRACE).mean, {"cost_by_exit": [1.0, 2.0, 3.0]}),
        "dynamic.outcomes": (dynamic.outcomes, {"trace": TRACE, "path": PATH}),
        "dynamic.calibration_error": (
            dynamic.calibration_error, {"trace": TRACE, "accumulate": "mean", "temperature": 1.0, "n_bins": 15},
        ),
        "dynamic.fit_temperature": (dynamic.fit_temperature, {"trace": TRACE, "accumulate": "mean"}),
        "dynamic.random_exit_accuracy": (dynamic.random_exit_accuracy, {"trace": TRACE, "histogram": [2, 2, 2]}),
        "dynamic.replay_exit": (dynamic.replay_exit, {"trace": TRACE, "rule": RULE}),
        "dynamic.answers_of": (drained(dynamic.answers_of), {"trace": TRACE, "rule": RULE, "sample": 0}),
        "dynamic.stop_at_first_spike": (dynamic.stop_at_first_spike, {"trace": TRACE}),
        "dynamic.saving_interval": (
            dynamic.saving_interval,
            {"trace": TRACE, "rule": RULE, "cost_by_exit": [1.0, 2.0, 3.0], "cost_by_cut": [1.0, 2.0, 3.0],
             "confidence": 0.9, "n_draws": 20, "seed": 0},
        ),
        "dynamic.cut_at": (dynamic.cut_at, {"mean_steps": 1.5}),
        "dynamic.cost_at_accuracy": (
            dynamic.cost_at_accuracy, {"accuracy_by_step": [0.5, 0.6], "cost_by_cut": [1.0, 2.0], "accuracy": 0.55},
        ),
        "dynamic.last_passed": (dynamic.last_passed, {"passed": [True, False]}),
        "dynamic.last_within": (
            dynamic.last_within,
            {"n_harmed": np.array([1]), "n_helped": np.array([0]), "saved": np.array([0.5]), "n_samples": 100,
             "most": 0.1},
        ),
        "dynamic.rules_out": (
            dynamic.rules_out,
            {"n_harmed": [1], "n_helped": [0], "n_samples": 100, "max_drop": 0.1, "delta": 0.05, "form": "drop"},
        ),
        "dynamic.samples_needed": (dynamic.samples_needed, {"max_drop": 0.01, "confidence": 0.95, "form": "drop"}),
        "dynamic.work_per_decision": (
            dynamic.work_per_decision,
            {"unit": dynamic.SigmaEUnit(), "n_classes": 10, "accumulate": "mean", "n_steps": 4},
        ),
        "dynamic.rule_from_dict": (dynamic.rule_from_dict, {"raw": dynamic.rule_to_dict(RULE)}),
        "dynamic.rule_to_dict": (dynamic.rule_to_dict, {"rule": RULE}),
        "dynamic.normalized_entropy": (dynamic.normalized_entropy, {"scores": SCORES[0]}),
        "dynamic.ExitProfile.of": (dynamic.ExitProfile.of, {"trace": TRACE, "rule": RULE}),
        "dynamic.ExitProfile.from_exits": (
            dynamic.ExitProfile.from_exits,
            {"steps": np.array([1, 2]), "uncertainties": np.array([0.1, 0.2]), "n_steps": 3},
        ),
        "dynamic.ExitProfile.from_dict": (dynamic.ExitProfile.from_dict, {"raw": PROFILE.to_dict()}),
        "dynamic.DriftMonitor": (
            dynamic.DriftMonitor, {"profile": PROFILE, "rule": RULE, "window": 100, "false_alarms": 0.001},
        ),
        "dynamic.DriftMonitor.see": (
            dynamic.DriftMonitor(PROFILE, RULE).see, {"steps": np.array([1, 2]), "uncertainties": np.array([0.1, 0.2])},
        ),
        "dynamic.DriftMonitor.watch": (
            dynamic.DriftMonitor(PROFILE, RULE).watch,
            {"result": dynamic.ExitResult(np.array([0]), np.array([1]), SCORES[0, :1], 3, 1.0)},
        ),
        "dynamic.SigmaEUnit": (dynamic.SigmaEUnit, {"n_score_bits": 22, "n_score_frac": 10}),
        "dynamic.SigmaEUnit.entropy": (dynamic.SigmaEUnit().entropy, {"scores": SCORES[0]}),
        "dynamic.SigmaEUnit.codes": (dynamic.SigmaEUnit().codes, {"scores": SCORES[0]}),
        "dynamic.SigmaEExit": (
            dynamic.SigmaEExit, {"max_entropy": 0.5, "accumulate": "mean", "unit": dynamic.SigmaEUnit()},
        ),
        "dynamic.SigmaEExit.ready": (dynamic.SigmaEExit(0.5).ready, {"score_sum": SCORES[0], "n_steps": 2}),
        "dynamic.SigmaEExit.scale": (dynamic.SigmaEExit(0.5).scale, {"n_steps": 2}),
        "dynamic.agreement": (dynamic.agreement, {"unit": dynamic.SigmaEUnit(), "rule": RULE, "data": TRACE}),
        "learn.STDPClassifier": (
            fitted, {**SMALL, "rule": "lean", "decoder": "votes", "n_bits": 8, "rounding": "nearest", "batch_size": 1,
                     "n_jobs": 1, "verbose": 0},
        ),
        "learn.STDPClassifier.fit": (
            lambda **rest: learn.STDPClassifier(**SMALL).fit(**rest),
            {"X": DIGITS, "y": NAMES, "progress": None, "checkpoint": None},
        ),
        "learn.STDPClassifier.partial_fit": (
            lambda **rest: learn.STDPClassifier(**SMALL).partial_fit(**rest),
            {"X": DIGITS, "y": NAMES, "classes": None},
        ),
        "learn.STDPClassifier.label": (
            lambda **rest: fitted().label(**rest),
            {"X": DIGITS, "y": NAMES, "sample_weight": None, "class_weight": None},
        ),
        "learn.STDPClassifier.quantized": (STDP.quantized, {"n_bits": 4, "rounding": "nearest", "seed": 0}),
        "learn.STDPClassifier.predict": (STDP.predict, {"X": DIGITS}),
        "learn.STDPClassifier.predict_proba": (STDP.predict_proba, {"X": DIGITS}),
        "learn.STDPClassifier.trace": (STDP.trace, {"X": DIGITS, "y": NAMES}),
        "learn.STDPClassifier.predict_with_exit": (STDP.predict_with_exit, {"X": DIGITS, "rule": RULE}),
        "learn.STDPClassifier.workload": (STDP.workload, {"X": DIGITS, "rule": RULE}),
        "learn.STDPClassifier.stream": (drained(STDP.stream), {"sample": DIGITS[0], "rule": RULE}),
        "learn.STDPClassifier.save": (STDP.save, {"path": FOLDER / "stdp-2"}),
        "learn.STDPClassifier.load": (learn.STDPClassifier.load, {"path": FOLDER / "stdp"}),
        "learn.STDPEncoder.fit": (
            lambda **rest: learn.STDPEncoder(**SMALL).fit(**rest),
            {"X": DIGITS, "y": None, "progress": None, "checkpoint": None},
        ),
        "learn.STDPEncoder.partial_fit": (
            lambda **rest: learn.STDPEncoder(**SMALL).partial_fit(**rest), {"X": DIGITS, "y": None},
        ),
        "learn.STDPEncoder.transform": (STDP.encoder_.transform, {"X": DIGITS}),
        "learn.STDPEncoder.respond": (
            STDP.encoder_.respond, {"X": DIGITS, "evidence": None, "rule": None, "n_jobs": 1},
        ),
        "learn.STDPEncoder.quantized": (STDP.encoder_.quantized, {"n_bits": 4, "rounding": "nearest", "seed": 0}),
        "learn.resolve_rule": (learn.resolve_rule, {"rule": "lean", "n_neurons": 5}),
        "learn.lean_defaults": (learn.lean_defaults, {"n_neurons": 5, "first_spike": False}),
        "learn.diehl_cook_defaults": (learn.diehl_cook_defaults, {"n_neurons": 5}),
        "learn.fspinn_defaults": (
            learn.fspinn_defaults,
            {"n_neurons": 5, "direct_inhibition": True, "timestep_updates": True, "simple_rule": True,
             "adaptive_potentiation": True, "effective_inhibition": True},
        ),
        "learn.fit": (
            trained,
            {"model": "new", "train": (IMAGES, LABELS), "validation": (IMAGES, LABELS), "settings": QUICK,
             "checkpoint": None, "resume": False, "progress": None, "logs": None, "tensorboard": False},
        ),
        "network.build_model": (
            network.build_model,
            {"name": "vgg5", "in_shape": (1, 8, 8), "n_classes": 3, "width": 0.05, "neurons": None, "norm": "batch",
             "trains_decay": False, "pooling": "average", "seed": 0},
        ),
        "network.LIFParams": (
            network.LIFParams,
            {"decay": 0.5, "v_threshold": 1.0, "v_reset": 0.0, "reset": "hard", "surrogate": network.Triangle()},
        ),
        "network.LIFParams.from_dict": (network.LIFParams.from_dict, {"raw": network.LIFParams().to_dict()}),
        "network.Triangle": (network.Triangle, {"gamma": 1.0}),
        "network.Dspike": (network.Dspike, {"gamma": 1.0}),
        "network.ModelSpec.from_dict": (network.ModelSpec.from_dict, {"raw": MODEL.spec.to_dict()}),
        "network.OwnSpec": (network.OwnSpec, {"name": "a", "in_shape": (1, 8, 8), "n_classes": 3}),
        "network.SpikingClassifier": (
            network.SpikingClassifier, {"model": MODEL, "n_steps": 2, "class_names": None, "batch_size": 4},
        ),
        "network.record_workload": (
            network.record_workload,
            {"model": MODEL, "images": torch.as_tensor(IMAGES), "n_steps": 2, "rule": RULE, "run": None, "name": "net",
             "batch_size": 4, "sample_axis": 0, "time_first": True, "weight_bits": 8, "state_bits": 16,
             "input_bits": 8},
        ),
        "network.run_steps": (network.run_steps, {"network": MODEL, "images": torch.as_tensor(IMAGES), "n_steps": 2}),
        "network.scaled": (network.scaled, {"n_channels": 8, "width": 0.5}),
        "nonideal.Nonideal": (
            nonideal.Nonideal, {"variation": 0.1, "read_noise": 0.0, "adc_bits": 6, "weight_bits": 8},
        ),
        "nonideal.Nonideal.of": (nonideal.Nonideal.of, {"platform": CHIP, "variation": 0.1}),
        "nonideal.design_crossbars": (
            nonideal.design_crossbars,
            {"network": MODEL, "nonideal": NONIDEAL, "calibration_images": IMAGES, "n_steps": 2},
        ),
        "nonideal.CrossbarDesign.chip": (DESIGN.chip, {"seed": 0}),
        "nonideal.CrossbarDesign.chips": (DESIGN.chips, {"seeds": [0, 1]}),
        "nonideal.on_crossbars": (
            nonideal.on_crossbars,
            {"network": MODEL, "nonideal": NONIDEAL, "seed": 0, "calibration_images": IMAGES, "n_steps": 2},
        ),
        "nonideal.clip_share": (nonideal.clip_share, {"network": DESIGN.chip(0)}),
        "nonideal.chip_traces": (
            nonideal.chip_traces,
            {"chips": DESIGN.chips([0, 1]), "n_chips": 2, "images": IMAGES, "labels": LABELS, "n_steps": 2,
             "batch_size": 4},
        ),
        "nonideal.study_chips": (
            nonideal.study_chips,
            {"network": MODEL, "nonideal": NONIDEAL, "validation": (IMAGES, LABELS), "test": (IMAGES, LABELS),
             "rule": RULE, "seeds": [0], "max_drop": 0.1, "n_steps": 2, "calibration_images": IMAGES, "batch_size": 4,
             "n_together": 1},
        ),
        "shrink.FixedFormat": (
            shrink.FixedFormat,
            {"bits": 4, "membrane_bits": 16, "scale": shrink.FixedFormat().scale, "rounding": "nearest", "seed": 0},
        ),
        "shrink.FixedFormat.of": (FORM.of, {"layer": "conv1"}),
        "shrink.FixedFormat.from_dict": (shrink.FixedFormat.from_dict, {"raw": FORM.to_dict()}),
        "shrink.shrink_network": (
            shrink.shrink_network, {"network": MODEL, "form": FORM, "images": IMAGES, "n_steps": 2, "steps": None},
        ),
        "shrink.run_integer": (shrink.run_integer, {"network": FIXED.model, "images": IMAGES, "n_steps": 2}),
        "shrink.FixedClassifier": (
            shrink.FixedClassifier,
            {"model": FIXED.model, "form": FORM, "n_steps": 2, "class_names": None, "batch_size": 4},
        ),
        "shrink.FixedClassifier.of": (
            shrink.FixedClassifier.of, {"network": DEEP, "form": FORM, "typical": IMAGES, "steps": None},
        ),
        "price.estimate": (price.estimate, {"workload": LOAD, "platform": "rram-64-32nm"}),
        "price.load_platform": (price.load_platform, {"name": "rram-64-32nm"}),
        "price.price_all": (price.price_all, {"workload": LOAD, "platform": "rram-64-32nm"}),
        "price.varied": (
            price.varied, {"name": "rram-64-32nm-physical", "changes": {"mapping.adc_bits": 6}},
        ),
        "price.sensitivity": (
            price.sensitivity, {"platform": CHIP, "workload": LOAD, "figure": "energy_j", "n_strongest": 3},
        ),
        "price.ann_baseline": (
            price.ann_baseline, {"workload": LOAD, "platform": CHIP, "activation_bits": 8, "activation_rate": 0.5},
        ),
        "price.ann_baselines": (price.ann_baselines, {"workload": LOAD, "platform": CHIP}),
        "price.ann_workload": (price.ann_workload, {"workload": LOAD, "activation_bits": 8, "activation_rate": 0.5}),
        "price.coverage_of": (price.coverage_of, {"platform": CHIP}),
        "price.image_density": (price.image_density, {"workload": LOAD}),
        "price.matched_bits": (price.matched_bits, {"n_steps": 4}),
        "price.merit_figures": (price.merit_figures, {"report": REPORT, "workload": LOAD}),
        "price.ratio_of": (
            price.ratio_of, {"report": REPORT, "baselines": [REPORT], "figure": "energy_j", "varied": ()},
        ),
        "price.estimate_operations": (
            price.estimate_operations, {"workload": STDP_LOAD, "platform": DIGITAL, "phase": "inference"},
        ),
        "price.state_bits_of": (price.state_bits_of, {"layer": LAYER, "phase": "inference"}),
        "price.weight_bits_of": (price.weight_bits_of, {"layer": LAYER}),
        "price.Cost": (price.Cost, {"energy_j": 1.0, "latency_s": 1.0, "area_m2": 1.0, "memory_bits": 1}),
        "price.CostReport.at": (REPORT.at, {"corner": "low"}),
        "price.CostReport.band": (REPORT.band, {"figure": "energy_j"}),
        "price.CostReport.breakdown": (REPORT.breakdown, {"by": "layer"}),
        "price.CostReport.energy_at": (REPORT.energy_at, {"step": 1}),
        "price.CostReport.latency_at": (REPORT.latency_at, {"step": 1}),
        "price.CostReport.latency_quantile": (REPORT.latency_quantile, {"quantile": 0.9}),
        "price.CostReport.from_dict": (price.CostReport.from_dict, {"raw": REPORT.to_dict()}),
        "price.CostReport.write": (REPORT.write, {"path": FOLDER / "report-2.json"}),
        "price.CostReport.read": (price.CostReport.read, {"path": FOLDER / "report.json"}),
        "workload.LayerShape": (
            workload.LayerShape,
            {"name": "a", "kind": "conv", "in_channels": 1, "out_channels": 2, "kernel": (3, 3), "stride": (1, 1),
             "groups": 1, "out_height": 8, "out_width": 8, "in_height": 8, "in_width": 8, "weight_bits": 8,
             "state_bits": 16},
        ),
        "workload.LayerActivity": (
            workload.LayerActivity, {"active_unfolded": (1.0,), "in_spikes": (1.0,), "out_spikes": (1.0,)},
        ),
        "workload.LayerActivity.from_rates": (
            workload.LayerActivity.from_rates, {"shape": LAYER, "in_rate": 0.5, "out_rate": 0.5, "n_steps": 2},
        ),
        "workload.Workload": (
            workload.Workload,
            {"name": "a", "layers": LOAD.layers, "activity": LOAD.activity, "alive_activity": (), "exit_histogram": (),
             "n_samples": 1, "counts": None},
        ),
        "workload.Workload.cut_at": (LOAD.cut_at, {"step": 1}),
        "workload.Workload.with_bits": (LOAD.with_bits, {"n_bits": 4}),
        "workload.Workload.from_dict": (workload.Workload.from_dict, {"raw": LOAD.to_dict()}),
        "workload.Workload.read": (workload.Workload.read, {"path": FOLDER / "load.json"}),
        "workload.Workload.write": (LOAD.write, {"path": FOLDER / "load-2.json"}),
        "workload.read_workload": (workload.read_workload, {"path": FOLDER / "load.json"}),
        "workload.uniform_workload": (
            workload.uniform_workload,
            {"name": "a", "layers": LOAD.layers, "n_steps": 2, "rates": [0.5] * len(LOAD.layers), "exit_histogram": ()},
        ),
        "workload.count_metrics": (workload.count_metrics, {"workload": LOAD, "zero_weights": None}),
        "workload.in_spike_share": (workload.in_spike_share, {"load": LOAD}),
        "workload.Operations": (workload.Operations, {"weight_reads": 1.0}),
        "workload.OperationCounts": (workload.OperationCounts, {"inference": {}, "training": {}}),
        "energy.EnergyMeter": (energy.EnergyMeter, {"watts": 3.0, "root": None}),
        "energy.Measurement": (
            energy.Measurement, {"seconds": 1.0, "joules": 2.0, "source": "rapl", "n_samples": 3, "n_missing": 0},
        ),
        "energy.Measurement.of": (
            energy.Measurement.of, {"meter": energy.EnergyMeter(watts=3.0), "n_samples": 3, "n_missing": 0},
        ),
        "energy.Measurement.then": (MEASURED.then, {"other": MEASURED}),
        "energy.Measurement.without": (energy.Measurement(2.0, 3.0, "rapl", 4).without, {"earlier": MEASURED}),
        "energy.Measurement.at_watts": (MEASURED.at_watts, {"watts": 3.0}),
        "energy.Measurement.from_dict": (energy.Measurement.from_dict, {"raw": MEASURED.to_dict(), "what": "it"}),
        "search.Budget": (search.Budget, {"memory_bits": 1e6, "energy_j": 1.0, "latency_s": None, "accuracy": None}),
        "search.Budget.exceeded": (search.Budget(energy_j=1.0).exceeded, {"figures": {"energy_j": 2.0}}),
        "search.Budget.excess": (search.Budget(energy_j=1.0).excess, {"figures": {"energy_j": 2.0}}),
        "search.STDPDesign": (search.STDPDesign, {"n_neurons": 100, "n_bits": 4, "n_steps": 100, "rule": "lean"}),
        "search.STDPSpace": (
            search.STDPSpace, {"n_neurons": (100,), "n_bits": (4,), "n_steps": (100,), "rule": ("lean",)},
        ),
        "search.hypervolume": (search.hypervolume, {"objectives": [[1.0, 2.0]], "reference": [3.0, 3.0]}),
        "search.is_on_front": (search.is_on_front, {"objectives": [[1.0, 2.0]]}),
        "dynamic.SigmaEUnit.ready": (
            dynamic.SigmaEUnit().ready, {"scores": SCORES[0], "max_entropy": 0.5, "n_steps": 1},
        ),
        "learn.FitSettings": (
            learn.FitSettings, {"epochs": 1, "batch_size": 4, "n_steps": 1, "lr": 0.1, "loss": "static"},
        ),
        "learn.LeanRule": (learn.LeanRule, {"eta": (0.1, 0.01), "theta_plus": (1.0, 0.5)}),
        "learn.loss_named": (
            learn.loss_named,
            {"name": "static", "accumulate": "mean", "label_smoothing": 0.0, "regularization": 0.0, "distill": 0.0,
             "temperature": 1.0},
        ),
        "learn.STDPEncoder": (lambda **rest: learn.STDPEncoder(**rest).fit(DIGITS), SMALL),
        "network.ModelSpec": (
            network.ModelSpec, {"name": "vgg5", "in_shape": (1, 8, 8), "n_classes": 3, "width": 0.05},
        ),
        "price.DigitalAccelerator.estimate": (DIGITAL.estimate, {"workload": LOAD}),
        "price.ImcChip.estimate": (CHIP.estimate, {"workload": LOAD}),
        "price.NeuromorphicChip.estimate": (price.load_platform("loihi").estimate, {"workload": LOAD}),
        "price.RooflineProcessor.estimate": (price.load_platform("embedded-cpu").estimate, {"workload": LOAD}),
        "price.RooflineProcessor.measured": (
            price.load_platform("embedded-cpu").measured, {"power_w": 1.0, "time_s": 1.0, "source": "a meter"},
        ),
        "price.Cost.then": (price.Cost().then, {"other": price.Cost()}),
        "price.Schedule": (price.Schedule, {"mode": "sequential", "layer_overlap": 1.0}),
        "price.Quantity": (
            price.Quantity,
            {"value": 1.0, "low": 0.5, "high": 2.0, "unit": "pJ", "source": "a page", "tag": "verified"},
        ),
        "workload.read_layer_table": (
            workload.read_layer_table,
            {"path": FOLDER / "table.csv", "n_steps": 2, "exit_histogram": None, "final_rate": None, "weight_bits": 8,
             "state_bits": 16, "input_bits": 1},
        ),
        "zoo.load_card": (zoo.load_card, {"name": MODEL_NAME}),
        "zoo.load_exits": (zoo.load_exits, {"name": MODEL_NAME}),
        "zoo.load_model": (zoo.load_model, {"name": MODEL_NAME}),
        "zoo.load_rule": (zoo.load_rule, {"name": MODEL_NAME, "setting": "drop-0.005"}),
        "zoo.load_monitor": (
            zoo.load_monitor, {"name": MODEL_NAME, "setting": "drop-0.005", "window": 500, "false_alarms": 0.001},
        ),
    }  # fmt: skip

    for kind, bound in ((dynamic.EntropyExit, 0.5), (dynamic.ConfidenceExit, 0.5), (dynamic.MarginExit, 1.5)):
        own, rule = f"dynamic.{kind.__name__}", kind(bound)
        calls |= {
            own: (kind, {next(iter(kind.__dataclass_fields__)): bound, "accumulate": "mean", "temperature": 1.0}),
            f"{own}.ready": (rule.ready, {"score_sum": SCORES[0], "n_steps": 2}),
            f"{own}.uncertainty": (rule.uncertainty, {"score_sum": SCORES[0], "n_steps": 2}),
            f"{own}.uncertainty_of": (rule.uncertainty_of, {"scores": SCORES[0]}),
            f"{own}.at": (kind.at, {"bound": 0.5, "accumulate": "mean", "temperature": 1.0}),
            f"{own}.bound": (rule.bound, {"n_steps": 2}),
            f"{own}.scale": (rule.scale, {"n_steps": 2}),
        }

    for own, key, each in (("network.SpikingClassifier", "deep", DEEP), ("shrink.FixedClassifier", "fixed", FIXED)):
        calls |= {
            f"{own}.trace": (each.trace, {"X": IMAGES, "y": LABELS}),
            f"{own}.predict": (each.predict, {"X": IMAGES}),
            f"{own}.predict_with_exit": (each.predict_with_exit, {"X": IMAGES, "rule": RULE}),
            f"{own}.workload": (each.workload, {"X": IMAGES, "rule": RULE}),
            f"{own}.stream": (drained(each.stream), {"sample": IMAGES[0], "rule": RULE}),
            f"{own}.save": (each.save, {"path": FOLDER / f"{key}-2"}),
            f"{own}.load": (type(each).load, {"path": FOLDER / key, "model": None}),
        }
    return calls


def public_callables(package):
    """Yield the public functions, classes and methods of a package that take an argument, by name."""
    module = importlib.import_module(f"spikewise.{package}")
    for name in module.__all__:
        found = getattr(module, name)
        if callable(found) and inspect.signature(found).parameters:
            yield f"{package}.{name}"
        if inspect.isclass(found):
            for method in (key for key in dir(found) if not key.startswith("_")):
                function = inspect.getattr_static(found, method)
                function = getattr(function, "__func__", function)
                is_ours = inspect.isfunction(function) and (function.__module__ or "").startswith("spikewise")
                if is_ours and set(inspect.signature(getattr(found, method)).parameters) - {"self"}:
                    yield f"{package}.{name}.{method}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_has_a_right_call(package):
    called = {name.split(",")[0] for name in right_calls()}
    missing = [
        name
        for name in public_callables(package)
        if name not in called and not any(re.fullmatch(pattern, name) for pattern in NO_CALL)
    ]
    assert not missing, "add a right call, or say in NO_CALL why there is none"


def strange_answers(package):
    """Return the answers that are neither a result nor an error of ours, and the number of calls."""
    found, n_calls = [], 0
    for name, (function, arguments) in right_calls().items():
        if not name.startswith(f"{package}."):
            continue
        function(**arguments)  # the right call is right
        for argument in arguments:
            for kind, stranger in STRANGERS.items():
                n_calls += 1
                try:
                    function(**{**arguments, argument: stranger})
                except (SpikewiseError, pydantic.ValidationError, NotFittedError) as error:
                    if len(str(error).splitlines()[0]) > 800:
                        found.append(f"{name}({argument}={kind}): {len(str(error))} characters")
                except Exception as error:
                    found.append(f"{name}({argument}={kind}): {type(error).__name__}: {str(error)[:100]}")
    return found, n_calls


@pytest.mark.parametrize("package", PACKAGES)
def test_a_strange_argument_is_told_in_our_words(package, tmp_path, monkeypatch):
    right_calls()
    monkeypatch.chdir(tmp_path)  # an empty path is the folder one is in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, n_calls = strange_answers(package)
    print(f"{n_calls:,} calls of {package}")  # noqa: T201
    assert not found, "\n".join(found)
