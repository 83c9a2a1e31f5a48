"""Damaged and hostile files: every reader gives a result, or one error of ours that is one short sentence.

A door is a reader with the files of an honest example. Its mutants are damaged where they lie on disk, and, because
checksums would catch that, also inside: a member of a zip, the text of a card, packed anew with the right checksum.
``make test`` tries a few mutants of every door, ``pytest -m slow tests/test_fuzz.py -s`` as many as
``SPIKEWISE_MUTANTS`` says (by default 20,000), and prints how many there were, the slowest and the memory they took.
"""

import gzip
import io
import json
import os
import random
import re
import resource
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from spikewise._arrays import read_npy
from spikewise.cli.app import run as cli
from spikewise.data.formats.aedat import read_aedat2
from spikewise.data.formats.cifar import read_cifar_archive, read_cifar_batches
from spikewise.data.formats.folder import read_class_folders
from spikewise.data.formats.gesture import read_gestures, read_trials
from spikewise.data.formats.grid import read_picture_grids
from spikewise.data.formats.idx import read_idx_pair
from spikewise.data.formats.nmnist import read_nmnist_bin, read_nmnist_npz
from spikewise.data.formats.npz import read_npz_images
from spikewise.data.formats.tiny_imagenet import read_classes, read_tiny_imagenet
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import SpikewiseError
from spikewise.price import estimate
from spikewise.runs.contents import RunContents
from spikewise.runs.folder import Run
from spikewise.runs.gallery import Gallery
from spikewise.weights import write_weights
from spikewise.workload import read_workload

QUICK = 60
LONG = int(os.environ.get("SPIKEWISE_MUTANTS", "20000"))
MAX_MESSAGE = 800

# --- mutants ------------------------------------------------------------------------------------------------------


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to four changes: flipped, cut, doubled, swapped, overwritten by extremes."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        place = rng.randrange(len(changed) + 1)
        if rng.random() < 0.5:  # headers stand at the beginning
            place = min(place, rng.randrange(64))
        length = rng.choice([1, 2, 4, 8, 64, 1024])
        match rng.randrange(9):
            case 0:
                del changed[place:]
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length]
            case 3:
                changed[place:place] = rng.randbytes(length)
            case 4:
                changed[place : place + length] = rng.randbytes(length)
            case 5:
                changed[place : place + length] = rng.choice([b"\0", b"\xff", b"\x7f", b"\x80", b"9"]) * length
            case 6:
                number = rng.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**16, 255])
                changed[place : place + 4] = number.to_bytes(4, rng.choice(["little", "big"]), signed=True)
            case 7 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case _:
                other = rng.randrange(len(changed) + 1)
                changed[place : place + length], changed[other : other + length] = (
                    changed[other : other + length],
                    changed[place : place + length],
                )
    return bytes(changed)


ODD = [
    None, True, False, 0, -1, 1, 2**70, 1.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), "", "x" * 500, "nan", "0",
    "\0", "../../etc", [], {}, [[]], [None], {"": None}, [1] * 50, [[[[1]]]], {"a": {"b": {}}},
]  # fmt: skip


def odd(value: Any, rng: random.Random) -> Any:
    """Return a value out of JSON with one place changed: replaced, deleted, renamed or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        rest = {k: v for k, v in value.items() if k != key}
        match rng.randrange(8):
            case 0:
                return rest
            case 1:
                return {**rest, key + "x": value[key]}
            case _:
                return {**value, key: odd(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        match rng.randrange(8):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return value + value[place:]
            case _:
                return [*value[:place], odd(value[place], rng), *value[place + 1 :]]
    if isinstance(value, str) and rng.random() < 0.3:
        return damaged(value.encode(), rng).decode("utf-8", "replace")
    if type(value) in (int, float) and rng.random() < 0.5:
        return rng.choice([-value, value + 1, value * 10**6, value / 3, str(value), [value]])
    return rng.choice(ODD)


def in_gzip(content: bytes, rng: random.Random) -> bytes:
    """Return a gzip file whose content is damaged and whose checksum is right."""
    return gzip.compress(damaged(gzip.decompress(content), rng), 1, mtime=0)


def in_zip(content: bytes, rng: random.Random) -> bytes:
    """Return a zip of which one member is damaged, absent or renamed, with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(list(members))
    if rng.random() < 0.9:
        members[chosen] = damaged(members[chosen], rng)
    else:
        members[rng.choice(["", "x", "../x", "a/" * 200, *members])] = members.pop(chosen)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return packed.getvalue()


