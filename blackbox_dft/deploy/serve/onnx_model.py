"""An ONNX file as a model to serve: its own input and outputs, dynamically batched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.deploy.serve.batching import Batcher
from blackbox_dft.deploy.serve.protocol_v2 import Tensor
from blackbox_dft.errors import TargetError
from blackbox_dft.targets.onnx.all_outputs import JOINED
from blackbox_dft.targets.onnx.target import OnnxTarget

V2_TYPES = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(double)": "FP64",
    "tensor(uint8)": "UINT8",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
}


class OnnxModel:
    """Serves ``target``.

    A model without a batch axis is served with one. Outputs whose first axis is not the batch are left out, as their
    values could not be assigned to the requests of a batch.

    Args:
        target: the model.
        name: in the URL.
        max_batch: images that the model gets at once.
        max_wait: seconds that a request waits for others to join its batch.

    >>> from blackbox_dft.demo import assets
    >>> OnnxModel(OnnxTarget(assets() / "digits.onnx"), "digits").outputs
    (Tensor(name='digit', datatype='FP32', shape=(-1, 10)),)
    """

    def __init__(self, target: OnnxTarget, name: str, *, max_batch: int = 64, max_wait: float = 0.002) -> None:
        self._target, self.name, self.classes = target, name, target.classes
        self.platform = "onnxruntime_onnx"
        batched = target.input_format.batched
        served = _served_outputs(target)
        self.outputs = tuple(Tensor(o.name, V2_TYPES[o.type], (-1, *_row_shape(o.shape, batched))) for o in served)
        sides = _shape(target.input.shape[1:] if batched else target.input.shape)
        self.input = Tensor(target.input.name, V2_TYPES[target.input.type], (-1, *sides))
        self._step = target.input_format.batch or max_batch
        self._batcher = Batcher(self._run, max_batch=max_batch, max_wait=max_wait, workers=target.workers)

    async def infer(self, images: Array) -> dict[str, Array]:
        """All outputs of ``images (N, ...)``."""
        return await self._batcher(images)

    def headers(self) -> Mapping[str, str]:
        """How many images have been run in how many batches."""
        return {"x-batches": f"{self._batcher.images}/{self._batcher.batches}"}

    def _run(self, images: Array) -> dict[str, Array]:
        pieces = [self._forward(images[start : start + self._step]) for start in range(0, len(images), self._step)]
        joined = pieces[0] if len(pieces) == 1 else [np.concatenate(rows) for rows in zip(*pieces, strict=True)]
        return dict(zip((output.name for output in self.outputs), joined, strict=True))

    def _forward(self, part: Array) -> list[Array]:
        target, names = self._target, [output.name for output in self.outputs]
        batch, batched = target.input_format.batch, target.input_format.batched
        filled = part
        if batch is not None:
            filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        raw = target.session.run(names, {target.input.name: filled if batched else filled[0]})
        if not batched:
            raw = [rows if rows.ndim > 1 and len(rows) == 1 else rows[None] for rows in raw]
        for output, rows in zip(names, raw, strict=True):
            if rows.ndim == 0 or len(rows) != len(filled):
                raise TargetError(f"output {output!r} has shape {list(rows.shape)} for {len(filled)} images")
        return [rows[: len(part)] for rows in raw]


def _served_outputs(target: OnnxTarget) -> list[Any]:
    """The output with scores, and the others that have one row for each image; not the one that joins them all."""
    batch, batched = target.input_format.batch, target.input_format.batched

    def has_rows(shape: list[Any]) -> bool:
        return not batched or (bool(shape) and (not isinstance(shape[0], int) or shape[0] == batch))

    outputs = [output for output in target.session.get_outputs() if output.type in V2_TYPES and output.name != JOINED]
    return [output for output in outputs if output.name == target.output.name or has_rows(output.shape)]


def _shape(shape: list[Any]) -> list[int]:
    return [side if isinstance(side, int) else -1 for side in shape]


def _row_shape(shape: list[Any], batched: bool) -> list[int]:
    """The shape of an output's rows; without a batch axis, a first axis of 1 counts as one."""
    return _shape(shape[1:] if batched or (len(shape) > 1 and shape[0] == 1) else shape)
