"""Every public door checks what comes in: what is wrong is told in one sentence, what is odd but legal is taken.

A door is a public function with one argument left open. Its kind - images, features, labels, scores, counts, events,
networks - says which values are wrong for it, and which types may stand for a right one; all doors of a kind are fed
all of them. Arguments of other kinds are the subject of ``test_strange_arguments.py``.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sklearn.datasets import load_digits

import spikewise.dynamic as dynamic
import spikewise.spikes as spikes
from spikewise.data import EventSet, ImageSet, bin_events, stratified_folds, stratified_holdout
from spikewise.data.formats.event_checks import EVENT
from spikewise.errors import SpikewiseError
from spikewise.learn import FitSettings, STDPClassifier, STDPEncoder, fit
from spikewise.network import SpikingClassifier, build_model, record_workload
from spikewise.nonideal import Nonideal, design_crossbars, on_crossbars
from spikewise.shrink import FixedClassifier, FixedFormat, run_integer, shrink_network

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (12, 1, 8, 8), np.uint8)
LABELS = np.arange(12) % 3
DIGITS, NAMES = (part[:40] for part in load_digits(return_X_y=True))
SCORES = rng.normal(size=(3, 6, 4)).cumsum(0)
COUNTS = rng.integers(0, 5, (6, 5))
PER_CLASS = np.array([2, 2, 2])
EVENTS = np.array([(0, 1, 0, 1), (4, 0, 1, 0), (9, 1, 1, 1)], EVENT)
NEVER = dynamic.NeverExit()
QUICK = FitSettings(epochs=1, batch_size=4, n_steps=1, threads=1)


class Odd:
    """An object that is no array, and says so when asked."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("I am no array")


@cache
def deep():
    return SpikingClassifier(build_model("vgg5", (1, 8, 8), 3, width=0.05), 2)


@cache
def fixed():
    form = FixedFormat(bits=8)
    return FixedClassifier(shrink_network(deep().model, form, IMAGES, 2), form, 2)


@cache
def stdp():
    return STDPClassifier(n_neurons=5, n_epochs=1, n_steps=20, random_state=0).fit(DIGITS, NAMES)


def new_stdp():
    return STDPClassifier(n_neurons=5, n_epochs=1, n_steps=20, random_state=0)


def new_encoder():
    return STDPEncoder(n_neurons=5, n_epochs=1, n_steps=20, random_state=0)


@cache
def trace():
    return dynamic.ScoreTrace.dense(SCORES, np.arange(6) % 4)


def network(model):
    return SpikingClassifier(model, 2).predict(IMAGES)


def copy_of(change: Callable[[Any], Any]) -> Any:
    model = build_model("vgg5", (1, 8, 8), 3, width=0.05)
    change(model)
    return model


def trained(model="new", train=(IMAGES, LABELS), validation=(IMAGES, LABELS)):
    model = build_model("vgg5", (1, 8, 8), 3, width=0.05) if isinstance(model, str) and model == "new" else model
    return fit(model, train, validation, QUICK).history[0].loss


@dataclass(frozen=True)
class Door:
    """A public function with one open argument: its name in messages, its right value, and the call."""

    kind: str
    names: str
    call: Callable[[Any], Any]


def door(kind: str, call: Callable[[Any], Any], names: str = "") -> Door:
    return Door(kind, names or kind, call)


