import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.learn.fit import FitSettings, fit, learning_rate
from spikewise.network import build_model

SETTINGS = FitSettings(epochs=3, batch_size=16, n_steps=2, max_shift=1, flip=True, lr=1e-2)


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


def test_the_kept_weights_are_those_of_the_best_validation_epoch(trained):
    model, result = trained
    best = max(result.history, key=lambda row: (row.validation_accuracy, -row.validation_loss))
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
    def kill(record):
        if record.epoch == killed_after:
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
    assert not called


def test_a_checkpoint_of_another_run_or_none_at_all_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    short = SETTINGS.model_copy(update={"epochs": 1})
    fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path)
    with pytest.raises(ParameterError, match="differs in settings"):
        fit(small_model(), TRAIN, VALIDATION, SETTINGS, checkpoint=path, resume=True)
    with pytest.raises(ParameterError, match="differs in data"):
        fit(small_model(), VALIDATION, TRAIN, short, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="must be weights written by spikewise"):
        fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path, resume=True)


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
    with pytest.raises(DataError, match=r"checksum.*Delete it and run the command again"):
        fit(small_model(), TRAIN, VALIDATION, short, checkpoint=path, resume=True)


def test_torchs_own_random_state_and_threads_are_left_alone():
    state, n_threads = torch.random.get_rng_state(), torch.get_num_threads()
    fit(small_model(), TRAIN, VALIDATION, SETTINGS.model_copy(update={"epochs": 1, "threads": 2}))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads


def test_a_diverging_run_says_so():
    model = small_model()
    with torch.no_grad():
        model.readout.weight.fill_(float("nan"))
    with pytest.raises(ParameterError, match="must stay finite; got nan in epoch 1"):
        fit(model, TRAIN, VALIDATION, SETTINGS)


@pytest.mark.parametrize(
    ("train", "error", "message"),
    [
        ((TRAIN[0][:, 0], TRAIN[1]), ShapeError, "train images"),
        ((TRAIN[0], TRAIN[1][:-1]), ShapeError, "one label per image"),
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


@given(st.floats(0, 1), st.sampled_from(["one_cycle", "cosine"]))
def test_the_learning_rate_stays_between_nothing_and_its_peak(progress, schedule):
    settings = FitSettings(lr=0.3, schedule=schedule)
    assert -1e-12 <= learning_rate(settings, progress) <= 0.3 + 1e-12


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0}, {"loss": "mean"}, {"speed": 1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FitSettings(**wrong)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in FitSettings.model_fields.values())
