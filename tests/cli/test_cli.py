"""The command line as a whole: what it loads."""

import subprocess
import sys


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("blackbox_dft.cli") & {
        "numpy", "scipy", "onnx", "onnxruntime", "cv2", "pandas", "cma", "httpx", "rich", "importlib.metadata",
    }  # fmt: skip


def test_a_run_does_not_load_what_takes_longer_than_a_small_one() -> None:
    assert not loaded_by("blackbox_dft.run.runner, blackbox_dft.cli.progress_bar") & {
        "scipy.stats",
        "scipy.optimize",
        "pandas",
        "cma",
        "httpx",
        "matplotlib",
        "rich",
    }
