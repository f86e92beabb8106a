"""Targets: what may be asked. Images in, scores out."""

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
"""By scheme (``scheme:rest``, URLs); third parties add theirs through the entry points ``blackbox_dft.targets``."""
CONVERT = (".pt", ".pth", ".h5", ".keras", ".tflite", ".pb", ".pkl", ".joblib", ".safetensors", ".mlmodel")


def make_target(name: str, options: TargetOptions | None = None) -> Target:
    """The target called ``name``: an ONNX file, ``module:function``, or ``scheme:rest`` of an installed extension.

    Raises:
        InputError: it does not exist or cannot be used; the sentence says what to give.
    """
    # What it loads is not needed for the options alone.
    from blackbox_dft._utils import plugins

    options = options or TargetOptions()
    path = Path(name)
    if path.suffix.lower() == ".onnx" or (path.is_file() and ":" not in name):
        from blackbox_dft.targets.onnx.target import OnnxTarget

        if path.suffix.lower() in CONVERT:
            raise InputError(f"{name} is not an ONNX file: convert the model to ONNX first, or give module:function.")
        return OnnxTarget(path, options)
    if options.float16:
        raise InputError(f"--float16 is for ONNX files, and {name} is none: leave it out.")
    scheme, colon, _ = name.partition(":")
    if colon and scheme in plugins.names(TARGETS, "targets"):
        made: Target = plugins.find(scheme, TARGETS, "targets")(name, options)
        return made
    if "://" in name:
        raise InputError(f"{name}: nothing installed speaks {scheme}: give an ONNX file, a URL or module:function.")
    if colon and name.count(":") == 1 and path.suffix != ".onnx":
        from blackbox_dft.targets.callable import CallableTarget

        return CallableTarget(name, options)
    raise InputError(f"{name} does not exist: TARGET is an ONNX file, a URL or module:function.")
