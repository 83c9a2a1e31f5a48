import csv
import shutil

import numpy as np
import pytest
import torch

from spikewise.data.augmentation import Augmentation
from spikewise.errors import DataError, ParameterError, RunError, ShapeError
from spikewise.learn.gradient.average import measure_statistics
from spikewise.learn.gradient.fit import fit
from spikewise.learn.gradient.settings import FitSettings
from spikewise.network import OwnSpec, build_model
from spikewise.network.protocol import run_steps

SETTINGS = FitSettings(epochs=3, batch_size=16, n_steps=2, augment=Augmentation(max_shift=1, flip=True), lr=1e-2)


def data(n, seed):
    """Bright half above or below: two classes that a small network learns at once."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    images = rng.integers(0, 100, (n, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 4 * label : 4 * label + 4] += 150
    return images, labels


TRAIN, VALIDATION = data(50, 0), data(30, 1)


def small_model(seed=0):
    return build_model("vgg5", (1, 8, 8), 2, width=0.1, seed=seed)


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors gain nothing from a second thread, and waiting for one costs seconds on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def trained():
    model = small_model()
    return model, fit(model, TRAIN, VALIDATION, SETTINGS)


def test_training_learns():
    model = build_model("vgg5", (1, 8, 8), 2, width=0.25)
    # Neither flip nor shift: the classes differ in where an image is bright.
    result = fit(model, TRAIN, VALIDATION, FitSettings(epochs=6, batch_size=16, n_steps=2, lr=1e-2))
    assert result.n_epochs == 6
    assert result.history[-1].loss < result.history[0].loss
    assert result.best_validation_accuracy > 0.9
    assert not model.training


def test_the_kept_weights_are_those_of_the_last_epoch_within_an_error_of_the_highest(trained):
    model, result = trained
    highest = max(row.validation_accuracy for row in result.history)
    error = (highest * (1 - highest) / len(VALIDATION[1])) ** 0.5
    best = [row for row in result.history if row.validation_accuracy >= highest - error][-1]
    assert result.best_epoch == best.epoch
    with torch.no_grad():
        right = model(torch.as_tensor(VALIDATION[0]), 2).sum(0).argmax(1).numpy() == VALIDATION[1]
    assert right.mean() == pytest.approx(best.validation_accuracy)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(trained):
    again, other = small_model(), small_model()
    fit(again, TRAIN, VALIDATION, SETTINGS)
    fit(other, TRAIN, VALIDATION, SETTINGS.model_copy(update={"seed": 1}))
    assert same_weights(again, trained[0])
    assert not same_weights(other, trained[0])


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_killed_and_resumed_run_ends_in_the_same_weights(trained, tmp_path, killed_after):
    def kill(moment):
        if moment.record and moment.record.epoch == killed_after:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=path, progress=kill)
    model = small_model(seed=7)  # its own weights must not matter
    result = fit(model, TRAIN, VALIDATION, SETTINGS, checkpoint=path, resume=True)
    assert same_weights(model, trained[0])
    assert [row.loss for row in result.history] == [row.loss for row in trained[1].history]


def test_resuming_a_finished_run_only_restores_it(trained, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=path)
    model = small_model(seed=7)
    called = []
    fit(model, TRAIN, VALIDATION, SETTINGS, checkpoint=path, resume=True, progress=called.append)
    assert same_weights(model, trained[0])
    assert [moment.epochs_done for moment in called] == [3]


def test_a_finished_run_goes_on_with_more_epochs(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    short, long = (SETTINGS.model_copy(update={"epochs": epochs}) for epochs in (2, 4))
    before = fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path)
    # The file of an interrupted run, after its third epoch.
    interrupted = tmp_path / "interrupted.safetensors"
    shutil.copy(path, interrupted)

    def stop(moment):
        if moment.epochs_done == 3:
            raise KeyboardInterrupt

    whole, parts = small_model(seed=5), small_model(seed=6)
    after = fit(whole, TRAIN, VALIDATION, long, checkpoint=path, resume=True)
    assert after.n_epochs == 4
    assert after.history[:2] == before.history
    with pytest.raises(KeyboardInterrupt):
        fit(parts, TRAIN, VALIDATION, long, checkpoint=interrupted, resume=True, progress=stop)
    fit(parts, TRAIN, VALIDATION, long, checkpoint=interrupted, resume=True)
    assert same_weights(whole, parts)
    with pytest.raises(ParameterError, match=r"differs in settings\.epochs"):  # fewer, or while it is unfinished
        fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path, resume=True)


def test_a_checkpoint_of_another_run_or_none_at_all_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    short = SETTINGS.model_copy(update={"epochs": 1})
    fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path)
    faster = short.model_copy(update={"lr": 0.3})
    with pytest.raises(ParameterError, match=r"differs in settings\.lr"):
        fit(small_model(), TRAIN, VALIDATION, faster, checkpoint=path, resume=True)
    with pytest.raises(ParameterError, match="differs in data"):
        fit(small_model(), VALIDATION, TRAIN, short, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="must be weights written by spikewise"):
        fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_place_where_no_checkpoint_can_be_is_refused_before_any_work(tmp_path, resume):
    begun = []
    for place, error, words in ((tmp_path, ParameterError, "got the folder"), (tmp_path / "a" / "b", RunError, "none")):
        with pytest.raises(error, match=words):
            fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=place, resume=resume, progress=begun.append)
    assert not begun


def test_images_of_double_precision_train_the_same_network():
    settings = SETTINGS.model_copy(update={"epochs": 1})
    one, other = small_model(), small_model()
    fit(one, (TRAIN[0] / 256, TRAIN[1]), (VALIDATION[0] / 256, VALIDATION[1]), settings)  # exact in both types
    single = [np.float32(images / 256) for images in (TRAIN[0], VALIDATION[0])]
    fit(other, (single[0], TRAIN[1].astype(float)), (single[1], VALIDATION[1]), settings)
    assert same_weights(one, other)


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    short = SETTINGS.model_copy(update={"epochs": 1})
    fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"checksum.*without one, delete it and train again"):
        fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path, resume=True)


def test_torchs_own_random_state_and_threads_are_left_alone():
    state, n_threads = torch.random.get_rng_state(), torch.get_num_threads()
    fit(small_model(), TRAIN, VALIDATION, SETTINGS.model_copy(update={"epochs": 1, "threads": 2}))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads


def test_a_diverging_run_says_so():
    model = small_model()
    spoil = lambda _: model.readout.weight.data.fill_(float("nan"))  # noqa: E731 - when training has begun
    with pytest.raises(ParameterError, match="must stay finite; got nan in epoch 1"):
        fit(model, TRAIN, VALIDATION, SETTINGS, progress=spoil)


def test_neurons_that_nan_keeps_silent_are_noticed():
    model = small_model()
    spoil = lambda _: model.layers["conv1"].synapses.weight.data.fill_(float("nan"))  # noqa: E731
    with pytest.raises(ParameterError, match=r"the weights must stay finite; layers\.conv1.* after epoch 1.*Lower lr"):
        fit(model, TRAIN, VALIDATION, SETTINGS, progress=spoil)


@pytest.mark.parametrize(
    ("train", "error", "message"),
    [
        ((TRAIN[0][:, 0], TRAIN[1]), ShapeError, "train images"),
        ((TRAIN[0], TRAIN[1][:-1]), ShapeError, "one label per sample"),
        ((TRAIN[0], TRAIN[1] + 1), ParameterError, r"0\.\.1; got 1\.\.2"),
        ((TRAIN[0].astype(np.int64), TRAIN[1]), ParameterError, "uint8"),
        ((TRAIN[0] * np.nan, TRAIN[1]), ParameterError, "train images must be finite"),
        ((TRAIN[0].astype(float), TRAIN[1]), ParameterError, "Divide by 255"),
        ((TRAIN[0], TRAIN[1] + 0.4), ParameterError, "train labels must hold whole numbers; got"),
    ],
)
def test_data_that_do_not_fit_the_model_are_refused(train, error, message):
    with pytest.raises(error, match=message):
        fit(small_model(), train, VALIDATION, SETTINGS)


def test_updates_take_the_timesteps_of_their_epoch_and_validation_all(monkeypatch):
    asked = []
    model = small_model()
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda images, n_steps: asked.append(n_steps) or forward(images, n_steps))
    settings = FitSettings(epochs=4, growth=0.5, n_steps=3, batch_size=len(TRAIN[1]))
    result = fit(model, TRAIN, VALIDATION, settings)
    assert {len(row.accuracy_by_step) for row in result.history} == {3}
    # An update, the statistics of all timesteps where it took fewer, and the validation images.
    assert asked == [1, 3, 3, 2, 3, 3, 3, 3, 3, 3]


RICH = SETTINGS.model_copy(
    update={
        "optimizer": "sgd", "lr": 0.05, "ema": 0.9, "n_steps_min": 1, "distill": 0.5, "clip_norm": 1.0, "growth": 0.5,
        "augment": Augmentation(max_shift=1, cutout=2, mixup=0.3), "schedule": "cosine", "warmup": 0.1,
    }
)  # fmt: skip


MUON = SETTINGS.model_copy(update={"optimizer": "muon"})


@pytest.mark.parametrize("settings", [SETTINGS, RICH, MUON], ids=["plain", "rich", "muon"])
def test_killed_after_any_update_it_ends_the_same(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("spikewise.learn.gradient.fit._CHECKPOINT_S", 0.0)  # a checkpoint after every update
    monkeypatch.setattr("spikewise.learn.gradient.fit._REPORT_S", 0.0)
    moments = []
    whole = small_model()
    expected = fit(whole, TRAIN, VALIDATION, settings, progress=moments.append)
    for kill_at in range(2, len(moments), 3):  # the first is before any update
        calls = 0

        def kill(moment, kill_at=kill_at):
            nonlocal calls
            calls += 1
            if calls == kill_at:
                raise KeyboardInterrupt

        path = tmp_path / f"{kill_at}.safetensors"
        with pytest.raises(KeyboardInterrupt):
            fit(small_model(), TRAIN, VALIDATION, settings, checkpoint=path, progress=kill)
        torch.rand(3)  # whatever torch drew meanwhile
        resumed = small_model(seed=7)
        found = fit(resumed, TRAIN, VALIDATION, settings, checkpoint=path, resume=True)
        assert same_weights(resumed, whole)
        for one, other in zip(found.history, expected.history, strict=True):
            assert (one.loss, one.validation_loss) == (other.loss, other.validation_loss)


def test_the_epochs_are_logged_once_whatever_happens(tmp_path):
    def kill(moment):
        if moment.record and moment.record.epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=path, progress=kill, logs=tmp_path)
    result = fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=path, resume=True, logs=tmp_path)
    with open(tmp_path / "training.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == [row.loss for row in result.history]
    assert [float(row["accuracy_step_2"]) for row in rows] == [row.validation_accuracy for row in result.history]


def test_the_last_step_of_the_accuracies_is_the_accuracy(trained):
    for row in trained[1].history:
        assert len(row.accuracy_by_step) == SETTINGS.n_steps
        assert row.accuracy_by_step[-1] == row.validation_accuracy


def test_averaged_weights_are_kept_with_statistics_of_their_own():
    model = small_model()
    fit(model, TRAIN, VALIDATION, SETTINGS.model_copy(update={"ema": 0.9, "epochs": 1}))
    plain = small_model()
    fit(plain, TRAIN, VALIDATION, SETTINGS.model_copy(update={"epochs": 1}))
    assert not same_weights(model, plain)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    batches = [torch.as_tensor(TRAIN[0]).float() / 255]
    measure_statistics(model, batches, SETTINGS.n_steps)
    # Measured on batches of the same images, so nearly what one batch of all of them gives.
    for norm, mean in zip(norms, before, strict=True):
        torch.testing.assert_close(norm.running_mean, mean, rtol=0.1, atol=0.02)


def test_bfloat16_trains_and_keeps_weights_in_single_precision():
    model = small_model()
    result = fit(model, TRAIN, VALIDATION, SETTINGS.model_copy(update={"precision": "bfloat16"}))
    assert result.precision == "bfloat16"
    assert result.history[-1].loss < result.history[0].loss
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match=r"device must be one that this machine has \(cpu"):
        fit(small_model(), TRAIN, VALIDATION, SETTINGS.model_copy(update={"device": "cuda:99"}))


def test_a_network_of_ones_own_trains_on_recordings():
    class Own(torch.nn.Module):
        spec = OwnSpec("own", (1, 8, 8), 2)

        def __init__(self):
            super().__init__()
            self.hidden, self.drop, self.out = torch.nn.Linear(64, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 2)

        def start(self, images):
            return images.float(), 0

        def step(self, state):
            frames, t = state
            return self.out(self.drop(self.hidden(frames[t].flatten(1)).relu())), (frames, t + 1)

        def forward(self, images, n_steps):
            return run_steps(self, images, n_steps)

    def recordings(pair):
        return np.stack([pair[0]] * 3), pair[1]

    settings = FitSettings(epochs=4, batch_size=16, n_steps=2, lr=1e-2)
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        own = Own()
        result = fit(own, recordings(TRAIN), recordings(VALIDATION), settings)
        weights.append(own)
    assert result.best_validation_accuracy > 0.9
    assert same_weights(*weights)  # dropout too is a function of the seed


def test_an_odd_number_of_images_leaves_no_batch_of_one():
    settings = FitSettings(epochs=1, batch_size=2, n_steps=1)
    found = fit(small_model(), data(5, 0), data(8, 1), settings)  # batch normalisation of one image would fail
    assert len(found.history) == 1


def test_training_without_gradients_is_refused_before_work():
    with torch.no_grad(), pytest.raises(ParameterError, match=r"gradients must be on.*Leave torch\.no_grad"):
        fit(small_model(), TRAIN, VALIDATION, SETTINGS)
    with pytest.raises(ParameterError, match="some weights must learn; requires_grad is false for all"):
        fit(small_model().requires_grad_(False), TRAIN, VALIDATION, SETTINGS)
    model = small_model()
    model.readout.bias.data.fill_(float("inf"))
    with pytest.raises(ParameterError, match=r"weights must be finite.*readout\.bias"):
        fit(model, TRAIN, VALIDATION, SETTINGS)
