"""The result: one z and what it takes to apply it to any image, in a file that numpy alone can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import Encoding, to_bytes, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.base import Space

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Tuning:
    """A learned change: ``z (k,)`` in a space, made for images of one size.

    >>> tuning = Tuning.load("RUN/tuning.npz")  # doctest: +SKIP
    >>> changed = tuning(images)  # uint8 (N, H, W, 3) RGB in, the same out  # doctest: +SKIP
    """

    space: str
    z: Floats
    shape: tuple[int, int, int]
    epsilon: float | None = None
    channels: Literal["rgb", "luma"] = "rgb"
    encoding: str = "png"

    def make_space(self) -> Space:
        """The space ``z`` lives in."""
        levels = Encoding.parse(self.encoding).levels
        return make_space(self.space, self.shape, epsilon=self.epsilon, channels=self.channels, levels=levels)

    def __call__(self, images: ImageBytes) -> ImageBytes:
        """Changed 8-bit images, the pixels the model was sent (before any JPEG compression of the encoding).

        Raises:
            InputError: images of another size than the tuning was learned on.
        """
        if images.shape[1:] != self.shape:
            raise InputError(
                f"images of {_size(images.shape[1:])} do not fit a tuning for {_size(self.shape)}: resize them first."
            )
        return to_bytes(self._space.apply(to_floats(images), self.z))

    @cached_property
    def _space(self) -> Space:
        # A service calls with one image at a time, and making a basis takes longer than that image does.
        return self.make_space()

    def save(self, path: str | Path) -> None:
        """Writes the ``.npz``: the arrays ``z`` and ``shape``, the rest as JSON text in ``about``; no pickle."""
        about = {
            "format": FORMAT,
            "space": self.space,
            "epsilon": self.epsilon,
            "channels": self.channels,
            "encoding": self.encoding,
        }
        write_atomically(
            path, lambda file: np.savez(file, z=self.z, shape=np.array(self.shape), about=np.array(json.dumps(about)))
        )

    @classmethod
    def load(cls, path: str | Path) -> Tuning:
        """Reads what ``save`` wrote, or the ``tuning.npz`` of a run folder.

        Raises:
            InputError: no such file, or not a tuning.
        """
        path = Path(path)
        path = path / "tuning.npz" if path.is_dir() else path
        try:
            with np.load(path, allow_pickle=False) as file:
                about: dict[str, Any] = json.loads(str(file["about"]))
                z, shape = np.asarray(file["z"], np.float64), tuple(int(n) for n in file["shape"])
            if about.pop("format") != FORMAT or len(shape) != 3:
                raise ValueError("written by another version")
            return cls(z=z, shape=(shape[0], shape[1], shape[2]), **about)
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist: a finished run holds its tuning there.") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(
                f"{path} is not a tuning of bbdft ({error}): give a run folder or its tuning.npz."
            ) from error


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
