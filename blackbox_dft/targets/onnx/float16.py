"""A model in half precision: faster on GPUs with units for it, with scores that differ a little."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blackbox_dft.errors import InputError

if TYPE_CHECKING:
    from onnx import ModelProto


def to_float16(proto: ModelProto, path: Path) -> bytes:
    """A file of ``proto``, which came from ``path`` and is used up, with weights and products in float16.

    Images go in and scores come out as before; operators that ONNX Runtime's converter holds to be too coarse in
    float16 stay as they are.

    Raises:
        InputError: it cannot be converted.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        made: bytes = convert_float_to_float16(proto, keep_io_types=True).SerializeToString()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200].rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be brought to half precision ({reason}): leave out --float16.") from error
    return made