def in_npz(content: bytes, rng: random.Random) -> bytes:
    """Return an ``.npz`` of which one array has another type, shape or values."""
    arrays = dict(np.load(io.BytesIO(content)))
    name = rng.choice(list(arrays))
    values = arrays[name]
    match rng.randrange(7):
        case 0:
            values = values.astype(rng.choice(["?", "<i1", ">i8", "<u8", "<f2", ">f8", "<c8", "<U3", "S2"]))
        case 1:
            values = values.reshape(rng.choice([(-1,), (1, -1), (-1, 1), (*values.shape, 1)]))
        case 2:
            values = values[: rng.randrange(len(values) + 1)] if values.ndim else np.array([values, values])
        case 3:
            values = np.concatenate([np.atleast_1d(values)] * 2)
        case 4 if values.dtype.kind in "iuf":
            values = values.copy()
            flat = values.reshape(-1)
            extremes = [-1, 1, 2**31, -(2**63)] if values.dtype.kind != "f" else [np.nan, np.inf, -1e300, 1e-320]
            with np.errstate(all="ignore"):
                flat[rng.randrange(len(flat) + 1) : rng.randrange(len(flat) + 1)] = np.array(
                    rng.choice(extremes)
                ).astype(values.dtype)
        case 5:
            del arrays[name]
            name = rng.choice(["x", *arrays])
        case _:
            values = np.zeros(rng.choice([(), (0,), (0, 3), (3, 0, 2), (1, 1, 1, 1)]), values.dtype)
    packed = io.BytesIO()
    np.savez(packed, **{**arrays, name: values})
    return packed.getvalue()


def in_json(content: bytes, rng: random.Random) -> bytes:
    """Return JSON of which one value is odd."""
    return json.dumps(odd(json.loads(content), rng)).encode()


def in_text(content: bytes, rng: random.Random) -> bytes:
    """Return a text of which some words are replaced, or lines doubled, deleted or exchanged."""
    lines = content.decode().splitlines()
    place = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, rng.choice(lines))
        case 2:
            lines[place] = ""
        case _:
            words = re.split(r"([\s,=\[\]\"]+)", lines[place])
            words[rng.randrange(len(words))] = rng.choice(
                [
                    "",
                    "0",
                    "-1",
                    "nan",
                    "inf",
                    "1e400",
                    "9" * 5000,
                    "true",
                    "[]",
                    "{}",
                    '"',
                    "é",
                    "x",
                    "1.5",
                    "\x00",
                    "#",
                ]
            )
            lines[place] = "".join(words)
    return "\n".join(lines).encode()


