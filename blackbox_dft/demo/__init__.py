"""The demo's own model and images: handwritten digits from a worse scanner than the model learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blackbox_dft.run.config import Config


def assets() -> Path:
    """The folder with ``digits.onnx``, ``labels.csv`` (file, label, split) and ``images/``."""
    return Path(__file__).parent / "assets"


def demo_config(seed: int = 0) -> Config:
    """The demo as a run like any other."""
    from blackbox_dft.run.config import Config

    folder = assets()
    return Config(
        target=str(folder / "digits.onnx"),
        data=str(folder / "labels.csv"),
        space="affine+color",
        budget=4000,
        seed=seed,
    )
