"""Callable target: a Python function that scores images, named ``module:function`` or given as it is."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.text import shortened
from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import BlackboxError, InputError, MisfitError, TargetError
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.class_names import parse_names
from blackbox_dft.targets.options import TargetOptions

DEFAULT_BATCH = 64
"""Images of a call."""


class CallableTarget(Target):
    """Calls ``function(images)`` with uint8 ``(N, H, W, 3)`` RGB.

    The function returns scores ``(N, K)``, class indices ``(N,)`` or class names ``(N,)``. Class names become indices.
    Attributes of the function are read if it has them: ``classes`` (names of the scores), ``image_size`` (height,
    width), ``batch`` (64 by default), ``workers`` (calls at once, 1 by default), ``accepts = "float"`` (float32 in
    [0, 1] instead of uint8), ``fingerprint`` (a text that changes with its scores; by default its source, which does
    not show weights that it holds). The module is imported from the current folder or as installed.

    Args:
        name: ``module:function``, or any name if there is a ``function``.
        options: class names, size and so on; they win over the function's attributes.
        function: what to call, instead of importing it.

    Raises:
        InputError: the module or the function does not exist, or is not a function; or an option for models alone.

    >>> import sys, types
    >>> sys.modules["brightness"] = module = types.ModuleType("brightness")
    >>> module.score = lambda images: images.mean(axis=(1, 2, 3))
    >>> CallableTarget("brightness:score").scores(np.full((1, 8, 8, 3), 7, np.uint8))
    array([[7.]], dtype=float32)
    """

    def __init__(
        self, name: str, options: TargetOptions | None = None, function: Callable[..., Any] | None = None
    ) -> None:
        options = options or TargetOptions()
        if options.output is not None:
            raise InputError(f"--output is for models with several outputs, and {name} is a function: leave it out.")
        self.name = name
        self.function = _find(name) if function is None else function
        given = {key: getattr(self.function, key, None) for key in ("classes", "image_size", "batch", "workers")}
        named = given["classes"]
        if named is not None:
            named = parse_names(named) if isinstance(named, str) else tuple(map(str, named))
        self.classes = options.classes or named
        size = options.size or given["image_size"]
        self.image_size = (int(size[0]), int(size[1])) if size is not None else None
        self.batch = options.batch or int(given["batch"] or DEFAULT_BATCH)
        self.workers = options.workers or int(given["workers"] or 1)
        self.floats = getattr(self.function, "accepts", "bytes") == "float"
        # The function's own class names are in its source; names of the options decide which index a name becomes.
        classes_given = "" if options.classes is None else f" {options.classes}"
        own = getattr(self.function, "fingerprint", None)
        source = str(own) if own is not None else _source(self.function) if function is None else _text(self.function)
        self.fingerprint = blake2b(f"{name} {source}{classes_given}".encode(), digest_size=16).hexdigest()

    @override
    def scores(self, images: ImageBytes | Images) -> Scores:
        try:
            result = _array(self.function(self._given(images)))
        except BlackboxError:
            raise
        except SystemExit as error:
            raise TargetError(
                f"{self.name} ended with sys.exit({error.code!r}): let it raise an error instead."
            ) from error
        except Exception as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            raise TargetError(f"{self.name} raised {type(error).__name__}: {first}.") from error
        if result.ndim == 1 and (result.dtype.kind == "U" or (result.size and _are_names(result))):
            result = self._indices(result)
        fits = result.ndim in (1, 2) and len(result) == len(images) and result.size > 0
        if result.dtype.kind not in "fiub" or not fits:
            raise MisfitError(
                f"{self.name} returned {_what(result)} for {len(images)} images: "
                "return one row of scores, one class index or one class name for each image."
            )
        # Greater numbers become infinite, which is no score.
        with np.errstate(over="ignore"):
            return np.asarray(result, np.float32).reshape(len(images), -1)

    def _given(self, images: ImageBytes | Images) -> ImageBytes | Images:
        """The images as the function takes them, in an array of its own: functions may write into what they get."""
        given = to_floats(images) if self.floats else to_bytes(images)
        return given.copy() if np.may_share_memory(given, images) else given

    def _indices(self, names: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.classes is None:
            raise MisfitError(f"{self.name} returns class names: give all of them with --model-classes.")
        known = {name: index for index, name in enumerate(self.classes)}
        unknown = [name for name in map(str, names) if name not in known]
        if unknown:
            raise MisfitError(f"{self.name} returned {unknown[0]!r}, which is not one of {shortened(self.classes)}.")
        return np.array([known[str(name)] for name in names])

    @override
    def describe(self) -> dict[str, Any]:
        return {
            "target": self.name,
            "provider": "python",
            "classes": self.classes,
            "image_size": self.image_size,
            "accepts": "float32 in [0, 1]" if self.floats else "uint8",
            "notes": [],
        }


def _array(result: Any) -> np.ndarray[Any, Any]:
    """What a function returned, as an array; what is none becomes an array of objects."""
    try:
        return np.asarray(result)
    except ValueError:  # Rows of several lengths.
        rows = np.empty(len(result), object)
        rows[:] = list(result)
        return rows


def _are_names(result: np.ndarray[Any, Any]) -> bool:
    return result.dtype == object and all(isinstance(one, str) for one in result)


def _what(result: np.ndarray[Any, Any]) -> str:
    """What a function returned, in words."""
    if result.dtype != object:
        return f"{result.dtype} of shape {result.shape}"
    if not result.ndim:
        return f"an object of type {type(result.item()).__name__}"
    kinds = sorted({type(one).__name__ for one in result.flat})
    return f"{' or '.join(kinds)} objects of shape {result.shape}"


def _find(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    # As `python -m` does, modules in the current folder can be imported.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise InputError(f"{name}: the module needs {error.name}, which is not installed: install it.") from error
        as_module = f"{Path(module_name).stem}:{function_name}"
        mend = f"give the module without .py, {as_module}" if module_name.endswith(".py") else "give module:function"
        raise InputError(f"{name}: there is no module {module_name!r} in this folder or installed: {mend}.") from error
    except SystemExit as error:
        raise InputError(
            f"{name}: importing the module ended with sys.exit({error.code!r}): put what ends it under "
            "'if __name__ == \"__main__\":'."
        ) from error
    except Exception as error:
        raise InputError(f"{name}: importing the module raised {type(error).__name__}: {error}.") from error
    function = getattr(module, function_name, None)
    if function is None:
        raise InputError(f"{name}: {module_name} has no {function_name!r}: give a function of that module.")
    if not callable(function):
        raise InputError(f"{name}: {function_name!r} is not a function: give one that takes images and returns scores.")
    return function


def _text(function: Any) -> str:
    """Source of a function that was given, or of the class of a callable object: it may stand in a notebook's cell."""
    try:
        return inspect.getsource(function if hasattr(function, "__code__") else type(function))
    except (TypeError, OSError):
        return ""


def _source(function: Any) -> str:
    """Text of the file that defines the function, so that an edit changes the fingerprint."""
    try:
        file = inspect.getsourcefile(function if hasattr(function, "__code__") else type(function))
        return Path(file).read_text(encoding="utf-8", errors="replace") if file else ""
    except (TypeError, OSError):
        return ""