DOORS = {
    # images
    "SpikingClassifier.predict": door("images", lambda x: deep().predict(x), "X"),
    "SpikingClassifier.trace": door("images", lambda x: deep().trace(x).scores, "X"),
    "SpikingClassifier.predict_with_exit": door("images", lambda x: deep().predict_with_exit(x, NEVER).labels, "X"),
    "SpikingClassifier.workload": door("images", lambda x: deep().workload(x).to_dict(), "X"),
    "FixedClassifier.predict": door("images", lambda x: fixed().predict(x), "X"),
    "FixedClassifier.workload": door("images", lambda x: fixed().workload(x).to_dict(), "X"),
    "FixedClassifier.of": door("images", lambda x: FixedClassifier.of(deep(), FixedFormat(8), x).predict(IMAGES)),
    "fit, train": door("images", lambda x: trained(train=(x, LABELS))),
    "fit, validation": door("images", lambda x: trained(validation=(x, LABELS))),
    "shrink_network": door(
        "images", lambda x: shrink_network(deep().model, FixedFormat(8), x, 2)(torch.as_tensor(IMAGES), 2).numpy()
    ),
    "run_integer": door("bytes", lambda x: run_integer(fixed().model, x, 2), "images"),
    "ImageSet": door("pictures", lambda x: ImageSet(x, LABELS, ("a", "b", "c"), "own", "all").images, "images"),
    "stratified_holdout": door("samples", lambda x: stratified_holdout(x, LABELS, 0.3), "images"),
    "stratified_folds": door("samples", lambda x: stratified_folds(x, LABELS, 2), "images"),
    "design_crossbars": door(
        "images", lambda x: design_crossbars(deep().model, Nonideal(adc_bits=6), x, 2) and 0, "images"
    ),
    "on_crossbars": door(
        "images",
        lambda x: on_crossbars(deep().model, Nonideal(adc_bits=6), seed=0, calibration_images=x, n_steps=2) and 0,
        "images",
    ),
    # features
    "STDPClassifier.fit": door("features", lambda x: new_stdp().fit(x, NAMES).encoder_.weights_, "X"),
    "STDPClassifier.partial_fit": door("features", lambda x: new_stdp().partial_fit(x, NAMES).encoder_.weights_, "X"),
    "STDPClassifier.label": door("features", lambda x: new_stdp().fit(DIGITS, NAMES).label(x, NAMES).evidence_, "X"),
    "STDPClassifier.predict": door("features", lambda x: stdp().predict(x), "X"),
    "STDPClassifier.predict_proba": door("features", lambda x: stdp().predict_proba(x), "X"),
    "STDPClassifier.trace": door("features", lambda x: stdp().trace(x).scores, "X"),
    "STDPClassifier.predict_with_exit": door("features", lambda x: stdp().predict_with_exit(x, NEVER).labels, "X"),
    "STDPClassifier.workload": door("features", lambda x: stdp().workload(x).to_dict(), "X"),
    "STDPEncoder.fit": door("features", lambda x: new_encoder().fit(x).weights_, "X"),
    "STDPEncoder.partial_fit": door("features", lambda x: new_encoder().partial_fit(x).weights_, "X"),
    "STDPEncoder.transform": door("features", lambda x: stdp().encoder_.transform(x), "X"),
    # labels
    "SpikingClassifier.trace, y": door("labels", lambda y: deep().trace(IMAGES, y).labels, "y"),
    "fit, labels": door("labels", lambda y: trained(train=(IMAGES, y))),
    "ImageSet, labels": door(
        "labels of a set", lambda y: ImageSet(IMAGES, y, ("a", "b", "c"), "own", "all").labels, "labels"
    ),
    "stratified_holdout, labels": door("any labels", lambda y: stratified_holdout(IMAGES, y, 0.3), "labels"),
    "stratified_folds, labels": door("any labels", lambda y: stratified_folds(IMAGES, y, 2), "labels"),
    "EventSet, labels": door(
        "labels of a set", lambda y: EventSet([EVENTS] * 12, y, ("a", "b", "c"), (2, 2), "own", "all").labels, "labels"
    ),
    "class_counts, labels": door("labels", lambda y: spikes.class_counts(np.ones((12, 5)), y, 3)),
    # scores
    "ScoreTrace.dense": door("scores", lambda s: dynamic.ScoreTrace.dense(s, np.arange(6) % 4).scores, "score"),
    "normalized_entropy": door("scores of a step", dynamic.normalized_entropy, "scores"),
    "EntropyExit.uncertainty_of": door("scores of a step", dynamic.EntropyExit(0.5).uncertainty_of, "scores"),
    "ConfidenceExit.uncertainty_of": door("scores of a step", dynamic.ConfidenceExit(0.5).uncertainty_of, "scores"),
    "MarginExit.uncertainty_of": door("scores of a step", dynamic.MarginExit(0.5).uncertainty_of, "scores"),
    "EntropyExit.ready": door("scores of a step", lambda s: dynamic.EntropyExit(0.5).ready(s, 2), "score"),
    "ExitPath.uncertainty": door(
        "scores of a step", lambda s: dynamic.ExitPath.of("entropy", "mean").uncertainty(s, 2), "score"
    ),
    "Answer.of": door(
        "scores of a sample", lambda s: dynamic.Answer.of(s, 1, dynamic.EntropyExit(0.5), is_last=False).label, "scores"
    ),
    # counts
    "class_counts": door("counts", lambda c: spikes.class_counts(c, np.arange(6) % 3, 3), "counts|labels"),
    "naive_bayes_evidence": door("class counts", spikes.naive_bayes_evidence, "counts"),
    "neuron_classes": door("class counts", lambda c: spikes.neuron_classes(c, PER_CLASS), "counts"),
    "votes_evidence": door("class counts", lambda c: spikes.votes_evidence(c, PER_CLASS), "counts"),
    "proportion_evidence": door("class counts", lambda c: spikes.proportion_evidence(c, PER_CLASS), "counts"),
    "poisson_encode": door("intensity", lambda x: spikes.poisson_encode(x, 3, np.random.default_rng(0)), "intensity"),
    # events
    "EventSet": door("events", lambda e: EventSet([e], [0], ("a",), (2, 2), "own", "all").n_events, "recording"),
    "bin_events": door("events", lambda e: bin_events(e, (2, 2), 2), "events"),
    # networks
    "SpikingClassifier": door("networks", network, "model|weights"),
    "record_workload": door(
        "networks", lambda m: record_workload(m, torch.as_tensor(IMAGES), 2).to_dict(), "model|weights|layer"
    ),
    "fit, model": door("networks", lambda m: trained(m), "model|weights"),
    "shrink_network, network": door(
        "networks",
        lambda m: shrink_network(m, FixedFormat(8), IMAGES, 2)(torch.as_tensor(IMAGES), 2),
        "network|model|weights",
    ),
    "design_crossbars, network": door(
        "networks", lambda m: design_crossbars(m, Nonideal(), IMAGES, 2) and 0, "network|model|weights"
    ),
}

