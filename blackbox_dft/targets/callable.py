"""A Python function as a target: ``module:function``."""

from __future__ import annotations

import inspect
import sys
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import BlackboxError, InputError, TargetError
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.targets.options import TargetOptions


class CallableTarget:
    """Calls ``function(images)`` with uint8 ``(N, H, W, 3)`` RGB.

    It returns scores ``(N, K)``, class indices ``(N,)`` or class names ``(N,)``. Attributes of the function are heeded
    where it has them: ``classes`` (names of the scores), ``image_size`` (height, width), ``batch``, ``workers`` (calls
    side by side; 1 unless said), ``accepts = "float"`` (float32 in [0, 1] instead of uint8).

    Raises:
        InputError: the module or function is not to be found, or is no function.
    """

    def __init__(self, name: str, options: TargetOptions | None = None) -> None:
        options = options or TargetOptions()
        self.name = name
        self.function = _find(name)
        said = {key: getattr(self.function, key, None) for key in ("classes", "image_size", "batch", "workers")}
        classes = options.classes or said["classes"]
        self.classes = tuple(map(str, classes)) if classes is not None else None
        size = options.size or said["image_size"]
        self.image_size = (int(size[0]), int(size[1])) if size is not None else None
        self.batch = options.batch or int(said["batch"] or 64)
        self.workers = options.workers or int(said["workers"] or 1)
        self.floats = getattr(self.function, "accepts", "bytes") == "float"
        # The function's own names are in its source; given ones decide which index a name becomes.
        told = "" if options.classes is None else f" {options.classes}"
        self.fingerprint = blake2b(f"{name} {_source(self.function)}{told}".encode(), digest_size=16).hexdigest()

    def scores(self, images: ImageBytes | Images) -> Scores:
        """``(N, H, W, 3)`` to ``(N, K)``; class names are turned into indices."""
        given = to_floats(images) if self.floats else to_bytes(images)
        try:
            answer = np.asarray(self.function(given))
        except BlackboxError:
            raise
        except Exception as error:
            first = str(error).strip().split("\n")[0].rstrip(".")
            raise TargetError(f"{self.name} raised {type(error).__name__}: {first}.") from error
        if answer.dtype.kind in "UO" and answer.ndim == 1:
            answer = self._indices(answer)
        if answer.dtype.kind not in "fiub" or answer.ndim not in (1, 2) or len(answer) != len(images):
            raise TargetError(
                f"{self.name} returned {answer.dtype} of shape {answer.shape} for {len(images)} images: "
                "return one row of scores, one class index or one class name an image."
            )
        return np.asarray(answer, np.float32).reshape(len(images), -1)

    def _indices(self, names: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if self.classes is None:
            raise TargetError(f"{self.name} answers class names: give --model-classes with all of them.")
        known = {name: index for index, name in enumerate(self.classes)}
        unknown = [name for name in map(str, names) if name not in known]
        if unknown:
            raise TargetError(f"{self.name} answered {unknown[0]!r}, which is none of {', '.join(self.classes)}.")
        return np.array([known[str(name)] for name in names])

    def describe(self) -> dict[str, Any]:
        """What ``bbdft inspect`` prints."""
        return {
            "target": self.name,
            "provider": "python",
            "classes": self.classes,
            "image_size": self.image_size,
            "accepts": "float32 in [0, 1]" if self.floats else "uint8",
            "notes": [],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""


def _find(name: str) -> Any:
    module_name, _, function_name = name.partition(":")
    # As `python -m` does: a module beside the user is found.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise InputError(f"{name}: the module needs {error.name}, which is not installed: install it.") from error
        raise InputError(f"{name}: no module {module_name!r} here or installed: give module:function.") from error
    except Exception as error:
        raise InputError(f"{name}: importing the module raised {type(error).__name__}: {error}.") from error
    found = getattr(module, function_name, None)
    if found is None:
        raise InputError(f"{name}: {module_name} has no {function_name!r}: give a function of that module.")
    if not callable(found):
        raise InputError(f"{name}: {function_name!r} is no function: give one that takes images and returns scores.")
    return found


def _source(function: Any) -> str:
    """Text of the file the function comes from, so that an edit is noticed."""
    try:
        file = inspect.getsourcefile(function if hasattr(function, "__code__") else type(function))
        return Path(file).read_text(encoding="utf-8", errors="replace") if file else ""
    except (TypeError, OSError):
        return ""
