"""The tanh space."""

import numpy as np

from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces import make_space
from tests.helpers.models import SHAPE


def test_tanh_adds_inside_a_tanh() -> None:
    space = make_space("tanh", SHAPE, epsilon=1.0, levels=False)
    rng = np.random.default_rng(0)
    batch = to_floats(rng.integers(1, 255, (2, *SHAPE), dtype=np.uint8))
    z = 5 * rng.normal(size=space.size)
    inside = np.arctanh(2 * batch.astype(np.float64) - 1) + z.reshape(SHAPE) * 16 / 255
    np.testing.assert_allclose(space.apply(batch, z), (np.tanh(inside) + 1) / 2, atol=2e-6)
    # Nothing leaves the range however far it goes, and black and white stay.
    ends = np.stack([np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)])
    for far in (1e9, -1e9):
        np.testing.assert_array_equal(space.apply(ends, np.full(space.size, far)), ends)
