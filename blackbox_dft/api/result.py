"""Result of a run, in memory or read from its folder: verdict, accuracy, tuning, figures, tables."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.text import in_memory
from blackbox_dft._utils.types import Floats, ImageBytes, Ints
from blackbox_dft.api import figures
from blackbox_dft.api.messages import speaks_python
from blackbox_dft.data.dataset import Dataset, load
from blackbox_dft.data.sources import list_source
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.proof import Verdict
from blackbox_dft.images.files import read_image
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.report.figures.before_after import before_and_after
from blackbox_dft.report.outcome import Outcome
from blackbox_dft.report.run_report import sentence
from blackbox_dft.report.terminal import verdict_lines
from blackbox_dft.run.config import Config
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.record import RunRecord
from blackbox_dft.run.result import Result as FinishedRun
from blackbox_dft.run.summary import Accuracy, Measured, Summary
from blackbox_dft.run.summary_file import read_summary
from blackbox_dft.targets.base import Target

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class TemporaryFolder:
    """A folder for a run without one; removed when nothing refers to this object any more, or when Python ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="bbdft-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def keep(self) -> None:
        """Leaves the folder where it is: a run that stopped can be resumed."""
        self._remove.detach()


class Result:
    """A finished run; ``optimize``, ``resume`` and ``load_run`` return it.

    ``load_run`` reads only the summary; the rest is read from the run's folder when it is asked for.

    Args:
        path: folder of the run.
        summary: what ``summary.json`` in it holds.
        run: the run in memory, if it was made here.
        target: the target, if it was given as an object.
        data: images, if they were given as objects.
        temporary: the folder, if it is a temporary one.
    """

    def __init__(
        self,
        path: Path,
        summary: Summary,
        *,
        run: FinishedRun | None = None,
        target: Target | None = None,
        data: Dataset | None = None,
        temporary: TemporaryFolder | None = None,
    ) -> None:
        self.path = path
        """Folder of the run."""
        self.summary = summary
        """All that was measured; its fields are the keys of ``summary.json``."""
        self._run, self._target, self._given = run, target, data
        self._temporary = temporary

    @property
    def verdict(self) -> Verdict:
        """``improved``, ``no significant change`` or ``worse``."""
        return self.summary.verdict

    @property
    def accuracy(self) -> Accuracy:
        """Of the test images: ``before``, ``after``, ``n``, and ``ci95`` of the difference."""
        return self.summary.accuracy["test"]

    @property
    def metric(self) -> Measured:
        """What the verdict is about, on the test images: ``name``, ``before``, ``after``, ``gain`` and its ``ci95``."""
        return self.summary.judged

    @cached_property
    def config(self) -> Config:
        """What the run was started with."""
        return RunRecord.read(self.path).config

    @cached_property
    def tuning(self) -> Tuning:
        """The learned change, ready to apply to images."""
        return self._run.tuning if self._run else Tuning.load(self.path)

    @cached_property
    def _predictions(self) -> Predictions:
        return self._run.predictions() if self._run else Predictions.read(self.path)

    def predictions(self) -> Predictions:
        """Probabilities of the labels on the test images, before and after, with their files and labels."""
        return self._predictions

    @property
    def before(self) -> Floats:
        """Probabilities ``(N, L)`` on unchanged test images; NaN for those without a score."""
        return self._predictions.before

    @property
    def after(self) -> Floats:
        """The same on changed images."""
        return self._predictions.after

    @cached_property
    def data(self) -> Dataset:
        """The labelled images of the run.

        Raises:
            InputError: they were given as objects to a run of before, or their files are gone.
        """
        if self._run:
            return self._run.data
        if self._given:
            return self._given
        config, size = self.config, self.tuning.shape[:2]
        if in_memory(config.data):
            raise InputError(
                f"the images of {self.path} were given from Python ({config.data}), and it holds none: for a result "
                "with its images, give resume('RUN', target=..., data=...) the same objects; nothing is scored again."
            )
        fitting = Fitting(config.fit, config.filter, config.max_side)
        return load(
            config.data, label=config.label, size=size, skip_bad=config.skip_bad, seed=config.seed, fitting=fitting
        )

    def pictures(self, positions: Ints) -> tuple[ImageBytes, ImageBytes]:
        """Test images at these positions of ``predictions()``, before and after, ``(M, H, W, 3)`` each.

        Only they are read; photos that keep their sizes are shown small, on a square.

        Raises:
            InputError: the images cannot be read, or were given as objects to a run of before.
        """
        files = [self._predictions.files[position] for position in positions.tolist()]
        if self._run or self._given or in_memory(self.config.data) or self.tuning.fitting.keeps_sizes:
            data = self.data
            places = {name: number for number, name in enumerate(data.files)}
            return before_and_after(data.images, np.array([places[file] for file in files], np.int64), self.tuning)
        listing = list_source(self.config.data, self.config.label)
        rows = {row.file: row for row in listing.rows}
        if missing := [file for file in files if file not in rows]:
            raise InputError(f"{self.config.data} no longer has {missing[0]}: put it back.")
        size = self.tuning.shape[:2]
        read = [self.tuning.fitting(read_image(listing.location(rows[file])), size) for file in files]
        images = np.stack(read) if read else np.zeros((0, *self.tuning.shape), np.uint8)
        return images, self.tuning(images)

    @speaks_python
    def save(self, path: str | Path) -> Path:
        """Copies the run's folder to ``path``, from which ``load_run`` and ``resume`` read it; returns that path.

        Raises:
            InputError: there is something already, or the folder cannot be written.
        """
        out = Path(path)
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise InputError(f"{out} exists: take another name.")
        try:
            shutil.copytree(self.path, out, dirs_exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {out} ({error}): check the folder, its rights and the disk.") from error
        self.path = out
        return out

    def to_frame(self) -> pd.DataFrame:
        """The search as a frame: a row a step, with the columns ``queries``, ``loss`` and ``accuracy``."""
        import pandas as pd

        frame = pd.DataFrame(self._predictions.points, columns=["queries", "loss", "accuracy"])
        return frame.astype({"queries": "int64"})

    def plot_trajectory(self) -> Figure:
        """Accuracy of the search's minibatches against queries, beside the test accuracies."""
        return self._drawn(figures.trajectory)

    def plot_proof(self) -> Figure:
        """The interval of the gain, image by image.

        Raises:
            InputError: the run had no sequential proof.
        """
        return self._drawn(figures.proof)

    def plot_images(self) -> Figure:
        """Test images before and after the change, and their difference."""
        return self._drawn(figures.images)

    def plot_parts(self) -> Figure:
        """What image change and output map gain, alone and together."""
        return self._drawn(figures.parts)

    def plot_reliability(self) -> Figure:
        """How often decisions of a confidence are right, before and after."""
        return self._drawn(figures.reliability)

    @speaks_python
    def _drawn(self, draw: Callable[[Result], Figure]) -> Figure:
        return draw(self)

    def __repr__(self) -> str:
        shown = Outcome.of(self.summary.to_json())
        return (
            f"Result({self.verdict}: test {shown.title} {shown.level(shown.before)} -> {shown.level(shown.after)}, "
            f"{self.summary.queries.total:,} queries, {str(self.path)!r})"
        )

    def __str__(self) -> str:
        return "\n".join(verdict_lines(self.summary.to_json(), None, self.config.price))

    def _repr_html_(self) -> str:
        from blackbox_dft.api.result_html import result_html

        return result_html(self)

    def sentence(self) -> str:
        """The verdict in words, with its interval, beside the free threshold."""
        return sentence(self.summary.to_json())


@speaks_python
def load_run(path: str | Path) -> Result:
    """The finished run in the folder ``path``, without opening its model or its images.

    >>> load_run("run").accuracy.after  # doctest: +SKIP
    0.963393

    Raises:
        InputError: there is no run, or it is not finished.
    """
    path = Path(path)
    return Result(path, read_summary(path))
