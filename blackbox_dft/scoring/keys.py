"""Keys of answers: digests of what determines the image sent."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from blackbox_dft._utils.hashing import KEY_BYTES, digest
from blackbox_dft._utils.types import Floats


class Keys:
    """Makes an answer's key out of what determines the image sent, without looking at its pixels.

    The unchanged image has the same key under every space, so that unperturbed scores are shared.

    Args:
        sent: what holds for all images, changed or not: fingerprint of the target, encoding, working size.
        space: the space and all that decides what z does to an image.
        identity: the z at which images stay as they are.
    """

    def __init__(self, sent: str, space: str, identity: Floats) -> None:
        self._unchanged = digest(sent, "unchanged")
        self._identity = identity
        # What ``digest(changed, z)`` begins with for any z.
        self._begun = blake2b(digest_size=KEY_BYTES)
        self._begun.update(KEY_BYTES.to_bytes(8, "little") + digest(sent, space))
        self._begun.update(identity.nbytes.to_bytes(8, "little"))

    def of(self, images: Sequence[bytes], candidates: Floats, rows: Sequence[int]) -> list[bytes]:
        """Keys of the queries ``(Q,)``: image digests ``images[q]`` changed by ``candidates[rows[q]]``."""
        candidates = np.ascontiguousarray(candidates, np.float64)
        changed = (candidates != self._identity).any(axis=1).tolist()
        stems = [self._stem(z) if moved else self._unchanged for z, moved in zip(candidates, changed, strict=True)]
        return [
            blake2b(image, digest_size=KEY_BYTES, key=stems[row]).digest()
            for image, row in zip(images, rows, strict=True)
        ]

    def _stem(self, z: Floats) -> bytes:
        hasher = self._begun.copy()
        hasher.update(z.tobytes())
        return hasher.digest()
