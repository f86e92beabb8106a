"""Execution providers: opens sessions and checks what they run on, as ONNX Runtime falls back to the CPU silently."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError

EXECUTION_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
LIBRARIES = {"cuda": "libonnxruntime_providers_cuda.so", "tensorrt": "libonnxruntime_providers_tensorrt.so"}

OPTIONS = {"cuda": {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}}
"""Other than ONNX Runtime's defaults. EXHAUSTIVE tries all algorithms of each convolution for each size of a call, .3
to 1.3 s a size in https://github.com/PaddlePaddle/PaddleX/pull/5057, which found the result no faster. And a session
takes the memory that it needs instead of twice as much, as there is one for each size."""
NVIDIA_LIBRARIES = ("cudart", "nvrtc", "cublasLt", "cublas", "curand", "nvJitLink", "cufft", "cudnn")
"""What ONNX Runtime's CUDA provider is linked with, and opens; each after those that it needs itself."""

IMAGE_MEMORY_SHARE = 0.5
"""Share of a GPU's free memory that the images of a run may take; the rest is for the model's own work."""
NVIDIA_SMI_TIMEOUT = 10
"""Seconds that ``nvidia-smi`` may take."""


def open_session(model: Path | bytes, provider: str, options: Any) -> tuple[Any, str, str | None]:
    """A session on ``provider`` (auto, cpu, cuda, tensorrt), the provider really in use, and why it is not a GPU.

    Raises:
        InputError: ``provider`` names a GPU that is not available.

    >>> import onnxruntime
    >>> from blackbox_dft.demo import assets
    >>> _, provider, note = open_session(assets() / "digits.onnx", "cpu", onnxruntime.SessionOptions())
    >>> provider, note
    ('cpu', None)
    """
    import onnxruntime as ort

    cpu = [EXECUTION_PROVIDERS["cpu"]]
    if provider == "cpu":
        return ort.InferenceSession(model, options, providers=cpu), "cpu", None
    wanted = "cuda" if provider == "auto" else provider
    reason = unavailable_reason(wanted)
    if reason is None:
        with _quiet():
            load_nvidia_libraries()
            names = ("tensorrt", "cuda", "cpu")
            chain = [(EXECUTION_PROVIDERS[name], OPTIONS.get(name, {})) for name in names[names.index(wanted) :]]
            session = ort.InferenceSession(model, options, providers=chain)
        in_use = session.get_providers()
        if EXECUTION_PROVIDERS[wanted] in in_use:
            return session, wanted, None
        reason = f"ONNX Runtime uses {', '.join(in_use)} instead"
    if provider != "auto":
        raise InputError(
            f"--provider {provider} is not available ({reason}): install what it needs, or give --provider cpu."
        )
    session = ort.InferenceSession(model, options, providers=cpu)
    return session, "cpu", _cpu_note(reason)


def load_nvidia_libraries() -> None:
    """Loads CUDA and cuDNN from NVIDIA's Python packages, if there are any; those of the system are found without it.

    ONNX Runtime looks for them beside its own package only, so those that are elsewhere on the path are loaded before.
    """
    import onnxruntime as ort

    packages = find_spec("nvidia")
    if packages is None:
        return
    for folder in packages.submodule_search_locations or ():
        for name in NVIDIA_LIBRARIES:
            for library in sorted(Path(folder).glob(f"*/lib/lib{name}.so.*")):
                with suppress(OSError):
                    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    # It prints what it does not find; standard output is for results.
    with suppress(Exception), redirect_stdout(StringIO()):
        ort.preload_dlls()


def _cpu_note(reason: str) -> str:
    """Why a model runs on the CPU; what to do about it only where there is a GPU to use."""
    if not (Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi")):
        return "runs on the CPU: there is no NVIDIA GPU"
    return f"runs on the CPU, though there is a GPU ({reason}): pip install 'blackbox-dft[cuda]'"


def unavailable_reason(provider: str) -> str | None:
    """Why ``provider`` (cpu, cuda, tensorrt) cannot be used here; ``None`` if it may work."""
    import onnxruntime as ort

    if EXECUTION_PROVIDERS[provider] not in ort.get_available_providers():
        return f"this build of ONNX Runtime has no {EXECUTION_PROVIDERS[provider]}"
    if provider not in LIBRARIES:
        return None
    library = Path(ort.__file__).parent / "capi" / LIBRARIES[provider]
    if not library.exists() or find_spec("nvidia"):
        return None
    try:
        # Inside ONNX Runtime, loading it fails without a reason that can be read.
        ctypes.CDLL(str(library))
    except OSError as error:
        text = str(error)
        # Symbols of its host library are undefined outside of it; the libraries it links to were loaded then.
        return None if "undefined symbol" in text else text.split(": cannot open")[0] + " is missing"
    return None


def image_memory() -> int | None:
    """Bytes that the images of a run may take on the GPU in use; ``None`` if ``nvidia-smi`` does not tell."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = ["nvidia-smi", f"--id={device}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        free_mib = subprocess.run(
            command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT, check=True
        ).stdout
        return int(IMAGE_MEMORY_SHARE * int(free_mib) * 2**20)
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
