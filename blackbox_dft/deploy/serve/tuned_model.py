"""The tuned target as a model to serve: images in, probabilities of the user's labels out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Array, Floats, ImageBytes
from blackbox_dft.deploy.prediction_table import PredictionTable
from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.deploy.serve.limits import Limits
from blackbox_dft.deploy.serve.metrics import Metrics
from blackbox_dft.deploy.serve.protocol_v2 import Tensor
from blackbox_dft.deploy.serve.upstream import Prepared, Scoring
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.formats import BadImageError, TooManyPixelsError, open_image
from blackbox_dft.objectives.losses import lacks_score

LABELS = "labels"
"""The output, as in a file of ``bbdft export --fuse``."""
MAX_STRANGE = 2
"""Responses in a row with labels that are not known, and no other, before the target counts as another model."""


class TunedModel:
    """Changes images as ``tuning`` says, has them scored, and maps the scores to labels.

    Args:
        tuning: with an output map.
        scoring: of the target.
        metrics: what is counted.
        limits: of images.
        version: what a response says of the tuning.
        explain_no_score: of the target.
    """

    def __init__(
        self,
        tuning: Tuning,
        scoring: Scoring,
        metrics: Metrics,
        limits: Limits,
        *,
        name: str,
        version: str,
        explain_no_score: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.name, self.version, self.tuning, self.classes = name, version, tuning, tuning.labels
        height, width, depth = tuning.shape
        self.input = Tensor("image", "FP32", (-1, depth, height, width))
        self.outputs = (Tensor(LABELS, "FP32", (-1, len(tuning.labels))),)
        self.platform = "blackbox-dft"
        self._scoring, self._metrics, self._limits = scoring, metrics, limits
        self._explain, self._accepted_hint = explain_no_score, explain_no_score()
        self._strange = 0
        self._threads = ThreadPoolExecutor(cores(), "images")

    async def predict(self, data: bytes) -> dict[str, Any]:
        """The response to one image file: ``label``, ``probabilities`` by label, ``no_score`` and ``version``."""
        probabilities = await self._probabilities(lambda: self._decoded(data)[None])
        (row,) = PredictionTable(self.tuning.labels, ("",), probabilities, ("",)).rows()
        return {
            "label": row["label"],
            "probabilities": row["probabilities"],
            "no_score": row["no_score"],
            "version": self.version,
        }

    async def infer(self, images: Array) -> dict[str, Array]:
        """Probabilities of ``images (N, 3, H, W)``; NaN for those without a score."""

        def rows() -> Array:
            if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
                raise ServiceError(400, "input 'image' holds numbers outside [0, 1]: divide levels by 255")
            return np.ascontiguousarray(images.transpose(0, 2, 3, 1))

        return {LABELS: (await self._probabilities(rows)).astype(np.float32)}

    def headers(self) -> Mapping[str, str]:
        """Of a response."""
        return {}

    def _decoded(self, data: bytes) -> ImageBytes:
        """The image of a file, at the tuning's size."""
        if not data:
            raise ServiceError(400, "the body is empty: send an image file")
        try:
            image = open_image(data)
            if (count := image.size[0] * image.size[1]) > self._limits.pixels:
                raise TooManyPixelsError(f"has {count:,} pixels, more than {self._limits.pixels:,}")
            return self.tuning.fitting(image.decode().image, self.tuning.shape[:2])
        except TooManyPixelsError as error:
            raise ServiceError(413, f"the image {error}: send a smaller one") from error
        except BadImageError as error:
            raise ServiceError(400, f"the body {error}") from error
        except MemoryError as error:
            raise ServiceError(413, "the image is too large for this service: send a smaller one") from error

    async def _probabilities(self, images: Callable[[], Array]) -> Floats:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.deadline

        def prepare() -> list[list[Prepared]]:
            try:
                return self._scoring.prepare(self.tuning.sent_views(images()))
            except InputError as error:
                raise ServiceError(400, str(error)) from error

        prepared = await loop.run_in_executor(self._threads, prepare)
        raw = await self._scoring.scores(prepared, until)
        columns = self.tuning.columns
        if any(one.shape[1] != columns for one in raw):
            raise ServiceError(
                502,
                "the target returns another number of scores than at the run: it is another model now",
                detail=f"{raw[0].shape[1]} instead of {columns}",
            )
        found = self.tuning.decide(raw[0] if len(raw) == 1 else np.stack(raw, axis=1))
        missing = lacks_score(found)
        self._check_labels(bool(missing.all()))
        self._metrics.add("bbdft_predictions_total", len(found))
        self._metrics.add("bbdft_no_score_total", int(missing.sum()))
        return found

    def _check_labels(self, missing: bool) -> None:
        """Refuses a response without a score if it is not the first in a row that says something new instead.

        A service may have labels that the run never saw, so one of them alone does not tell another model. An image
        without a face, say, has no score either, and nothing new is in its response.
        """
        hint = self._explain()
        if not missing:
            self._accepted_hint, self._strange = hint, 0
            return
        if hint == self._accepted_hint:
            return
        self._strange += 1
        if self._strange > MAX_STRANGE:
            raise ServiceError(
                502, "the target returns other labels than at the run: it is another model now", detail=str(hint)
            )

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
