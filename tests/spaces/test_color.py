"""The colour space."""

import numpy as np

from blackbox_dft.spaces import make_space


def test_each_coordinate_changes_a_colour_as_documented() -> None:
    space = make_space("color", (4, 4, 3))
    image = np.full((1, 4, 4, 3), (0.6, 0.4, 0.2), np.float32)

    def changed(name: str, z: float) -> np.ndarray:
        vector = np.zeros(space.size)
        vector[space.names.index(name)] = z
        return space.apply(image, vector)[0, 0, 0]

    np.testing.assert_allclose(changed("gain", 1), [0.66, 0.44, 0.22], atol=1e-6)
    np.testing.assert_allclose(changed("bias", 1), [0.65, 0.45, 0.25], atol=1e-6)
    np.testing.assert_allclose(changed("gamma", 1), np.array([0.6, 0.4, 0.2]) ** np.exp(0.1), atol=1e-6)
    luma = np.dot([0.6, 0.4, 0.2], [0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed("saturation", -5), [luma] * 3, atol=1e-6)
    assert changed("temperature", 1)[0] > 0.6 > 0.2 > changed("temperature", 1)[2]
    assert changed("tint", 1)[1] < 0.4
