"""IO binding: an ONNX Runtime session whose large constant inputs stay on its device."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from blackbox_dft._utils.types import Array

DEVICES = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}


class BoundSession:
    """Runs a session whose ``constants`` are copied to the device once; may be called from any number of threads.

    On the CPU nothing is copied: the session reads the arrays themselves, memory-mapped ones too.

    Args:
        session: of ONNX Runtime.
        output: name of the output that is returned.
        constants: inputs that are the same in every call, by name.
        provider: ``cpu``, ``cuda`` or ``tensorrt``.
    """

    def __init__(self, session: Any, output: str, constants: Mapping[str, Array], provider: str) -> None:
        import onnxruntime as ort

        self._session, self._output = session, output
        device = DEVICES[provider]
        self._constants = {
            name: ort.OrtValue.ortvalue_from_numpy(array, device, 0) for name, array in constants.items()
        }
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