NO_ARRAYS = {
    "None": None,
    "text": "spikes",
    "number": 3,
    "object": Odd(),
    "dictionary": {"a": 1},
    "function": len,
    "set": {1, 2},
    "ragged": [[1, 2], [3]],
    "objects": np.array([object()] * 12),
    "empty list": [],
    "type": int,
    "complex": np.ones((12, 1, 8, 8), complex),
    "text array": np.full((12, 1, 8, 8), "a"),
    "dates": np.full((12, 1, 8, 8), np.datetime64("2020-01-01")),
}


def changed(right, **more):
    """Wrong values by name: what is no array at all, and this array with a NaN, an infinity, other shapes."""
    values = np.asarray(right, np.float64) / max(1, np.max(right))
    spoiled = {name: values.copy() for name in ("NaN", "infinity", "-infinity", "negative")}
    for name, value in zip(spoiled, (np.nan, np.inf, -np.inf, -1.0), strict=True):
        spoiled[name].flat[3] = value
    return {**NO_ARRAYS, **spoiled, "scalar": np.array(1.0), "no rows": np.asarray(right)[:0], **more}


_LARGE = np.full(12, 2**63, np.uint64)
WRONG: dict[str, dict[str, Any]] = {
    "images": changed(
        IMAGES,
        levels=IMAGES.astype(np.float32),
        integers=IMAGES.astype(np.int64),
        flat=IMAGES.reshape(12, 64),
        larger=np.zeros((12, 1, 9, 9), np.uint8),
        channels=np.zeros((12, 3, 8, 8), np.uint8),
        last=np.zeros((12, 8, 8, 1), np.uint8),
        sparse=torch.zeros(12, 1, 8, 8).to_sparse(),
        meta=torch.zeros(12, 1, 8, 8, device="meta"),
    ),
    "pictures": {
        **changed(IMAGES, levels=IMAGES * 1.0, flat=IMAGES.reshape(12, 64), last=np.zeros((12, 8, 8, 1), np.uint8))
    },
    "samples": changed(IMAGES),
    "features": changed(
        DIGITS, column=DIGITS[:, 0], sparse=torch.tensor(DIGITS).to_sparse(), meta=torch.tensor(DIGITS).to("meta")
    ),
    "labels": changed(
        LABELS,
        fractions=LABELS / 2,
        three=LABELS + 1,
        minus=LABELS - 2,
        short=LABELS[:-1],
        column=LABELS[:, None],
        names=np.array(list("abc" * 4)),
        large=_LARGE,
    ),
    "any labels": changed(
        LABELS, fractions=LABELS / 2, short=LABELS[:-1], names=np.array(list("abc" * 4)), large=_LARGE
    ),
    "scores": {**changed(SCORES, flat=SCORES[0], one=SCORES[..., :1])},
    "scores of a step": {**changed(SCORES[0], flat=SCORES[0, 0], one=SCORES[0, :, :1])},
    "scores of a sample": {**changed(SCORES[0, 0], one=SCORES[0, 0, :1])},
    "counts": changed(COUNTS, flat=COUNTS[0]),
    "class counts": changed(COUNTS[:3], flat=COUNTS[0], more=COUNTS),
    "intensity": changed(np.linspace(0, 1, 12), above=np.full(3, 1.5)),
    "events": {
        **NO_ARRAYS,
        "plain": np.zeros((3, 4)),
        "matrix": EVENTS[None],
        "other fields": np.zeros(3, [("t", "i8"), ("x", "i4")]),
        "outside": np.array([(0, 5, 0, 1)], EVENT),
        "polarity": np.array([(0, 0, 0, 7)], EVENT),
        "early": np.array([(-5, 0, 0, 1)], EVENT),
    },
    "networks": {
        "None": None,
        "text": "vgg5",
        "class": torch.nn.Linear,
        "function": len,
        "array": IMAGES,
        "dictionary": {"weights": 1},
        "linear": torch.nn.Linear(64, 3),
        "empty": torch.nn.Module(),
        "classifier": SpikingClassifier,
        "sequence": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)),
        "tensor": torch.zeros(3),
        "NaN": copy_of(lambda m: m.readout.weight.data.fill_(np.nan) is None),
        "infinite statistics": copy_of(lambda m: m.layers["conv2"].norm.running_mean.fill_(np.inf) is None),
        "spec": copy_of(lambda m: setattr(m, "spec", None)),
        "meta": copy_of(lambda m: m.to("meta")),
    },
}

