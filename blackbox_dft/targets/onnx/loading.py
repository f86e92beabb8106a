"""Loads ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blackbox_dft._utils.files import is_lfs_pointer
from blackbox_dft.errors import InputError

if TYPE_CHECKING:
    from onnx import ModelProto


def load_model(path: Path, *, weights: bool) -> ModelProto:
    """The model in the ONNX file ``path``.

    Args:
        path: the file.
        weights: also load tensors that the model stores in files beside it; without, their locations are kept.

    Raises:
        InputError: no such file, or not an ONNX model.

    >>> from blackbox_dft.demo import assets
    >>> model = load_model(assets() / "digits.onnx", weights=True)
    >>> [output.name for output in model.graph.output]
    ['digit']
    """
    import onnx

    if not path.is_file():
        raise InputError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}: give an ONNX file.")
    try:
        model = onnx.load(str(path), load_external_data=weights)
    except Exception as error:
        with path.open("rb") as file:
            if is_lfs_pointer(file.read(64)):
                raise InputError(f"{path} is a pointer of Git LFS: fetch the file with 'git lfs pull'.") from error
        raise InputError(f"{path} is not an ONNX file, or is cut off: export or copy it again.") from error
    if not model.graph.node:
        raise InputError(f"{path} is not an ONNX model (it has no nodes): export or copy it again.")
    return model
