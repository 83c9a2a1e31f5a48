import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spikewise.learn.gradient.optimize import learning_rate
from spikewise.learn.gradient.settings import FitSettings


@given(st.floats(0, 1), st.sampled_from(["one_cycle", "cosine"]))
def test_the_learning_rate_stays_between_nothing_and_its_peak(progress, schedule):
    settings = FitSettings(lr=0.3, schedule=schedule)
    assert -1e-12 <= learning_rate(settings, progress) <= 0.3 + 1e-12


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0}, {"loss": "mean"}, {"speed": 1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FitSettings(**wrong)


@pytest.mark.parametrize("epochs", [1, 2, 7, 30])
@pytest.mark.parametrize("growth", [0.0, 0.3, 0.75, 0.99])
def test_timesteps_grow_evenly_to_all_of_them(epochs, growth):
    settings = FitSettings(epochs=epochs, growth=growth, n_steps=5)
    steps = [settings.most_steps(epoch) for epoch in range(1, epochs + 1)]
    assert steps == sorted(steps)
    assert steps[-1] == 5
    assert all(most == 5 for epoch, most in enumerate(steps) if epoch >= growth * epochs)
    growing = [most for epoch, most in enumerate(steps[:-1]) if epoch < growth * epochs]
    assert 5 not in growing
    counts = [growing.count(most) for most in range(1, 5)]
    assert max(counts) - min(counts) <= 1 + (growth * epochs > epochs - 1)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in FitSettings.model_fields.values())


@pytest.mark.parametrize("wrong", [{"n_steps": 2, "n_steps_min": 3}, {"loss": "static", "regularization": 0.1}])
def test_settings_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(ValidationError, match=list(wrong)[-1]):
        FitSettings(**wrong)
