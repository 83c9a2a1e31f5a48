"""From the name of a set of recordings to a split, as events and as frames."""

import numpy as np
import pytest

from spikewise.data import Binning, EventSet, load_events, load_images, load_splits
from spikewise.data.catalog.events import event_set_of
from spikewise.data.catalog.registry import named_set
from spikewise.data.catalog.sources import open_source
from spikewise.data.event_augment import EventAugmentation
from spikewise.data.formats.event_checks import EVENT
from spikewise.errors import DataError, ParameterError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data set of this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SPIKEWISE_DATA", raising=False)


def recording(side, n_events=30):
    t = np.sort(RNG.integers(0, 300_000, n_events))
    x, y = RNG.integers(0, side, (2, n_events))
    return list(zip(t.tolist(), x.tolist(), y.tolist(), RNG.integers(0, 2, n_events).tolist(), strict=True))


DIGITS = {"Train": [(recording(34), label) for label in range(10) for _ in range(5)]}
DIGITS["Test"] = [(recording(34), label) for label in range(10)]


def write_nmnist_files(folder, event_files):
    for part, samples in DIGITS.items():
        for i, (events, label) in enumerate(samples):
            path = folder / part / str(label) / f"{i:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(event_files.nmnist(events))


def write_nmnist_npz(folder):
    folder.mkdir(parents=True)
    for part, samples in DIGITS.items():
        samples = samples[::-1]  # another order than that of the files
        t, x, y, p = np.array([event for events, _ in samples for event in events]).T
        np.savez(
            folder / f"{part.lower()}.npz",
            x=x.astype(np.uint8),
            y=y.astype(np.uint8),
            p=p.astype(np.uint8),
            t=t.astype(np.uint32),
            offsets=np.cumsum([0, *(len(events) for events, _ in samples)]),
            labels=np.array([label for _, label in samples], np.uint8),
        )


def write_cifar10_dvs(folder, event_files):
    for name in named_set("cifar10-dvs").classes:
        for i in range(10):
            path = folder / name / f"cifar10_{name}_{i}.aedat"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(event_files.aedat2(recording(128)))


def write_gesture(folder, event_files):
    folder.mkdir(parents=True)
    for part, users in {"train": ["user01_led", "user02_lab"], "test": ["user24_led"]}.items():
        (folder / f"trials_to_{part}.txt").write_text("".join(f"{user}.aedat\n" for user in users))
        for user in users:
            events = recording(128, 2000)
            (folder / f"{user}.aedat").write_bytes(event_files.aedat3(event_files.packet(events)))
            rows = [f"{c},{25_000 * c},{25_000 * (c + 1)}" for c in range(1, 12)]
            table = "class,startTime_usec,endTime_usec\n" + "\n".join(rows) + "\n"
            (folder / f"{user}_labels.csv").write_text(table)


@pytest.fixture
def places(tmp_path, event_files):
    write_nmnist_files(tmp_path / "bin" / "NMNIST", event_files)
    write_nmnist_npz(tmp_path / "npz" / "nmnist")
    write_cifar10_dvs(tmp_path / "dvs" / "cifar10-dvs", event_files)
    write_gesture(tmp_path / "gesture" / "DvsGesture", event_files)
    return tmp_path


def test_files_and_a_collection_of_nmnist_are_one_set(places):
    for split, n_samples in {"train": 40, "validation": 10, "test": 10, "all": 60}.items():
        one, other = (load_events("nmnist", split, places / root, validation_fraction=0.2) for root in ("bin", "npz"))
        assert one.n_samples == n_samples
        assert one.sha256 == other.sha256
        if split != "test":  # that one keeps the order of its files
            assert all(map(np.array_equal, one.recordings, other.recordings))
            assert one.labels.tolist() == other.labels.tolist()


