"""Libraries in the place of CUDA's, so that ONNX Runtime opens its CUDA provider on a machine without a card.

Nothing is computed: kernels do nothing, so scores are noise. But nodes are placed on kernels as on a card, and the
bytes that are copied to and from the device are counted.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import onnxruntime

SOURCE = Path(__file__).with_suffix(".c")
PROVIDER = Path(onnxruntime.__file__).parent / "capi/libonnxruntime_providers_cuda.so"
OURS = re.compile(r"lib(cuda|cudart|cublas|cublasLt|cudnn|curand|cufft|nvrtc)\.so")


def why_not() -> str | None:
    """Why the libraries cannot be made here."""
    if not PROVIDER.exists():
        return "this build of ONNX Runtime has no CUDA provider"
    missing = [tool for tool in ("gcc", "readelf") if not shutil.which(tool)]
    return f"there is no {missing[0]}" if missing else None


def build(folder: Path) -> Path:
    """Makes the libraries that the provider is linked with; returns their folder, for ``LD_LIBRARY_PATH``."""
    folder.mkdir()
    source = SOURCE.read_text()
    written = set(re.findall(r"^(?:int|const char \*|void \*\*|unsigned long long )\s*(\w+)\(", source, re.M))
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for library in re.findall(r"NEEDED.*\[(.*)\]", _read("-d")):
        if OURS.match(library):
            wanted[library] = set()
    for name, library in re.findall(r" UND (\w+)@?(\S*)", _read("--dyn-syms")):
        if OURS.match(library):
            wanted[library].add(name)
        elif re.match(r"cu[A-Z]", name):
            wanted["libcuda.so.1"].add(name)
    for library, names in wanted.items():
        own = library.startswith("libcudart")
        empty = "\n".join(f"int {name}() {{ return 0; }}" for name in sorted(names - (written if own else set())))
        code, versions = folder / f"{library}.c", folder / f"{library}.map"
        code.write_text((source if own else "") + "\n" + empty + "\n")
        versions.write_text(f"{library} {{ global: *; }};\n")
        command = ["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{library}", "-o", str(folder / library), str(code)]
        subprocess.run([*command, f"-Wl,--version-script={versions}"], check=True)
    return folder


def _read(what: str) -> str:
    command = ["readelf", "--wide", what, str(PROVIDER)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Traffic:
    """Bytes copied since the last call, in a process that runs with these libraries."""

    def __init__(self) -> None:
        library = next(name for name in re.findall(r"NEEDED.*\[(.*)\]", _read("-d")) if name.startswith("libcudart"))
        self._library = ctypes.CDLL(library)
        self._counters = [self._library.fake_to_device, self._library.fake_to_host]
        for counter in self._counters:
            counter.restype = ctypes.c_ulonglong
        self._last = [counter() for counter in self._counters]

    def __call__(self) -> tuple[int, int]:
        """To the device, and back."""
        now = [counter() for counter in self._counters]
        moved = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return moved
