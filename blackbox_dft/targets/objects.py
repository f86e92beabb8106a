"""Targets given as Python objects: functions, ONNX Runtime sessions, and targets that are made already."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from blackbox_dft.errors import InputError
from blackbox_dft.targets.base import GraphTarget, Target
from blackbox_dft.targets.options import Provider, TargetOptions

PROVIDERS: dict[str, Provider] = {
    "CPUExecutionProvider": "cpu",
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "tensorrt",
}
"""Of a session, as options name them."""


@dataclass(frozen=True, eq=False)
class NamedTarget:
    """A target, and what a run's record calls it."""

    target: Target
    name: str
    """A path, a URL or ``module:function``, from which the target can be made again; or ``<...>`` if it cannot be."""
    options: TargetOptions
    """With which it is made from the name."""


def target_of(given: object, options: TargetOptions | None = None) -> NamedTarget:
    """The target that ``given`` stands for: a name, a function, an ``onnxruntime.InferenceSession`` or a ``Target``.

    >>> found = target_of(lambda images: images.mean(axis=(1, 2, 3)), TargetOptions(classes=("dark", "light")))
    >>> found.name, found.target.classes
    ('<callable lambda>', ('dark', 'light'))

    Raises:
        InputError: it is none of these, or cannot be used.
        TargetError: a server does not respond.
    """
    from blackbox_dft.targets import make_target

    options = options or TargetOptions()
    if isinstance(given, str | os.PathLike):
        name = os.fspath(given)
        return NamedTarget(make_target(str(name), options), str(name), options)
    if _is_target(given):
        return _of_target(cast(Target, given), options)
    if hasattr(given, "get_inputs") and hasattr(given, "get_modelmeta"):
        return _of_session(given, options)
    if callable(given):
        return _of_function(given, options)
    raise InputError(
        f"{type(given).__name__} is no target: give a path, a URL, module:function, a function from images to scores, "
        "an onnxruntime.InferenceSession or a Target."
    )


def target_again(given: object, options: TargetOptions) -> Target:
    """``target_of`` for a run that has its options already, which a ``Target`` need not be given."""
    return target_of(given, TargetOptions() if _is_target(given) else options).target


def _is_target(given: object) -> bool:
    return hasattr(given, "scores") and hasattr(given, "describe") and not isinstance(given, type)


def _of_target(target: Target, options: TargetOptions) -> NamedTarget:
    if options != TargetOptions():
        raise InputError(f"{target.name} is a target already: give its options to make_target.")
    if isinstance(target, GraphTarget):
        return NamedTarget(target, str(target.path), target.resolved_options)
    return NamedTarget(target, target.name if "://" in target.name else _in_memory("target", target.name), options)


def _of_session(session: Any, options: TargetOptions) -> NamedTarget:
    """A target of the session's model and provider; its threads and other settings are those of a run."""
    from blackbox_dft.targets.onnx.target import OnnxTarget

    if options.provider == "auto":
        used: Provider = next((PROVIDERS[name] for name in session.get_providers() if name in PROVIDERS), "cpu")
        options = replace(options, provider=used)
    path = getattr(session, "_model_path", None)
    if path and Path(path).is_file():
        return NamedTarget(OnnxTarget(path, options), os.fspath(path), options)
    model = getattr(session, "_model_bytes", None)
    if not model:
        raise InputError(f"the model of the session, {path}, is gone: put it back, or give the session its bytes.")
    return NamedTarget(OnnxTarget(_file_of(bytes(model)), options), "<onnxruntime session>", options)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """For models that have no file; removed when Python ends."""
    return tempfile.TemporaryDirectory(prefix="bbdft-")


def _file_of(model: bytes) -> Path:
    path = Path(_folder().name) / f"{blake2b(model, digest_size=16).hexdigest()}.onnx"
    if not path.exists():
        path.write_bytes(model)
    return path


def _of_function(function: Callable[..., Any], options: TargetOptions) -> NamedTarget:
    from blackbox_dft.targets.callable import CallableTarget

    if hasattr(function, "state_dict") and hasattr(function, "parameters"):
        raise InputError(
            "a torch module takes tensors: give a function around it, lambda images: model(torch.from_numpy(images)"
            ".permute(0, 3, 1, 2) / 255).detach().numpy()."
        )
    if name := _import_name(function):
        return NamedTarget(CallableTarget(name, options), name, options)
    name = getattr(function, "__name__", None) or type(function).__name__
    name = _in_memory("callable", name)
    return NamedTarget(CallableTarget(name, options, function), name, options)


def _import_name(function: Any) -> str | None:
    """``module:function`` if that leads to the function in another process too."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or module == "__main__" or not name.isidentifier():
        return None
    home = sys.modules.get(module)
    known = getattr(home, "__file__", None) and getattr(home, name, None) is function
    return f"{module}:{name}" if known else None


def _in_memory(kind: str, name: str) -> str:
    plain = re.sub(r"[<>\s]+", " ", name).strip()
    return f"<{kind} {plain}>"