def test_the_test_split_is_the_official_one_in_its_order(places):
    test = load_events("nmnist", "test", places / "bin")
    assert [events.tolist() for events in test.recordings] == [events for events, _ in DIGITS["Test"]]
    assert test.labels.tolist() == [label for _, label in DIGITS["Test"]]


@pytest.mark.parametrize(("name", "root"), [("nmnist", "npz"), ("cifar10-dvs", "dvs"), ("dvs128-gesture", "gesture")])
def test_frames_are_those_of_the_events_and_their_splits_the_same_for_every_binning(places, name, root):
    for n_steps, binning in ((3, None), (5, Binning(by="count", size=(16, 17)))):
        fraction = 0.2 if name != "dvs128-gesture" else 0.5
        splits = load_splits(
            name, places / root, validation_fraction=fraction, n_steps=n_steps, binning=binning, download=False
        )
        for split, images in splits.items():
            events = load_events(name, split, places / root, validation_fraction=fraction)
            expected = events.frames(n_steps, binning)
            np.testing.assert_array_equal(images.images, expected.images)
            np.testing.assert_array_equal(images.labels, expected.labels)
            assert images.n_frames == n_steps
            assert images.shape == (2, *(binning.size if binning else events.sensor))
            assert images.sha256 == expected.sha256
            assert images.images.shape[:2] == (n_steps, images.n_samples)


def test_recordings_without_an_official_test_part_give_up_a_fifth_of_each_class(places):
    splits = load_splits("cifar10-dvs", places / "dvs", n_steps=1)
    assert {split: np.bincount(images.labels).tolist() for split, images in splits.items()} == {
        "train": [7] * 10,
        "validation": [1] * 10,
        "test": [2] * 10,
    }


def test_the_axes_of_cifar10_dvs_are_exchanged(tmp_path, event_files):
    for name in named_set("cifar10-dvs").classes:
        path = tmp_path / name / "a.aedat"
        path.parent.mkdir()
        path.write_bytes(event_files.aedat2([(0, 3, 100, 1)]))
    assert load_events("cifar10-dvs", "all", tmp_path).recordings[0].tolist() == [(0, 100, 3, 1)]


def test_gestures_are_named(places):
    gestures = load_events("dvs128-gesture", "test", places / "gesture")
    assert gestures.labels.tolist() == list(range(11))
    assert gestures.classes[0] == "hand clapping"


def test_one_split_of_frames_alone_is_that_of_all(places):
    alone = load_images("nmnist", "validation", places / "bin", n_steps=2, validation_fraction=0.2)
    together = load_splits("nmnist", places / "bin", n_steps=2, validation_fraction=0.2)["validation"]
    np.testing.assert_array_equal(alone.images, together.images)


def test_the_folder_of_a_set_is_a_name_for_it(places):
    below = {"nmnist": "bin/NMNIST", "cifar10-dvs": "dvs/cifar10-dvs", "dvs128-gesture": "gesture/DvsGesture"}
    for name, folder in below.items():
        by_path, by_name = load_events(places / folder), load_events(name, root=(places / folder).parent)
        assert by_path.sha256 == by_name.sha256
        assert (by_path.name, by_path.classes) == (name, by_name.classes)
    assert event_set_of(places) is None


def some_events():
    recordings = [np.array(recording(9), EVENT) for _ in range(6)]
    return EventSet(recordings, np.arange(6) % 2, ("a", "b"), (9, 9), "own", "all")


def test_a_subset_picks_its_recordings():
    events = some_events()
    for index in (slice(1, 4), [2, 0], events.labels == 1):
        subset = events.subset(index)
        assert subset.labels.tolist() == events.labels[index].tolist()
        assert subset.n_events.tolist() == events.n_events[index].tolist()
    assert np.array_equal(events.subset([2, 0]).recordings[1], events.recordings[0])


def test_the_hash_does_not_depend_on_the_order():
    events = some_events()
    assert events.subset([3, 1, 0, 2, 5, 4]).sha256 == events.sha256
    assert events.subset(slice(5)).sha256 != events.sha256


