"""Prediction: labels for new images by the tuned target of a finished run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Floats, ImageBytes, Ints
from blackbox_dft.data.dataset import MAX_MEMORY_BYTES, Dataset
from blackbox_dft.data.decoding import allocate_pixels, decode_into, page_releaser
from blackbox_dft.data.photos import Photos, read_photos
from blackbox_dft.deploy.image_list import STDIN, ListedImage, list_inputs
from blackbox_dft.deploy.prediction_table import PredictionTable
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.images.files import read_image
from blackbox_dft.run.evaluate import SCORES
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.first_look import require_first_scores
from blackbox_dft.run.in_use import RunInUse, open_run
from blackbox_dft.run.side_ledger import UNLIMITED, replace_ledger, reserve_for, within_reserve
from blackbox_dft.scoring.first_scores import MIN_IMAGES
from blackbox_dft.scoring.ledger import LEDGER, Ledger, recorded_scores
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.scoring.views import score_views
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.targets.base import Target

PREDICTIONS = "predictions.sqlite"
"""Ledger of all predictions of a run, in its folder."""
FRESH = "predictions.fresh.sqlite"
"""Ledger of predictions with ``fresh`` that are not finished yet."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """A finished run and the images to label; ``open_prediction`` makes it."""

    run: Path
    experiment: Experiment
    tuning: Tuning
    images: tuple[ListedImage, ...]
    """All N images, those that cannot be read included."""
    errors: tuple[str, ...]
    """Why an image cannot be read; empty for the others."""
    batch: int
    fresh: bool = False
    """Whether to score all images again, whatever is recorded."""
    budget: int | None = None
    """Most images that may be scored now."""
    warnings: tuple[str, ...] = ()
    """What may be wrong with the labels."""

    @property
    def indices(self) -> Ints:
        """Images that could be read, as indices into the pool ``(M,)``."""
        return np.arange(len(self.experiment.data.labels))

    @property
    def queries(self) -> int:
        """What it costs at most."""
        return self.tuning.queries_per_image * self.experiment.config.repeats * len(self.indices)

    @cached_property
    def unspent(self) -> int:
        """Queries that ``predict`` still has to send, as their scores are not recorded.

        Raises:
            BudgetError: they are more than ``budget``.
        """
        with _scorer(self, NoProgress()) as scorer:
            left = scorer.unrecorded(self.indices, self.tuning.scored_views)
        if self.budget is not None and left > self.budget:
            raise BudgetError(
                f"{len(self.indices):,} images need {left:,} queries more, and --budget allows {self.budget:,}: give "
                "fewer images, or a larger --budget."
            )
        return left

    @property
    def reserve(self) -> int:
        """Of the queries to be sent, how many may be sent again because their responses get lost."""
        reserve = reserve_for(self.experiment, self.batch, self.unspent)
        return reserve if self.budget is None else min(reserve, self.budget - self.unspent)


@dataclass(frozen=True, eq=False)
class PredictionResult:
    """Labels of the images, and what they cost."""

    table: PredictionTable
    queries: int
    """Images sent now."""
    cached: int
    """Scores that were recorded, at no cost."""


def open_prediction(
    run: str | Path,
    sources: Sequence[str | Path],
    lines: Iterable[str] | None = None,
    *,
    fresh: bool = False,
    budget: int | None = None,
    cluster: str | None = None,
    workers: int | None = None,
    rate: str | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    target: Target | None = None,
    images: Dataset | None = None,
) -> Prediction:
    """Opens the finished ``run`` and reads the images to label; nothing is scored yet.

    >>> prediction = open_prediction("run", ["new_images"])  # doctest: +SKIP
    >>> prediction.queries, predict(prediction).table.to_pandas()  # doctest: +SKIP

    Args:
        run: its folder.
        sources: image files, folders of images, CSV files with a column of files; ``-`` is a list on standard input.
        lines: the lines of that list; by default those of standard input.
        fresh: score all images again, for a model that has changed.
        budget: most images that may be scored now.
        cluster: where the model runs now, as for ``with_cluster``.
        workers: calls, or actors, side by side.
        rate: of requests to a URL; by default as in the run.
        price: of one image scored; by default as in the run.
        allow_outside: send a URL images outside the folder of a source too.
        target: of a run that was given a Python object as its target.
        images: images in memory, at the size of the tuning, instead of ``sources``.

    Raises:
        InputError: the run is not finished, or a source is not what it must be, or no image can be read.
    """
    opened = open_run(run, cluster=cluster, workers=workers, rate=rate, price=price)
    config, tuning = opened.config, opened.tuning
    if STDIN in sources and lines is None:
        lines = sys.stdin
    outside = allow_outside or config.allow_outside or "://" not in config.target
    if images is not None:
        listed = [ListedImage(name, Path(name)) for name in images.files]
        data, errors = images, ("",) * len(listed)
    else:
        listed = list_inputs(sources, lines or (), allow_outside=outside)
        data, errors = _read(listed, tuning)
    # What ``auto`` stands for follows from the images of the run, not from these.
    config = replace(config, space=tuning.space)
    experiment = Experiment(config, size=tuning.shape[:2], splits=False, data=data, target=target)
    change = opened.record.change_of(experiment.target)
    warned = (f"{change}: 'bbdft check {opened.run}' says how its scores moved",) if change else ()
    batch = opened.record.batch
    return Prediction(opened.run, experiment, tuning, tuple(listed), errors, batch, fresh, budget, warned)


def predict(prediction: Prediction, progress: Progress | None = None) -> PredictionResult:
    """Scores all views of the images and labels them; what is recorded is not sent again.

    Scores are kept in ``RUN/predictions.sqlite``; those of the run and its evaluations are free too.

    Raises:
        BudgetError: the budget does not cover them; nothing is sent then.
        TargetError: the target failed for good; the scores that came are kept.
    """
    experiment, tuning, indices = prediction.experiment, prediction.tuning, prediction.indices
    left, watcher = prediction.unspent, progress or NoProgress()
    for text in prediction.warnings:
        watcher.warning(text)
    watcher.phase("predict", prediction.queries)
    with experiment.opened(), _scorer(prediction, watcher) as scorer:
        spent = scorer.ledger.total
        with within_reserve(experiment, scorer, left, prediction.budget):
            if left and len(indices) >= MIN_IMAGES:
                require_first_scores(experiment, scorer, "predict", indices, tuning.scored_views[0])
            raw = score_views(scorer, "predict", indices, tuning.scored_views)
        sent = scorer.ledger.total - spent
    if prediction.fresh:
        replace_ledger(prediction.run / PREDICTIONS, prediction.run / FRESH)
    probabilities = np.full((len(prediction.images), len(tuning.labels)), np.nan)
    probabilities[[not error for error in prediction.errors]] = tuning.decide(
        raw.reshape(len(raw), tuning.queries_per_image, -1) if tuning.queries_per_image > 1 else raw
    )
    files = tuple(image.name for image in prediction.images)
    table = PredictionTable(tuning.labels, files, probabilities, prediction.errors)
    return PredictionResult(table, sent, prediction.queries - left)


def _read(listed: Sequence[ListedImage], tuning: Tuning) -> tuple[Dataset, tuple[str, ...]]:
    """The images that can be read, at the tuning's size, and for each of all why it cannot be."""
    paths = [image.path for image in listed]
    if tuning.fitting.keeps_sizes:
        with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
            photos = read_photos(paths, tuning.fitting, threads, skip_bad=True)
        return _dataset(listed, tuning, photos.photos, photos.indices, photos.photos.digests, 0)
    # Beyond a size, pixels lie in a temporary file instead of in memory.
    pixels = allocate_pixels((len(paths), *tuning.shape), MAX_MEMORY_BYTES, None)
    with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
        read, digests, resized, _ = decode_into(pixels, paths, threads, skip_bad=True, fitting=tuning.fitting)
    return _dataset(listed, tuning, pixels[: len(read)], read, digests, resized)


