"""Targets: ONNX files, URLs and Python functions that score images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blackbox_dft.errors import InputError
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft.targets.base import Target

__all__ = ["TargetOptions", "make_target"]

TARGETS = {
    "http": "blackbox_dft.targets.http.target:HttpTarget",
    "https": "blackbox_dft.targets.http.target:HttpTarget",
}
"""By URL scheme; third parties add theirs by entry points of the group ``blackbox_dft.targets``."""
OTHER_MODEL_SUFFIXES = (".pt", ".pth", ".h5", ".keras", ".tflite", ".pb", ".pkl", ".joblib", ".safetensors", ".mlmodel")


def make_target(name: object, options: TargetOptions | None = None) -> Target:
    """The target ``name``: an ONNX file, a URL, ``module:function``, or ``scheme:rest`` of an installed extension.

    Or a Python object: a function from images to scores, or an ``onnxruntime.InferenceSession``.

    Raises:
        InputError: it does not exist or cannot be used; the message says what to give.
        TargetError: a server does not respond.

    >>> import numpy as np
    >>> from blackbox_dft.demo import assets
    >>> with make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu")) as target:
    ...     target.scores(np.zeros((2, 32, 32, 3), np.uint8)).shape
    (2, 10)
    """
    # What it loads is not needed for the options alone.
    from blackbox_dft._utils import plugins

    options = options or TargetOptions()
    if not isinstance(name, str):
        from blackbox_dft.targets.objects import target_of

        return target_of(name, options).target
    path = Path(name)
    if path.is_dir():
        models = sorted(file.name for file in path.glob("*.onnx"))
        which = f" ({', '.join(models[:5])}{' ...' if len(models) > 5 else ''})" if models else ", not the folder"
        raise InputError(f"{name} is a folder: give the path of an ONNX file in it{which}.")
    scheme, colon, _ = name.partition(":")
    # A scheme comes first: what follows it may well end in .onnx.
    has_scheme = bool(colon) and scheme in plugins.names(TARGETS, "targets")
    if not has_scheme and (path.suffix.lower() == ".onnx" or (path.is_file() and ":" not in name)):
        from blackbox_dft.targets.onnx.target import OnnxTarget

        if path.suffix.lower() in OTHER_MODEL_SUFFIXES:
            raise InputError(f"{name} is not an ONNX file: convert the model to ONNX first, or give module:function.")
        return OnnxTarget(path, options)
    if options.float16:
        raise InputError(f"--float16 is for ONNX files, which {name} is not: leave it out.")
    if has_scheme:
        target: Target = plugins.find(scheme, TARGETS, "targets")(name, options)
        return target
    if "://" in name:
        raise InputError(
            f"{name}: no target for {scheme} is installed: give an ONNX file, an http(s) URL or module:function."
        )
    if colon and name.count(":") == 1 and path.suffix != ".onnx":
        from blackbox_dft.targets.callable import CallableTarget

        return CallableTarget(name, options)
    raise InputError(f"{name} does not exist: TARGET is an ONNX file, a URL or module:function.")