def test_variants_depend_on_the_seed_and_the_place_only():
    events = some_events()
    augmentation = EventAugmentation(max_shift=2, flip=True, drop=0.3, jitter_us=100)
    one, other, third = (events.varied(augmentation, seed) for seed in (1, 1, 2))
    assert one.sha256 == other.sha256 != third.sha256
    first = events.subset(slice(2)).varied(augmentation, 1)
    assert all(map(np.array_equal, first.recordings, one.recordings[:2]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recordings": []}, "at least one"),
        ({"recordings": [np.zeros((3, 4))] * 2}, "fields t, x, y, p; got float64 of shape"),
        ({"labels": np.array([0])}, "one label per recording"),
        ({"labels": np.array([0, 2])}, r"0\.\.1"),
    ],
)
def test_a_set_that_cannot_be_is_refused_by_name(change, words):
    parts = {"recordings": [np.zeros(3, EVENT)] * 2, "labels": np.array([0, 1]), "classes": ("a", "b")}
    with pytest.raises(DataError, match=rf"own \(all\).*{words}"):
        EventSet(**(parts | change), sensor=(3, 3), name="own", split="all")


def test_recordings_that_are_nowhere_say_where_they_can_be_had(tmp_path):
    for load in (lambda: load_events("nmnist", root=tmp_path), lambda: load_splits("nmnist", tmp_path)):
        with pytest.raises(DataError, match=r"nmnist must lie in .*; it is in none\. Get it from https://"):
            load()


def test_a_name_of_no_recordings_gets_advice(tmp_path):
    with pytest.raises(ParameterError, match="Did you mean 'nmnist'"):
        load_events("n-mnist", root=tmp_path)
    with pytest.raises(ParameterError, match="Did you mean 'validation'"):
        load_events("nmnist", "valid", root=tmp_path)


def test_a_class_folder_without_a_recording_is_not_taken(places):
    for path in (places / "bin" / "NMNIST" / "Test" / "3").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="in none"):
        load_events("nmnist", root=places / "bin")


def test_a_trial_that_is_absent_is_refused_by_name(places):
    (places / "gesture" / "DvsGesture" / "user02_lab.aedat").unlink()
    with pytest.raises(DataError, match=r"user02_lab\.aedat is absent"):
        load_events("dvs128-gesture", root=places / "gesture")


def test_frames_that_would_fill_the_memory_are_refused(places, monkeypatch):
    monkeypatch.setenv("SPIKEWISE_MAX_MEMORY", "100kB")
    with pytest.raises(DataError, match="all frames together must fit"):
        open_source("nmnist", places / "bin", n_steps=2).train()
    with pytest.raises(DataError, match="all frames together must fit"):
        load_events("nmnist", root=places / "bin").frames(2)


def test_the_hash_of_recordings_never_changes():
    events = [np.array([(10 * i, i % 5, i % 3, i % 2)], EVENT) for i in range(8)]
    found = EventSet(events, np.arange(8) % 2, ("a", "b"), (3, 5), "own", "all").sha256
    assert found[:8] == "ecf5ffaf"


def test_events_of_a_set_are_checked_as_those_of_a_file():
    def made(*events):
        return EventSet([np.array(list(events), EVENT)], [0], ("a",), (2, 2), "own", "all")

    unsorted = made((9, 0, 0, 0), (0, 0, 0, 0), (5, 0, 0, 0))
    assert unsorted.recordings[0]["t"].tolist() == [0, 5, 9]
    assert unsorted.frames(3).images.sum((1, 2, 3, 4)).tolist() == [1, 1, 1]
    for event, field in (((0, 0, 0, 2), "p"), ((0, 5, 0, 0), "x"), ((0, 0, 2, 0), "y"), ((-1, 0, 0, 0), "t")):
        with pytest.raises(DataError, match=rf"own \(all\): recording 0: {field} of an event must lie in"):
            made((0, 0, 0, 0), event)
