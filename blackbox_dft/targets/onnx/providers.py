"""What a session runs on, chosen and then checked: ONNX Runtime falls back to the CPU without a word."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError

NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
LIBRARIES = {"cuda": "libonnxruntime_providers_cuda.so", "tensorrt": "libonnxruntime_providers_tensorrt.so"}

SHARE = 0.5
"""Of a GPU's free memory, what a run's images may take; the rest is for the model's own work."""
PATIENCE = 10
"""Seconds that ``nvidia-smi`` may take to answer."""


def open_session(model: Path | bytes, provider: str, options: Any) -> tuple[Any, str, str | None]:
    """A session on ``provider`` (auto, cpu, cuda, tensorrt), the provider truly in use, and why it is not a GPU.

    Raises:
        InputError: a GPU was asked for by name and is not to be had.
    """
    import onnxruntime as ort

    if provider == "cpu":
        return ort.InferenceSession(model, options, providers=[NAMES["cpu"]]), "cpu", None
    wanted = "cuda" if provider == "auto" else provider
    reason = missing(wanted)
    if reason is None:
        with _quiet():
            if hasattr(ort, "preload_dlls") and find_spec("nvidia"):
                with suppress(Exception):
                    ort.preload_dlls()
            chain = [NAMES["tensorrt"], NAMES["cuda"], NAMES["cpu"]]
            session = ort.InferenceSession(model, options, providers=chain[chain.index(NAMES[wanted]) :])
        found = session.get_providers()
        if NAMES[wanted] in found:
            return session, wanted, None
        reason = f"ONNX Runtime set up {', '.join(found)} instead"
    if provider != "auto":
        raise InputError(
            f"--provider {provider} is not to be had ({reason}): install what it needs, or give --provider cpu."
        )
    return (
        ort.InferenceSession(model, options, providers=[NAMES["cpu"]]),
        "cpu",
        f"runs on the CPU, as there is no CUDA: {reason}",
    )


def missing(provider: str) -> str | None:
    """Why ``provider`` cannot be used here, or nothing if it may be."""
    import onnxruntime as ort

    if NAMES[provider] not in ort.get_available_providers():
        return f"this build of ONNX Runtime has no {NAMES[provider]}"
    library = Path(ort.__file__).parent / "capi" / LIBRARIES[provider]
    if not library.exists() or find_spec("nvidia"):
        return None
    try:
        # Loading it is what fails inside ONNX Runtime; here, the reason can be read.
        ctypes.CDLL(str(library))
    except OSError as error:
        text = str(error)
        # Symbols of its host library are unknown outside of it; what it links to was found then.
        return None if "undefined symbol" in text else text.split(": cannot open")[0] + " is missing"
    return None


def room() -> int | None:
    """Bytes that images may take on the GPU in use, ``SHARE`` of what is free there; nothing where nobody knows."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = ["nvidia-smi", f"--id={device}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        return int(SHARE * int(told) * 2**20)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    try:
        yield
    finally:
        ort.set_default_logger_severity(2)