WRONG |= {"bytes": WRONG["images"], "labels of a set": WRONG["labels"]}
# What is right for these kinds, or for these doors.
SAME = {
    "negative": {"scores", "scores of a step", "scores of a sample", "samples", "any labels"},
    "no rows": {"scores of a step", "intensity", "naive_bayes_evidence"},
    "more": {"naive_bayes_evidence"},
    "empty list": {"intensity"},
    "flat": {"scores of a step"},
    "scalar": {"intensity"},
    "None": {"SpikingClassifier.trace, y"},
}
TEXT_LIKE = 400


def outcome(call, value):
    """Return "result", the message of an error of ours, or what else was raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "result", call(value)
        except SpikewiseError as error:
            return "ours", str(error)
        except ValueError as error:
            return "value", str(error)
        except Exception as error:
            return "obscure", f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", DOORS)
def test_a_wrong_value_is_told_in_one_sentence(name):
    each, said = DOORS[name], []
    for wrong, value in WRONG[each.kind].items():
        if SAME.get(wrong, set()) & {each.kind, name}:
            continue
        kind, message = outcome(each.call, value)
        # Estimators raise scikit-learn's own ValueError, which its checks require word by word.
        is_told = (kind == "ours" and re.search(each.names, message)) or (kind == "value" and each.kind == "features")
        if kind == "result" or not is_told or len(message) > TEXT_LIKE:
            said.append(f"{wrong}: {kind}: {str(message)[:200]}")
    assert not said, "\n".join(said)


class Like:
    """An object of a user's own that knows how to become an array."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def read_only(values):
    found = np.array(values)
    found.flags.writeable = False
    return found


def strided(values):
    spaced = np.zeros((*np.shape(values)[:-1], 2 * np.shape(values)[-1]), np.asarray(values).dtype)
    spaced[..., ::2] = values
    return spaced[..., ::2]


def unaligned(values):
    values = np.ascontiguousarray(values)
    packed = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    packed[...] = values
    return packed


