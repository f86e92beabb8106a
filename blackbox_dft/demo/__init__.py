"""The built-in demo: a digit classifier, and digits from a worse scanner than it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blackbox_dft.run.config import Config


def assets() -> Path:
    """The folder that holds ``digits.onnx``, ``labels.csv`` (file, label, split) and ``images/``.

    >>> sorted(path.name for path in assets().iterdir())
    ['README.md', 'digits.onnx', 'images', 'labels.csv']
    """
    return Path(__file__).parent / "assets"


def demo_config(seed: int = 0) -> Config:
    """Configuration of the demo's run, which is a run like any other.

    >>> demo_config().space
    'affine+color'
    """
    from blackbox_dft.run.config import Config

    folder = assets()
    return Config(
        target=str(folder / "digits.onnx"),
        data=str(folder / "labels.csv"),
        space="affine+color",
        budget=4000,
        seed=seed,
    )