def in_weights(content: bytes, rng: random.Random) -> bytes:
    """Return weights of which the card or one array is changed, with the right checksum."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.write_bytes(content)
        with safe_open(path, "numpy") as file:
            card = json.loads(file.metadata()["spikewise"])["card"]
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if rng.random() < 0.6:
            # The format stays, else nothing behind it would be tried.
            card = {**odd(card, rng), "format": card["format"]}
        else:
            name = rng.choice(list(arrays))
            changed = dict(np.load(io.BytesIO(in_npz(npz_of(values=arrays[name]), rng))))
            arrays = {**arrays, name: changed.get("values", np.zeros(0))}
        write_weights(path, arrays, json.loads(json.dumps(card, allow_nan=False)), sidecar=False)
        return path.read_bytes()


def npz_of(**arrays):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def in_tar(content: bytes, rng: random.Random) -> bytes:
    """Return a ``.tar.gz`` whose tar, or one member of it, is damaged."""
    if rng.random() < 0.3:
        return in_gzip(content, rng)
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as found,
        tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive,
    ):
        chosen = rng.choice(found.getnames())
        for member in found.getmembers():
            body = found.extractfile(member).read()
            if member.name == chosen:
                body = damaged(body, rng)
                member.type = rng.choice([member.type] * 9 + [tarfile.SYMTYPE])
            member.size = len(body) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(body))
    return packed.getvalue()


# --- doors --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Door:
    """A reader: ``make`` writes an honest example into a folder and returns its files, ``read`` reads one of them."""

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]
    inside: Callable[[bytes, random.Random], bytes] = damaged


CHANCE = np.random.default_rng(0)
EVENTS = {"x": [0, 33, 5, 7], "y": [3, 0, 9, 33], "p": [0, 1, 1, 0], "t": [0, 5, 5, 2**22]}
LETTERS = ("a", "b", "c")


def files(folder: Path, **contents: bytes) -> list[Path]:
    paths = []
    for name, content in contents.items():
        paths.append(folder / name.replace("__", "/").replace("_DOT_", "."))
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(content)
    return paths


def idx(pack, folder):
    images = bytes([0, 0, 8, 3]) + np.array([6, 4, 5], ">u4").tobytes() + CHANCE.bytes(120)
    labels = bytes([0, 0, 8, 1]) + np.array([6], ">u4").tobytes() + bytes([0, 1, 2, 0, 1, 2])
    return files(folder, images=pack(images), labels=pack(labels))


def cifar_records():
    return b"".join(bytes([label]) + CHANCE.bytes(3072) for label in (0, 3, 9))


def cifar_pickle():
    data = CHANCE.bytes(3 * 3072)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03M\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + len(data).to_bytes(4, "little") + data + b"tb"
    )
    return b"\x80\x02}q\x01(U\x04dataq\x02" + array + b"U\x06labels](K\x00K\x03K\x09eu."


def tar(folder):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, body in (("d/a.bin", cifar_records()), ("d/readme", b"text"), ("d/b", cifar_pickle())):
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return files(folder, archive=packed.getvalue())


def npz(folder, **arrays):
    return files(folder, set_DOT_npz=npz_of(**arrays))


def picture(kind, mode="RGB", size=(8, 8), **options):
    packed = io.BytesIO()
    channels = len(mode) if mode != "P" else 1
    pixels = CHANCE.integers(0, 256, (*size[::-1], channels), np.uint8).squeeze()
    if mode == "P":
        Image.fromarray(pixels).convert("P").save(packed, kind, **options)
    else:
        Image.fromarray(pixels, mode).save(packed, kind, **options)
    return packed.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6  # the camera was turned


def class_folders(kind, mode, folder, **options):
    pictures = {f"{c}__{i}_DOT_png": picture(kind, mode, **options) for c in "ab" for i in range(2)}
    return files(folder, **pictures)


def tiny(folder):
    jpeg = picture("JPEG", size=(64, 64))
    named = {
        "wnids.txt": b"n2\nn1\n",
        "words.txt": b"n1\tcat, tom\nn2\tdog\n",
        "train/n1/images/n1_0.JPEG": jpeg,
        "train/n2/images/n2_0.JPEG": picture("JPEG", "L", size=(64, 64)),
        "val/val_annotations.txt": b"val_0.JPEG\tn2\t0\t0\t1\t1\n",
        "val/images/val_0.JPEG": jpeg,
    }
    return {f"tiny-imagenet-200/{name}": content for name, content in named.items()}


def tiny_zip(folder):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tiny(folder).items():
            archive.writestr(name, content)
    return files(folder, tiny_DOT_zip=packed.getvalue())


def tiny_folder(folder):
    return files(folder, **{name.replace("/", "__").replace(".", "_DOT_"): c for name, c in tiny(folder).items()})


def read_tiny(path):
    numbers, _ = read_classes(path)
    return [read_tiny_imagenet(path, part, numbers) for part in ("train", "val")]


def nmnist(folder):
    return npz(folder, **{name: np.array(v) for name, v in EVENTS.items()}, labels=[3, 9], offsets=[0, 2, 4])


def aedat2(folder):
    events = np.array([[2 * i + i % 2, 1000 * i] for i in range(20)], ">u4")
    return files(folder, a_DOT_aedat=b"#!AER-DAT2.0\r\n# made up\r\n" + events.tobytes())


def aedat3(folder):
    packets = b""
    for kind, size in ((0, 8), (1, 8), (1, 8)):
        events = np.array([[1 | i % 2 << 1 | i << 2 | i << 17, 1000 * i] for i in range(20)], "<u4").tobytes()
        packets += np.array([kind, 1], "<i2").tobytes() + np.array([size, 4, 0, 20, 20, 20], "<i4").tobytes() + events
    recording = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + packets
    table = b"class,startTime_usec,endTime_usec\n1,0,5000\n11,5000,20000\n"
    return files(folder, a_DOT_aedat=recording, a_labels_DOT_csv=table)


def npy(folder):
    packed = io.BytesIO()
    np.save(packed, CHANCE.random((1, 8, 8)).astype(np.float32))
    return files(folder, a_DOT_npy=packed.getvalue())


def trace(folder):
    changes = np.array([1, 1, 2, 3]), np.array([0, 1, 0, 2]), CHANCE.random((4, 3))
    ScoreTrace.from_changes(*changes, 3, [0, 1, 2]).write(folder / "trace.npz")
    return [folder / "trace.npz"]


def gallery(folder):
    three = np.arange(3)
    Gallery(CHANCE.integers(0, 256, (3, 1, 4, 4), np.uint8), three, three, three + 1, three > 1).write(folder / "g.npz")
    return [folder / "g.npz"]


@cache
def stdp(rule="lean", **settings):
    """A small network that has learned digits, and the digits."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    from spikewise.learn import STDPClassifier

    return STDPClassifier(10, rule=rule, n_steps=20, n_epochs=1, random_state=0, **settings).fit(X[:60] / 16, y[:60])