AS_EVER = {
    "read-only": read_only,
    "big-endian": lambda values: np.asarray(values, np.asarray(values).dtype.newbyteorder(">")),
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "unaligned": unaligned,
    "reversed twice": lambda values: np.asarray(values)[::-1].copy()[::-1],
    "matrix or memory": memoryview,
    "subclass": lambda values: np.asarray(values).view(type("Own", (np.ndarray,), {})),
    "unmasked": lambda values: np.ma.masked_array(values, False),
    "torch": lambda values: torch.tensor(np.ascontiguousarray(values)),
    "torch, not contiguous": lambda values: torch.tensor(strided(values)),
    "list": lambda values: np.asarray(values).tolist(),
    "tuple": lambda values: tuple(np.asarray(values)),
    "list of arrays": lambda values: list(np.asarray(values)),
    "list of tensors": lambda values: [torch.tensor(part) for part in np.ascontiguousarray(values)],
    "own type": Like,
}
FLOATS = {
    "float16": lambda values: np.asarray(values, np.float16),
    "float32": lambda values: np.asarray(values, np.float32),
    "torch.float32": lambda values: torch.tensor(values, dtype=torch.float32),
    "torch.bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "with a gradient": lambda values: torch.tensor(values, dtype=torch.float64, requires_grad=True),
    "long double": lambda values: np.asarray(values, np.longdouble),
}
WHOLE = {kind: (lambda values, kind=kind: np.asarray(values, kind)) for kind in ("i1", "u2", ">i4", "u8")}
INTEGERS = WHOLE | {kind: (lambda values, kind=kind: np.asarray(values, kind)) for kind in ("f4", "f8")}


def pandas_of(values):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(values) if np.ndim(values) == 2 else pandas.Series(values)


# Right values, in numbers that every type of float holds exactly; and the types that stand for them.
EIGHTHS = {
    "images": (IMAGES // 32 / 8, AS_EVER | FLOATS),
    "pictures": (IMAGES, {key: AS_EVER[key] for key in AS_EVER if "list" not in key and key != "tuple"}),
    "samples": (IMAGES, {key: AS_EVER[key] for key in AS_EVER if "list" not in key and key != "tuple"}),
    "features": (DIGITS // 2 / 8, AS_EVER | FLOATS | {"pandas": pandas_of}),
    "labels": (LABELS, AS_EVER | INTEGERS | {"pandas": pandas_of}),
    "any labels": (LABELS, AS_EVER | WHOLE | {"pandas": pandas_of}),
    "labels of a set": (LABELS, AS_EVER | WHOLE | {"pandas": pandas_of}),
    "bytes": (IMAGES, {key: AS_EVER[key] for key in AS_EVER if "list" not in key and key != "tuple"}),
    "scores": ((SCORES * 8).round() / 8, AS_EVER | FLOATS),
    "scores of a step": ((SCORES[0] * 8).round() / 8, AS_EVER | FLOATS | {"pandas": pandas_of}),
    "scores of a sample": ((SCORES[0, 0] * 8).round() / 8, AS_EVER | FLOATS | {"pandas": pandas_of}),
    "counts": (COUNTS, AS_EVER | FLOATS | INTEGERS | {"pandas": pandas_of}),
    "class counts": (COUNTS[:3], AS_EVER | FLOATS | INTEGERS | {"pandas": pandas_of}),
    "intensity": (np.linspace(0, 1, 9), AS_EVER | FLOATS | {"pandas": pandas_of}),
    "events": (
        EVENTS,
        {
            "read-only": read_only,
            "wide fields": lambda events: events.astype([(name, "i8") for name in "txyp"]),
            "big-endian": lambda events: events.astype([(name, ">i4") for name in "txyp"]),
            "another order": lambda events: events[["p", "y", "x", "t"]].copy(),
            "more fields": lambda events: np.array([(*e, 7) for e in events.tolist()], [*EVENT.descr, ("more", "i4")]),
            "truth values": lambda events: events.astype([("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")]),
            "strided": lambda events: np.repeat(events, 2)[::2],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, each in DOORS.items() if each.kind in EIGHTHS])
def test_an_odd_but_legal_value_gives_the_same_result(name):
    each = DOORS[name]
    right, kinds = EIGHTHS[each.kind]
    expected, said = each.call(right), []
    for odd, convert in kinds.items():
        kind, found = outcome(each.call, convert(right))
        if kind != "result":
            said.append(f"{odd}: {kind}: {str(found)[:200]}")
            continue
        try:
            np.testing.assert_equal(found, expected)
        except AssertionError as error:
            said.append(f"{odd}: {str(error)[:200]}")
    assert not said, "\n".join(said)
