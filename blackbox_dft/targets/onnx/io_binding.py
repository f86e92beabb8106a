"""IO binding: ONNX Runtime sessions whose large constant inputs stay on the device, one copy for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array

DEVICES = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}
SMALLEST = 16
"""Images of the smallest calls on a GPU, which takes about as long for one; a step of ``surface`` has as many."""


def on_device(array: Array, provider: str) -> Any:
    """A value of ONNX Runtime that holds ``array`` on the device of a provider (cpu, cuda, tensorrt).

    On the CPU nothing is copied: sessions read the array itself, a memory-mapped one too.
    """
    import onnxruntime as ort

    return ort.OrtValue.ortvalue_from_numpy(array, DEVICES[provider], 0)


class BoundSession:
    """Runs a session with ``constants`` that are on its device; may be called from any number of threads.

    Args:
        session: of ONNX Runtime.
        output: name of the output that is returned.
        constants: inputs that are the same in every call, by name, each of ``on_device``.
    """

    def __init__(self, session: Any, output: str, constants: Mapping[str, Any]) -> None:
        self._session, self._output, self._constants = session, output, dict(constants)
        self._thread = threading.local()

    def __call__(self, inputs: Mapping[str, Array]) -> Array:
        """The output ``(N, ...)`` for the other inputs, in this machine's memory."""
        binding = self._binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        # Bound in every call, as the number of scores may differ from the last call's.
        binding.bind_output(self._output, "cpu")
        self._session.run_with_iobinding(binding)
        output: Array = binding.copy_outputs_to_cpu()[0]
        return output

    def _binding(self) -> Any:
        # One for each thread: calls at once would overwrite each other's inputs.
        binding = getattr(self._thread, "binding", None)
        if binding is None:
            binding = self._thread.binding = self._session.io_binding()
            for name, value in self._constants.items():
                binding.bind_ortvalue_input(name, value)
        return binding


class SizedSessions:
    """A graph whose calls all have one of a few sizes, with a ``BoundSession`` of its own for each.

    On CUDA, ONNX Runtime plans every convolution again when the size of a call is not that of the call before, which
    takes far longer than the call (its issue 6978; https://github.com/PaddlePaddle/PaddleX/pull/5057 measures it). So
    calls are filled up with copies of their last image, whose scores are dropped. May be called from any number of
    threads.

    Args:
        opened: opens a session.
        sizes: images of a call, ascending; larger calls stay as they are.
    """

    def __init__(self, opened: Callable[[], BoundSession], sizes: Sequence[int]) -> None:
        self._opened, self._sizes = opened, sizes
        self._lock = threading.Lock()
        self._sessions: dict[int, BoundSession] = {}

    def __call__(self, inputs: Mapping[str, Array]) -> Array:
        """The output ``(N, ...)`` for inputs of N rows, or of one row that holds for all images."""
        count = max(map(len, inputs.values()))
        size = size_for(count, self._sizes)
        with self._lock:
            key = min(size, self._sizes[-1])
            if key not in self._sessions:
                self._sessions[key] = self._opened()
            session = self._sessions[key]
        filled = {name: filled_up(array, size) if len(array) == count else array for name, array in inputs.items()}
        return session(filled)[:count]


def call_sizes(most: int) -> tuple[int, ...]:
    """Sizes of calls of up to ``most`` images: 16, 32, 64 ... and ``most``.

    >>> call_sizes(256), call_sizes(20), call_sizes(4)
    ((16, 32, 64, 128, 256), (16, 20), (4,))
    """
    sizes = [SMALLEST]
    while 2 * sizes[-1] < most:
        sizes.append(2 * sizes[-1])
    return (*(size for size in sizes if size < most), most)


def size_for(count: int, sizes: Sequence[int]) -> int:
    """The smallest of ``sizes`` that ``count`` images fit into, or ``count`` if there is none."""
    return next((size for size in sizes if size >= count), count)


def filled_up(array: Array, size: int) -> Array:
    """``array`` with its last row repeated, so that it has ``size`` rows."""
    if len(array) == size:
        return array
    return np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)])
