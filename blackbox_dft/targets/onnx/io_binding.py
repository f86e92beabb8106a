"""IO binding: ONNX Runtime sessions whose large constant inputs stay on the device, one copy for all of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from blackbox_dft._utils.types import Array

DEVICES = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}


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
