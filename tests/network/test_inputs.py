import numpy as np
import pytest
import torch

from spikewise.errors import ParameterError, ShapeError
from spikewise.network.inputs import check_images

SHAPE = (1, 2, 2)
HALF = np.full((3, *SHAPE), 0.5)


@pytest.mark.parametrize(
    "images",
    [
        HALF, HALF.astype(np.float16), HALF.astype(">f8"), HALF[:, :, ::-1], HALF.tolist(),
        np.broadcast_to(0.5, HALF.shape), torch.tensor(HALF),
        torch.tensor(HALF, dtype=torch.bfloat16), torch.tensor(HALF, requires_grad=True),
    ],
    ids=["f8", "f2", "big-endian", "reversed", "list", "read-only", "double", "bfloat16", "with gradient"],
)  # fmt: skip
def test_any_kind_of_float_is_the_same_image_and_fits_torch(images):
    found = check_images(images, SHAPE)
    assert found.dtype == np.float32
    assert torch.equal(torch.from_numpy(found), torch.tensor(HALF, dtype=torch.float32))


def test_bytes_are_not_copied():
    images = np.zeros((2, *SHAPE), np.uint8)
    assert check_images(images, SHAPE) is images


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 254.0, 1e300])
def test_a_value_outside_the_unit_range_is_refused_by_name(value):
    with pytest.raises(ParameterError, match=r"floating-point pictures must be finite and lie in \[0, 1\].*255"):
        check_images(np.where(np.arange(4).reshape(1, *SHAPE) == 3, value, 0.0), SHAPE, "pictures")


@pytest.mark.parametrize("images", [np.zeros((1, *SHAPE), dtype) for dtype in (np.int64, bool, complex, "U1")], ids=str)
def test_other_types_are_refused(images):
    with pytest.raises(ParameterError, match="X must be uint8 or floating point"):
        check_images(images, SHAPE)


def test_what_is_no_array_is_refused():
    with pytest.raises(ParameterError, match="X must be a dense array of numbers"):
        check_images([[1.0], [1.0, 2.0]], SHAPE)
    with pytest.raises(ShapeError, match=r"\(B, 1, 2, 2\) with B at least 4; got \(3, 1, 2, 2\)"):
        check_images(HALF, SHAPE, at_least=4)