def stdp_weights(rule, folder):
    stdp(rule).save(folder / "w")
    return [folder / "w"]


def read_stdp(path):
    from spikewise.learn import STDPClassifier

    model = STDPClassifier.load(path)
    return model.predict(np.zeros((2, 64))), model.predict_proba(np.eye(64)[:2])


def stdp_snapshot(rule, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikewise.learn.stdp.encoder._SNAPSHOT_SECONDS", -1)
        learn_from(rule, folder / "snapshot")
    return [folder / "snapshot"]


def learn_from(rule, path):
    from spikewise.learn import STDPEncoder

    X = np.random.default_rng(0).random((20, 16))
    return STDPEncoder(4, rule=rule, n_steps=40, n_epochs=1, random_state=0).fit(X, checkpoint=path)


@cache
def deep():
    pytest.importorskip("torch")
    from spikewise.network import SpikingClassifier, build_model

    return SpikingClassifier(build_model("vgg5", (1, 8, 8), 3, width=0.05), 2)


def deep_weights(folder):
    deep().save(folder / "w")
    return [folder / "w"]


def fixed_weights(folder):
    pytest.importorskip("torch")
    from spikewise.shrink import FixedClassifier, FixedFormat, shrink_network

    X = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), np.uint8)
    form = FixedFormat(bits=8)
    FixedClassifier(shrink_network(deep().model, form, X, 2), form, 2).save(folder / "w")
    return [folder / "w"]


def read_deep(path):
    from spikewise.network import SpikingClassifier

    return SpikingClassifier.load(path).predict(np.zeros((1, 1, 8, 8), np.uint8))


def read_fixed(path):
    from spikewise.shrink import FixedClassifier

    return FixedClassifier.load(path).predict(np.zeros((1, 1, 8, 8), np.uint8))


def train_from(path):
    from spikewise.learn import FitSettings, fit
    from spikewise.network import build_model

    chance = np.random.default_rng(0)
    data = chance.integers(0, 256, (8, 1, 8, 8), np.uint8), np.arange(8) % 3
    settings = FitSettings(epochs=2, batch_size=4, n_steps=1, threads=1)
    return fit(build_model("vgg5", (1, 8, 8), 3, width=0.05), data, data, settings, checkpoint=path, resume=True)


def checkpoint(folder):
    pytest.importorskip("torch")
    train_from(folder / "checkpoint")
    return [folder / "checkpoint"]


def workload(folder):
    stdp().workload(np.eye(64)[:4]).write(folder / "workload.json")
    return [folder / "workload.json"]


TABLE = b"""# A table.
steps,4
exit_histogram,5;3;1;1
kind,in,out,kernel,stride,groups,height,width,rate,input_bits,once_per_inference,name
conv,3,8,3,1,1,8,8,1,8,true,first
conv,8,8,3,2,1,4,4,0.2,,,second
linear,128,10,,,,,,0.1,,,last
"""
TOML = b"""name = "net"
steps = 2
exit_histogram = [3, 1]
[[layer]]
kind = "linear"
in = 64
out = 10
rate = 0.1
[[layer]]
kind = "linear"
in = 10
out = 10
rate = [0.1, 0.2]
"""
PLATFORM = b"""extends = "rram-64-32nm"
name = "mine"
[components.adc.energy]
per = "conversion"
value = 2.0
low = 1.0
high = 3.0
unit = "pJ"
source = "x"
tag = "verified"
"""


