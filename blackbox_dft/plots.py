"""Figures of a run or a comparison, as matplotlib figures: ``savefig`` writes them, a notebook shows them.

Each function takes a ``Result`` or the folder of a finished run; ``Result`` has them as methods, too.

>>> from blackbox_dft import plots
>>> plots.trajectory("run").savefig("trajectory.png")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blackbox_dft.api import figures
from blackbox_dft.api.comparing import Comparison
from blackbox_dft.api.messages import speaks_python
from blackbox_dft.api.result import Result, load_run
from blackbox_dft.report.compare_report import picture, read_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison", "images", "parts", "proof", "reliability", "trajectory"]


@speaks_python
def trajectory(run: Result | str | Path) -> Figure:
    """Accuracy of the search's minibatches against queries, beside the test accuracies.

    Raises:
        InputError: the run is not finished, or its search made no step.
    """
    return figures.trajectory(_opened(run))


@speaks_python
def proof(run: Result | str | Path) -> Figure:
    """The gain of the test images drawn so far, and its interval, which closes.

    Raises:
        InputError: the run had no sequential proof.
    """
    return figures.proof(_opened(run))


@speaks_python
def images(run: Result | str | Path) -> Figure:
    """Up to eight test images before and after the change, and their difference.

    Raises:
        InputError: the images are gone, or were given from Python to a run of before.
    """
    return figures.images(_opened(run))


@speaks_python
def parts(run: Result | str | Path) -> Figure:
    """Test accuracy as it was, with what is free, with image change or output map alone, and as kept."""
    return figures.parts(_opened(run))


@speaks_python
def reliability(run: Result | str | Path) -> Figure:
    """How often decisions of a confidence are right, before and after, with the expected calibration error."""
    return figures.reliability(_opened(run))


@speaks_python
def comparison(results: Comparison | Mapping[str, Any] | str | Path) -> Figure:
    """Learning curves of a comparison, one panel a space.

    Args:
        results: what ``compare`` returned, the contents of its ``compare.json``, or its folder.

    Raises:
        InputError: there is no finished comparison.
    """
    if isinstance(results, str | Path):
        return picture(read_results(Path(results)))
    return picture(results if isinstance(results, Mapping) else results.results)


def _opened(run: Result | str | Path) -> Result:
    return run if isinstance(run, Result) else load_run(run)