def _dataset(
    listed: Sequence[ListedImage],
    tuning: Tuning,
    images: ImageBytes | Photos,
    read: Sequence[int],
    digests: Sequence[bytes],
    resized: int,
) -> tuple[Dataset, tuple[str, ...]]:
    paths, good = [image.path for image in listed], set(read)
    errors = tuple("" if number in good else _why(path) for number, path in enumerate(paths))
    if not read:
        raise InputError(f"none of the {len(paths):,} images can be read ({errors[0]}): check their paths and formats.")
    data = Dataset(
        images=images,
        labels=np.zeros(len(read), np.int64),
        classes=tuning.labels,
        files=tuple(listed[number].name for number in read),
        splits={},
        groups=None,
        digests=tuple(digests),
        source=paths[0].parent,
        resized=resized,
        fitting=tuning.fitting,
    )
    return data, errors


def unreadable_table(opened: RunInUse, files: Sequence[ListedImage]) -> PredictionTable | None:
    """The table of images none of which can be read; ``None`` if one can."""
    errors = []
    for image in files:
        try:
            read_image(image.path)
            return None
        except InputError:
            errors.append(_why(image.path))
    labels = opened.tuning.labels
    nothing = np.full((len(files), len(labels)), np.nan)
    return PredictionTable(labels, tuple(image.name for image in files), nothing, tuple(errors))


def _why(path: Path) -> str:
    """Why an image cannot be read, without the advice on how to leave it out."""
    try:
        read_image(path)
    except InputError as error:
        return str(error).rpartition(": ")[0]
    return f"{path} could not be read, and now can"


@contextmanager
def _scorer(prediction: Prediction, watcher: Progress) -> Iterator[Scorer]:
    """A scorer on ``RUN/predictions.sqlite``, to which scores of the same queries in the run are copied."""
    experiment, run = prediction.experiment, prediction.run
    release = page_releaser(experiment.data.images)

    def scored(images: int, paid: int) -> None:
        release(images)
        watcher.scored(images, paid)

    path = run / (FRESH if prediction.fresh else PREDICTIONS)
    with Ledger(path, budget=UNLIMITED, in_doubt="count", durable=experiment.paid) as ledger:
        scorer = experiment.scorer(ledger, batch=prediction.batch, progress=scored)
        if not prediction.fresh:
            keys = [key for z in prediction.tuning.scored_views for key in scorer.keys(prediction.indices, z)]
            _copy_known(ledger, [run / LEDGER, run / SCORES], keys)
        try:
            yield scorer
        finally:
            scorer.close()


def _copy_known(ledger: Ledger, others: Sequence[Path], keys: Sequence[bytes]) -> None:
    missing = {key for key in keys if key not in ledger}
    for other in others:
        if missing and other.exists():
            known = recorded_scores(other, missing)
            if known:
                rows: Floats = np.stack(list(known.values()))
                ledger.enter(list(known), rows.astype(np.float32))
            missing -= set(known)