def price_table(path):
    return price(read_workload(path))


def price(load, platform="rram-64-32nm"):
    return estimate(load, platform).to_dict()


@cache
def finished_run():
    """The files of a run that has learned, stopped early and been priced."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        for line in (
            f"stdp --data digits --neurons 10 --steps 20 --epochs 1 --out {run}",
            f"exit {run} --max-drop 0.5",
            f"price {run}",
        ):
            assert cli(line.split()) == 0, line
        return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def run(folder):
    for name, content in finished_run().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [path for path in folder.rglob("*.json") if path.name != "model.json"]


def read_run(path):
    return RunContents.read(Run.open(path))


def beside(read):
    """Read the folder of the file that was damaged."""
    return lambda path: read(path.parent)


def root(read, name):
    """Read the folder of this name above the file that was damaged."""
    return lambda path: read(next(place for place in (path, *path.parents) if place.name == name))


IMAGES = {"images": CHANCE.integers(0, 256, (6, 4, 5), np.uint8), "labels": np.arange(6) % 3, "classes": LETTERS}
GRID = {"train_labels": np.arange(4) % 3, "test_labels": np.arange(4), "classes": LETTERS}

DOORS = {
    "IDX": Door(partial(idx, bytes), beside(lambda d: read_idx_pair(d / "images", d / "labels", 3))),
    "IDX in gzip": Door(
        partial(idx, gzip.compress), beside(lambda d: read_idx_pair(d / "images", d / "labels", 3)), in_gzip
    ),
    "CIFAR binary": Door(lambda d: files(d, a=cifar_records()), lambda p: read_cifar_batches([p])),
    "CIFAR pickle": Door(lambda d: files(d, a=cifar_pickle()), lambda p: read_cifar_batches([p])),
    "CIFAR archive": Door(tar, lambda p: read_cifar_archive(p, ["d/b", "d/a.bin"]), in_tar),
    "images in npz": Door(lambda d: npz(d, **IMAGES), read_npz_images, in_npz),
    "images in npz, members": Door(lambda d: npz(d, **IMAGES), read_npz_images, in_zip),
    "PNG": Door(partial(class_folders, "PNG", "RGB"), root(read_class_folders, "seed")),
    "PNG palette": Door(partial(class_folders, "PNG", "P"), root(read_class_folders, "seed")),
    "JPEG": Door(partial(class_folders, "JPEG", "RGB"), root(read_class_folders, "seed")),
    "JPEG progressive": Door(
        partial(class_folders, "JPEG", "CMYK", progressive=True), root(read_class_folders, "seed")
    ),
    "BMP": Door(partial(class_folders, "BMP", "L"), root(read_class_folders, "seed")),
    "WebP": Door(partial(class_folders, "WEBP", "RGBA"), root(read_class_folders, "seed")),
    "TIFF": Door(partial(class_folders, "TIFF", "RGB"), root(read_class_folders, "seed")),
    "GIF": Door(partial(class_folders, "GIF", "P"), root(read_class_folders, "seed")),
    "PPM": Door(partial(class_folders, "PPM", "RGB"), root(read_class_folders, "seed")),
    "photo with EXIF": Door(partial(class_folders, "JPEG", "RGB", exif=EXIF), root(read_class_folders, "seed")),
    "picture grid": Door(
        lambda d: files(d, grid=picture("WEBP", size=(64, 64), lossless=True)) + npz(d, **GRID),
        beside(lambda d: read_picture_grids([d / "grid"], d / "set.npz", "train", LETTERS)),
    ),
    "Tiny-ImageNet": Door(tiny_folder, root(read_tiny, "tiny-imagenet-200")),
    "Tiny-ImageNet in zip": Door(tiny_zip, read_tiny, in_zip),
    "N-MNIST": Door(lambda d: files(d, a=CHANCE.integers(0, 34, (20, 5), np.uint8).tobytes()), read_nmnist_bin),
    "N-MNIST in npz": Door(nmnist, read_nmnist_npz, in_npz),
    "AEDAT 2": Door(aedat2, read_aedat2),
    "AEDAT 3.1": Door(aedat3, lambda p: read_gestures(p.parent / "a.aedat")),
    "list of trials": Door(lambda d: files(d, trials=b"a.aedat\nb.aedat\n"), read_trials),
    "npy": Door(npy, read_npy),
    "score trace": Door(trace, ScoreTrace.read, in_npz),
    "score trace, members": Door(trace, ScoreTrace.read, in_zip),
    "gallery": Door(gallery, Gallery.read, in_npz),
    "STDP weights, lean": Door(partial(stdp_weights, "lean"), read_stdp, in_weights),
    "STDP weights, fspinn": Door(partial(stdp_weights, "fspinn"), read_stdp, in_weights),
    "STDP snapshot, lean": Door(partial(stdp_snapshot, "lean"), partial(learn_from, "lean"), in_weights),
    "STDP snapshot, traces": Door(partial(stdp_snapshot, "diehl_cook"), partial(learn_from, "diehl_cook"), in_weights),
    "deep weights": Door(deep_weights, read_deep, in_weights),
    "fixed-point weights": Door(fixed_weights, read_fixed, in_weights),
    "checkpoint": Door(checkpoint, train_from, in_weights),
    "workload": Door(workload, price_table, in_json),
    "layer table, CSV": Door(lambda d: files(d, net_DOT_csv=TABLE), price_table, in_text),
    "layer table, TOML": Door(lambda d: files(d, net_DOT_toml=TOML), price_table, in_text),
    "platform": Door(
        lambda d: files(d, p_DOT_toml=PLATFORM), lambda p: price(stdp().workload(np.eye(64)[:4]), p), in_text
    ),
    "run": Door(run, root(read_run, "seed"), in_json),
}

# --- tests --------------------------------------------------------------------------------------------------------


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def try_mutants(door, folder, n_mutants, seed=0):
    """Read mutants of a door's files; return how many were read and refused, the longest time, and the memory."""
    seed_folder = folder / "seed"
    seed_folder.mkdir()
    paths = door.make(seed_folder)
    honest = {path: path.read_bytes() for path in paths}
    for path in paths:
        door.read(path)  # the honest file is read, and what reading needs is imported
    n_read, n_refused, slowest, before = 0, 0, 0.0, peak_mb()
    for number in range(n_mutants):
        rng = random.Random(seed * 1_000_003 + number)
        path = paths[number % len(paths)]
        change = door.inside if rng.random() < 0.6 else damaged
        try:
            mutant = change(honest[path], rng)
        except Exception:  # the change does not fit this file, such as a zip's to the text beside it
            mutant = damaged(honest[path], rng)
        path.write_bytes(mutant)
        start = time.perf_counter()
        try:
            door.read(path)
            n_read += 1
        except SpikewiseError as error:
            n_refused += 1
            message = str(error)
            assert message, f"mutant {number} is refused without a word"
            assert len(message) <= MAX_MESSAGE, f"mutant {number}: {message}"
            assert "\n" not in message, f"mutant {number}: {message}"
        except BaseException as error:
            kept = folder / f"mutant-{number}"
            kept.write_bytes(mutant)
            raise AssertionError(f"mutant {number} of {path.name}, kept as {kept}: {type(error)}: {error}") from error
        slowest = max(slowest, time.perf_counter() - start)
        path.write_bytes(honest[path])
    return n_read, n_refused, slowest, peak_mb() - before


@pytest.mark.parametrize("name", DOORS)
def test_a_mutant_is_read_or_refused_in_one_sentence(name, tmp_path):
    n_read, n_refused, _, _ = try_mutants(DOORS[name], tmp_path, QUICK)
    assert n_read + n_refused == QUICK
    assert n_refused  # else the mutants were harmless, and this test shows nothing


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_no_mutant_of_many_breaks_a_reader(name, tmp_path, capsys):
    n_read, n_refused, slowest, above = try_mutants(DOORS[name], tmp_path, LONG, seed=1)
    with capsys.disabled():
        counts = f"{LONG:8,} mutants: {n_read:7,} read, {n_refused:7,} refused"
        print(f"\n{name:24}{counts}, slowest {slowest:.3f} s, peak +{above:.0f} MB")  # noqa: T201 - the report
    assert above < 300  # MB above the process
