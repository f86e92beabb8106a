"""Keys of the ledger: digests of what determines the image that is sent."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from blackbox_dft._utils.hashing import KEY_BYTES, digest
from blackbox_dft._utils.types import Floats
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.specs import to_file
from blackbox_dft.targets.base import Target


class Keys:
    """Computes a query's key from what determines the image sent, without looking at its pixels.

    An unchanged image has the same key under every space, so that its scores are shared.

    Args:
        sent: what holds for all images, changed or not: fingerprint of the target, encoding, working size.
        space: the space and all else that decides what z does to an image.
        identity: the z ``(k,)`` that leaves images as they are.
        views: keys of longer candidates, the views of the space.
    """

    def __init__(self, sent: str, space: str, identity: Floats, views: Keys | None = None) -> None:
        self._unchanged = digest(sent, "unchanged")
        self._identity, self._views = identity, views
        # The prefix of ``digest(changed, z)`` for any z.
        self._prefix = blake2b(digest_size=KEY_BYTES)
        self._prefix.update(KEY_BYTES.to_bytes(8, "little") + digest(sent, space))
        self._prefix.update(identity.nbytes.to_bytes(8, "little"))

    @classmethod
    def of_run(
        cls,
        target: Target,
        encoding: Encoding,
        shape: tuple[int, int, int] | Fitting,
        space: Space,
        *,
        fused: bool,
        views: Keys | None = None,
    ) -> Keys:
        """Keys of a run on images of ``shape (H, W, C)``; or of sizes of their own, made smaller as a fitting says.

        The digest of an image that keeps its size is that of its file, so the fitting is all else that decides it.
        """
        size = str(shape) if isinstance(shape, Fitting) else "x".join(map(str, shape))
        text = f"{to_file(space.spec)} {getattr(space, 'epsilon', None)} {getattr(space, 'channels', None)}"
        # The array path and the fused path differ in the last bits.
        text += " fused" if fused else ""
        return cls(f"{target.fingerprint} {encoding} {size}", text, space.initial(), views)

    def of(self, images: Sequence[bytes], candidates: Floats, rows: Sequence[int]) -> list[bytes]:
        """Keys of queries ``(Q,)``: image digests ``images[q]`` changed by ``candidates[rows[q]]``."""
        candidates = np.ascontiguousarray(candidates, np.float64)
        if self._views and candidates.shape[1] != len(self._identity):
            return self._views.of(images, candidates, rows)
        changed = (candidates != self._identity).any(axis=1).tolist()
        joined, size = candidates.tobytes(), self._identity.nbytes
        prefix, unchanged, hashed = self._prefix, self._unchanged, blake2b
        stems = []
        # Of each query in a search: as few steps as can be.
        for row, moved in enumerate(changed):
            if moved:
                hasher = prefix.copy()
                hasher.update(joined[row * size : (row + 1) * size])
                stems.append(hasher.digest())
            else:
                stems.append(unchanged)
        return [
            hashed(image, digest_size=KEY_BYTES, key=stems[row]).digest()
            for image, row in zip(images, rows, strict=True)
        ]
