"""Keys: what shares scores and what does not."""

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft.scoring.keys import Keys


def test_unchanged_images_share_their_key_between_spaces() -> None:
    images = [digest("x"), digest("y")]
    dct, color = Keys("model", "dct:8", np.zeros(4)), Keys("model", "color", np.zeros(2))
    assert dct.of(images, np.zeros((1, 4)), [0, 0]) == color.of(images, np.zeros((1, 2)), [0, 0])
    other = Keys("model", "grid:2", np.zeros(4))
    assert dct.of(images, np.ones((1, 4)), [0, 0]) != other.of(images, np.ones((1, 4)), [0, 0])
    assert len(set(dct.of(images, np.array([np.ones(4), np.zeros(4)]), [0, 1]))) == 2
    assert dct.of(images, np.ones((1, 4)), [0, 0]) != Keys("other", "dct:8", np.zeros(4)).of(
        images, np.ones((1, 4)), [0, 0]
    )
