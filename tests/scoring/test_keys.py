"""Keys: what shares scores and what does not."""

from types import SimpleNamespace

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.spaces import make_space


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


def test_mirrored_images_have_the_keys_of_versions_without_other_borders() -> None:
    target = SimpleNamespace(fingerprint="model")
    z, image = np.ones((1, 10)), [digest("x")]

    def key(spec: str) -> list[bytes]:
        space = make_space(spec, (8, 8, 3))
        return Keys.of_run(target, Encoding(), (8, 8, 3), space, fused=False).of(image, z, [0])  # type: ignore[arg-type]

    early = Keys("model png 8x8x3", "affine+color None None", np.zeros(10)).of(image, z, [0])
    assert key("affine:mirror+color") == early
    assert len({early[0], *key("affine+color"), *key("affine:black+color"), *key("affine:mean+color")}) == 4
    assert key("affine:edge+color") == key("affine+color")
