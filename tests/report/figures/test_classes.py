import numpy as np
import pytest
from matplotlib.colors import to_rgb

from spikewise.errors import ParameterError, ShapeError
from spikewise.report.figures.classes import (
    CLASS_COLORS,
    NO_CLASS_COLOR,
    check_paired,
    class_colors,
    one_line_names,
    whole_numbers,
)

# Colours as they are seen without one kind of cone, in linear RGB: Machado, Oliveira and Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", 2009, severity 1.
SIGHT = {
    "typical": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# OKLab: Ottosson, "A perceptual color space for image processing", 2020.
CONES = np.array(
    [[0.4122215, 0.5363325, 0.051446], [0.2119035, 0.6806995, 0.107397], [0.0883025, 0.2817188, 0.6299787]]
)
LAB = np.array(
    [[0.2104543, 0.7936178, -0.004072], [1.9779985, -2.4285922, 0.4505937], [0.025904, 0.7827718, -0.8086758]]
)


def perceived(colors, sight):
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    return np.cbrt(np.clip(linear @ np.transpose(SIGHT[sight]), 0, 1) @ CONES.T) @ LAB.T


@pytest.mark.parametrize("sight", SIGHT)
def test_every_eye_tells_the_classes_apart(sight):
    colors = perceived(np.vstack([class_colors(10), to_rgb(NO_CLASS_COLOR)]), sight)
    distance = np.linalg.norm(colors[:, None] - colors, axis=-1)[~np.eye(len(colors), dtype=bool)]
    assert distance.min() > 0.055  # what is just noticed is about 0.02 in OKLab


def test_more_classes_than_colours_have_one_each():
    assert len(np.unique(class_colors(200).round(9), axis=0)) == 200
    assert class_colors(10).shape == (len(CLASS_COLORS), 3)


def test_names_stand_on_one_line_and_keep_both_ends():
    assert one_line_names(["a\nb", "c$"]) == ["a b", r"c\$"]
    (short,) = one_line_names(["the beginning of a name and its end"])
    assert short.startswith("the begin")
    assert short.endswith("its end")
    with pytest.raises(ParameterError, match="at least one class"):
        one_line_names([])


def test_numbers_that_are_none_are_refused():
    assert whole_numbers("x", np.array([1, 2], np.uint8), 0, 2).dtype == np.int64
    assert whole_numbers("x", [], 0).size == 0
    for values, error in (([0.5], ParameterError), ([3], ParameterError), ([[1]], ShapeError)):
        with pytest.raises(error, match="x must"):
            whole_numbers("x", values, 0, 2)


def test_arrays_of_two_lengths_are_refused():
    check_paired(a=np.zeros(2), b=np.zeros(2))
    with pytest.raises(ShapeError, match="a and b must be equally long"):
        check_paired(a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ShapeError, match="not empty"):
        check_paired(a=np.zeros(0), b=np.zeros(0))
