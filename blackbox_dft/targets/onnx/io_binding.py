"""A session whose large inputs stay where it runs: ONNX Runtime's IO binding."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from blackbox_dft._utils.types import Array

DEVICES = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}


class BoundSession:
    """Calls a session with inputs of which ``held`` are handed over once; to be called from any number of threads.

    On the CPU nothing is copied: the session reads the arrays themselves, memory-mapped ones too.
    """

    def __init__(self, session: Any, output: str, held: Mapping[str, Array], provider: str) -> None:
        import onnxruntime as ort

        self._session, self._output = session, output
        device = DEVICES[provider]
        self._held = {name: ort.OrtValue.ortvalue_from_numpy(array, device, 0) for name, array in held.items()}
        self._own = threading.local()

    def __call__(self, fed: Mapping[str, Array]) -> Array:
        """The output ``(N, ...)`` for the other inputs, as an array of this machine's memory."""
        binding = self._binding()
        for name, array in fed.items():
            binding.bind_cpu_input(name, array)
        # Anew, as the last call's scores may be of another number; they are put into this machine's memory.
        binding.bind_output(self._output, "cpu")
        self._session.run_with_iobinding(binding)
        answer: Array = binding.copy_outputs_to_cpu()[0]
        return answer

    def _binding(self) -> Any:
        # One a thread, as calls at once would take each other's inputs.
        binding = getattr(self._own, "binding", None)
        if binding is None:
            binding = self._own.binding = self._session.io_binding()
            for name, value in self._held.items():
                binding.bind_ortvalue_input(name, value)
        return binding
