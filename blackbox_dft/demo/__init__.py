"""The demo's own model and images: handwritten digits from a worse scanner than the model learned from."""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """The folder with ``digits.onnx``, ``labels.csv`` (file, label, split) and ``images/``."""
    return Path(__file__).parent / "assets"
