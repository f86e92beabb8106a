"""Half precision: converts an ONNX model to float16, which is faster on GPUs; scores differ a little."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blackbox_dft.errors import InputError
from blackbox_dft.targets.onnx.runtime_errors import reason

if TYPE_CHECKING:
    from onnx import ModelProto


def to_float16(model: ModelProto, path: Path) -> bytes:
    """The bytes of ``model``, loaded with its weights from ``path``, with weights and products in float16.

    Inputs and outputs keep their types. Operators that ONNX Runtime's converter blocks as too coarse in float16 stay as
    they are. ``model`` is modified and must not be used afterwards.

    Raises:
        InputError: the model cannot be converted.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets.onnx.loading import load_model
    >>> path = assets() / "digits.onnx"
    >>> len(to_float16(load_model(path, weights=True), path)) < path.stat().st_size
    True
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        converted: bytes = convert_float_to_float16(model, keep_io_types=True).SerializeToString()
    except Exception as error:
        raise InputError(f"{path} cannot be converted to float16 ({reason(error)}): leave out --float16.") from error
    return converted
