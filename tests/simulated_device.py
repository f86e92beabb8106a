"""A simulated GPU: an ONNX target whose calls take a fixed time and hardly any processor time.

A call takes 1 ms, and 10 µs for each of its images. Calls come one after the other, as on one CUDA stream, and several
threads may wait for theirs. The scores are a simple function of the image and z, which no image has to be changed for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images, Scores
from blackbox_dft.fusion.scoring_graph import INDICES, POOL, Z
from blackbox_dft.targets.base import GraphTarget, Target
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.options import TargetOptions
from tests.helpers.models import tone_model

if TYPE_CHECKING:
    from onnx import ModelProto

CALL, IMAGE = 1e-3, 10e-6
"""Seconds of a call, and of each of its images."""
BATCH = 256
"""Images of a call, as of an ONNX target on a GPU."""


class Stream:
    """What runs one call after the other; says how long it was busy."""

    def __init__(self, call: float = CALL, image: float = IMAGE) -> None:
        self.call, self.image = call, image
        self.busy = 0.0
        """Seconds."""
        self.calls = self.images = 0
        self._free_at = 0.0
        self._lock = threading.Lock()

    def __call__(self, images: int) -> None:
        """Returns when a call of ``images`` images has ended."""
        took = self.call + self.image * images
        with self._lock:
            # A sleep ends a little late, so the end is set by when the device could begin: the average holds.
            ends = self._free_at = max(time.perf_counter(), self._free_at) + took
            self.busy += took
            self.calls += 1
            self.images += images
        time.sleep(max(0.0, ends - time.perf_counter()))


class SimulatedDevice(Target, GraphTarget):
    """Two classes, dark and bright; a z shifts their log-odds, by most at ``far`` in each of its coordinates.

    Args:
        model: an ONNX file of an image model of classes ``dark`` and ``bright`` by mean brightness (``tiny``'s).
        stream: what calls wait for.
        delay: called before each call, such as to let it wait for a random time.
    """

    classes = ("dark", "bright")
    batch, workers, max_batch = BATCH, 2, None
    provider = "cuda"
    head_widths = ()
    far = 1.5

    def __init__(
        self, model: Path, stream: Stream | None = None, delay: Callable[[], None] = lambda: None, side: int = 16
    ) -> None:
        self.path, self.files = model, (model,)
        self.name = self.fingerprint = f"simulated-device-{side}"
        self.image_size = (side, side)
        self.stream, self._delay = stream or Stream(), delay
        self.input_format = InputFormat("nchw", "rgb", "0..1", None, None, "float32", self.image_size, None)

    @property
    @override
    def resolved_options(self) -> TargetOptions:
        return TargetOptions()

    @override
    def graph(self) -> ModelProto:
        import onnx

        return onnx.load(self.path)

    @override
    def float16_error(self, images: ImageBytes) -> float | None:
        return None

    @override
    def scores(self, images: ImageBytes | Images) -> Scores:
        mean = images.mean(axis=(1, 2, 3)) / (255 if images.dtype == np.uint8 else 1)
        return self._scores(self._log_odds(mean))

    @override
    def place(self, array: Array) -> Array:
        return array

    @override
    def open_graph(
        self, model: bytes, *, keep_quantizers: bool, constants: Mapping[str, Array]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        odds = self._log_odds(constants[POOL].mean(axis=(1, 2, 3)) / 255)

        def run(inputs: Mapping[str, Array], count: int) -> Scores:
            z = np.asarray(inputs[Z], np.float64)
            return self._scores(odds[inputs[INDICES]] + self.shift(z))

        return run

    def shift(self, z: Floats) -> Floats:
        """What each of ``z (N, k)`` adds to the log-odds of bright: 0 without a change, 3 at most."""
        return np.asarray(3 - 3 * ((z / self.far - 1) ** 2).mean(axis=1), np.float64)

    def _log_odds(self, mean: Floats) -> Floats:
        return np.asarray(80 * (mean - 0.5), np.float64)

    def _scores(self, odds: Floats) -> Scores:
        self._delay()
        self.stream(len(odds))
        bright = 1 / (1 + np.exp(-odds))
        return np.stack([1 - bright, bright], 1).astype(np.float32)

    @override
    def describe(self) -> dict[str, Any]:
        return {"target": self.name, "provider": "cuda", "classes": self.classes, "notes": []}


def write_device(folder: Path, count: int, side: int = 16) -> None:
    """Writes what a run on a device needs: ``model.onnx``, and ``labels.csv`` with its images, all too dark."""
    import cv2

    onnx.save(tone_model(np.array([[-40.0, 40.0]]), np.array([20.0, -20.0]), side), folder / "model.onnx")
    rng = np.random.default_rng(0)
    lines = ["file,label"]
    for number in range(count):
        level = 0.46 + 0.04 * (number % 2) + rng.normal(0, 0.02)
        pixels = (255 * level + rng.normal(0, 8, (side, side, 3))).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
        lines.append(f"{number}.png,{SimulatedDevice.classes[number % 2]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def brightness(images: ImageBytes) -> Floats:
    """A function that takes as long as the device, for ``module:function``."""
    STREAM(len(images))
    bright = 1 / (1 + np.exp(-80 * (images.mean(axis=(1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - bright, bright], 1)


STREAM = Stream()
