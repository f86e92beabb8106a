"""``optimize`` and ``resume`` from Python, and what is done with a finished run: evaluate, predict, check."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast, overload

from blackbox_dft._utils.text import in_memory
from blackbox_dft.api.given import ITSELF, Given, name_of_data, open_again, open_given
from blackbox_dft.api.messages import speaks_python
from blackbox_dft.api.options import Options, configure, metric_text
from blackbox_dft.api.progress import shown
from blackbox_dft.api.result import Result, TemporaryFolder
from blackbox_dft.data.in_memory import ImageOptions, dataset_of, is_named
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run import evaluate as evaluating
from blackbox_dft.run.budget import Plan
from blackbox_dft.run.check import CheckResult, open_check, run_check
from blackbox_dft.run.config import Config
from blackbox_dft.run.evaluate import Evaluation, EvaluationResult, PartsResult, open_evaluation
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.folder import check_free
from blackbox_dft.run.predict import Prediction, PredictionResult, open_prediction
from blackbox_dft.run.predict import predict as run_prediction
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.record import RunRecord
from blackbox_dft.run.result import Result as FinishedRun
from blackbox_dft.run.runner import reopen, start
from blackbox_dft.scoring.ledger import LEDGER, count_queries
from blackbox_dft.search.progress import Progress

Run = Result | str | Path


@overload
def optimize(
    target: Config,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    progress: bool | Progress | None = None,
    callbacks: Sequence[object] = (),
    reuse: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> Result: ...
@overload
def optimize(
    target: object,
    data: object,
    *,
    out: str | Path | None = None,
    progress: bool | Progress | None = None,
    callbacks: Sequence[object] = (),
    reuse: Sequence[str | Path] = (),
    overwrite: bool = False,
    **options: Unpack[Options],
) -> Result: ...
@speaks_python
def optimize(
    target: object,
    data: object = None,
    *,
    out: str | Path | None = None,
    progress: bool | Progress | None = None,
    callbacks: Sequence[object] = (),
    reuse: Sequence[str | Path] = (),
    overwrite: bool = False,
    **options: Any,
) -> Result:
    """Learns the change that makes ``target`` classify ``data`` better.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(300) % 2
    >>> levels = 110 + 30 * labels + rng.normal(0, 7, 300)
    >>> images = np.broadcast_to(levels[:, None, None, None], (300, 8, 8, 3)).astype(np.uint8)
    >>> def bright(images):  # Calls an image bright from 140 on: these are too dark for it.
    ...     light = images.mean(axis=(1, 2, 3))
    ...     return np.stack([140 - light, light - 140], axis=1) / 8
    >>> result = optimize(bright, (images, labels), budget=600, space="color", progress=False)
    >>> result.verdict, result.accuracy.after - result.accuracy.before > 0.1
    ('improved', True)

    Args:
        target: an ONNX file, a URL or ``module:function``; a function from images, uint8 ``(N, H, W, 3)`` RGB, to
            scores ``(N, K)``, class indices or class names ``(N,)``; an ``onnxruntime.InferenceSession``; a ``Target``.
            Or a ``Config``, which holds all options; then the second argument is ``out``.
        data: what ``--data`` takes; ``(images, labels)``, ``(paths, labels)``, a torch ``Dataset``, a Hugging Face
            ``Dataset``, a pandas frame with a column of paths, one of these for each of train, val and test in a
            mapping, or a ``Dataset`` that ``load`` returned.
        out: folder of the run; it must be empty, not exist, or hold a run that got no score. By default a temporary
            one, which is removed with the result unless ``Result.save`` copies it.
        progress: ``None`` shows a line on a terminal and in a notebook, ``True`` always, ``False`` never; or an object.
        callbacks: objects with methods of ``Callback``; one that raises stops the run, which can be resumed.
        reuse: ledgers of other runs, whose scores are free here.
        overwrite: replace the run that ``out`` holds.
        options: those of the command line: ``budget=1000``, ``early_stop=False``, ``evaluate="all"``.

    Raises:
        InputError: bad data, model, option or folder; nothing is written then.
        BudgetError: the budget cannot cover the job; nothing is written then.
        TargetError: the target failed for good; ``resume`` continues from there.
    """
    if isinstance(target, Config):
        if options:
            raise InputError(f"a Config has all options: give it {next(iter(options))}= instead.")
        out = cast("str | Path | None", data) if out is None else out
        given = Given(target)
    else:
        given = _given(target, data, options)
    if out is not None:
        check_free(Path(out), overwrite=overwrite)
    experiment = Experiment(given.config, target=given.target, data=given.data)
    temporary = TemporaryFolder() if out is None else None
    folder = temporary.path if temporary else Path(cast("str | Path", out))

    def go(notices: Progress) -> FinishedRun:
        return start(experiment, folder, notices, reuse=reuse, overwrite=overwrite)

    return _finish(experiment, folder, go, given, temporary, progress, callbacks)


@speaks_python
def plan(target: object, data: object = None, **options: Unpack[Options]) -> Plan:
    """How the budget of such a run would be split; nothing is sent, and nothing written.

    >>> from blackbox_dft.demo import assets
    >>> found = plan(assets() / "digits.onnx", assets() / "labels.csv", budget=2000)
    >>> found.total <= 2000, found.tune > 0
    (True, True)

    Args:
        target: as for ``optimize``.
        data: likewise.
        options: likewise.

    Raises:
        InputError: as for ``optimize``.
        BudgetError: the budget cannot cover the job.
    """
    given = Given(target) if isinstance(target, Config) else _given(target, data, dict(options))
    return Experiment(given.config, target=given.target, data=given.data).plan


def _given(target: object, data: object, options: dict[str, Any]) -> Given:
    if data is None:
        raise InputError("there is no data: pass a path, (images, labels), or another of the objects that data takes.")
    named = os.fspath(target) if isinstance(target, str | os.PathLike) else ITSELF
    config = configure(named, name_of_data(data), options)
    if "budget" not in options and (config.price is not None or "://" in str(getattr(target, "name", named))):
        # On the command line, a yes is asked for.
        raise InputError("every image that the target scores may cost: pass budget=..., the most that may be sent.")
    return open_given(config, target, data)


@speaks_python
def resume(
    run: Run,
    budget: int | None = None,
    progress: bool | Progress | None = None,
    *,
    target: object = None,
    data: object = None,
    callbacks: Sequence[object] = (),
    evaluate: str | int | None = None,
    precision: float | None = None,
    accept_drift: bool = False,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
) -> Result:
    """Continues a run: recorded scores are replayed, only missing ones are queried.

    Args:
        run: its folder, or its result.
        budget: raises the cap: the run makes the same proposals as before, and then more.
        progress: as for ``optimize``.
        target: the object that the run was given; not needed for a ``Result`` of this process.
        data: likewise.
        callbacks: as for ``optimize``.
        evaluate: test images from now on: ``"enough"``, ``"all"`` or a number.
        precision: go on with a proof until its interval is as narrow as +- so many points.
        accept_drift: go on although the model behind a URL changed.
        cluster: where the model runs from now on.
        workers: calls, or actors, side by side.
        price: of one image scored.

    Raises:
        InputError: no run there, or its data, model or configuration changed.
        BudgetError: the budget cannot cover the job.
        TargetError: the target failed for good; call it again to continue.
    """
    folder, given, temporary = _again(run, target, data)
    experiment, continue_run = reopen(
        folder,
        budget,
        accept_drift=accept_drift,
        cluster=cluster,
        workers=workers,
        price=price,
        evaluate=None if evaluate is None else str(evaluate),
        precision=precision,
        target=given.target,
        data=given.data,
    )
    return _finish(experiment, folder, continue_run, given, temporary, progress, callbacks)


def _again(run: Run, target: object, data: object) -> tuple[Path, Given, TemporaryFolder | None]:
    """Folder of a run, its objects, and the temporary folder to hold on to."""
    if not isinstance(run, Result):
        folder = Path(run)
        return folder, open_again(RunRecord.read(folder).config, target, data, folder), None
    config = RunRecord.read(run.path).config
    given = open_again(
        config,
        run._target if target is None else target,
        run._given if data is None else data,
        run.path,
    )
    return run.path, given, run._temporary


def _finish(
    experiment: Experiment,
    folder: Path,
    go: Callable[[Progress], FinishedRun],
    given: Given,
    temporary: TemporaryFolder | None,
    progress: bool | Progress | None,
    callbacks: Sequence[object],
) -> Result:
    with (
        _kept(folder, temporary),
        shown(progress, experiment.plan.total, callbacks, experiment.config.price) as notices,
    ):
        run = go(notices)
        result = Result(folder, run.summary, run=run, target=given.target, data=given.data, temporary=temporary)
        notices.done(result)
    return result


@contextmanager
def _kept(folder: Path, temporary: TemporaryFolder | None) -> Iterator[None]:
    """Leaves the folder of a run that stops before its end, and says how to continue it."""
    try:
        yield
    except BaseException as error:
        queries = count_queries(folder / LEDGER) if (folder / LEDGER).exists() else None
        if queries and queries[1]:
            if temporary:
                temporary.keep()
            record = RunRecord.read(folder).config
            more = "".join(f", {what}=..." for what in ("target", "data") if in_memory(getattr(record, what)))
            error.add_note(f"All scores are kept: blackbox_dft.resume({str(folder)!r}{more}) goes on from there.")
        raise


@overload
def evaluate(run: Evaluation, data: Progress | None = None) -> EvaluationResult: ...
@overload
def evaluate(
    run: Run,
    data: object = None,
    *,
    split: str | None = None,
    label: str | None = None,
    fresh: bool = False,
    target: object = None,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    metric: str | Mapping[str, Mapping[str, float]] | None = None,
    progress: bool | Progress | None = None,
) -> EvaluationResult: ...
@speaks_python
def evaluate(
    run: Evaluation | Run,
    data: object = None,
    *,
    split: str | None = None,
    label: str | None = None,
    fresh: bool = False,
    target: object = None,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    metric: str | Mapping[str, Mapping[str, float]] | None = None,
    progress: bool | Progress | None = None,
) -> EvaluationResult:
    """Measures the tuning of a run on other images, or on its own again; every image is scored before and after.

    Args:
        run: a result, the folder of a finished run, or what ``open_evaluation`` returned.
        data: other images, as for ``optimize``; by default the run's own.
        split: of the data, or ``"all"``; by default ``"test"`` of the run's own data, and all of other data.
        label: column or attribute with the labels of other data.
        fresh: score all images again, also those whose scores are recorded.
        target: the object that the run was given as target; not needed for a ``Result`` of this process.
        cluster: where the model runs now.
        workers: calls, or actors, side by side.
        price: of one image scored.
        allow_outside: send a URL images outside the folder of other data too.
        metric: what the verdict is about, as for ``optimize``; by default that of the run.
        progress: as for ``optimize``.

    Raises:
        InputError: the run is not finished, or the data does not suit it.
        TargetError: the target failed for good; the scores that came are kept.
    """
    if isinstance(run, Evaluation):
        return evaluating.evaluate(run, cast("Progress | None", data))
    opened = _open_evaluation(
        run, data, split, label, target, fresh=fresh, cluster=cluster, workers=workers, price=price,
        allow_outside=allow_outside, metric=None if metric is None else metric_text("metric", metric),
    )  # fmt: skip
    with shown(progress, opened.queries, (), opened.experiment.config.price) as notices:
        return evaluating.evaluate(opened, notices)


@speaks_python
def evaluate_parts(run: Run, *, target: object = None, progress: bool | Progress | None = None) -> PartsResult:
    """Test accuracy of a run with each part of its space alone, and without each.

    Args:
        run: a result, or the folder of a finished run.
        target: as for ``evaluate``.
        progress: as for ``optimize``.

    Raises:
        InputError: the space has one part only.
    """
    opened = _open_evaluation(run, None, None, None, target)
    most = len(opened.part_candidates) * len(opened.indices)
    with shown(progress, most, (), opened.experiment.config.price) as notices:
        return evaluating.evaluate_parts(opened, notices)


def _open_evaluation(
    run: Run, data: object, split: str | None, label: str | None, target: object, **where: Any
) -> Evaluation:
    folder, target = _folder_and_target(run, target)
    config = RunRecord.read(folder).config
    images = run._given if isinstance(run, Result) and data is None else None
    opened = open_again(config if data is None and images is None else replace(config, data=""), target, None, folder)
    name: str | None = None
    if data is not None and is_named(data):
        name = name_of_data(data)
    elif data is not None:
        classes = Predictions.read(folder).classes
        size, fitting = Tuning.load(folder).shape[:2], Fitting(config.fit, config.filter)
        # Other data may lack some of the run's labels, and needs no splits.
        options = ImageOptions(size, label or "", config.seed, config.skip_bad, fitting, False, classes)
        images = dataset_of(data, options)
        name = str(images.source)
    return open_evaluation(folder, name, split, label, target=opened.target, images=images, **where)


def _folder_and_target(run: Run, target: object) -> tuple[Path, object]:
    if isinstance(run, Result):
        return run.path, run._target if target is None else target
    return Path(run), target


@overload
def predict(run: Prediction, images: Progress | None = None) -> PredictionResult: ...
@overload
def predict(
    run: Run,
    images: object,
    *,
    fresh: bool = False,
    budget: int | None = None,
    target: object = None,
    cluster: str | None = None,
    workers: int | None = None,
    rate: str | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    progress: bool | Progress | None = None,
) -> PredictionResult: ...
@speaks_python
def predict(
    run: Prediction | Run,
    images: object = None,
    *,
    fresh: bool = False,
    budget: int | None = None,
    target: object = None,
    cluster: str | None = None,
    workers: int | None = None,
    rate: str | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    progress: bool | Progress | None = None,
) -> PredictionResult:
    """Labels new images by the tuned target of a run: changed, under all views, scored, and mapped to labels.

    Scores are kept in ``RUN/predictions.sqlite``; no image is paid for twice.

    Args:
        run: a result, the folder of a finished run, or what ``open_prediction`` returned.
        images: a path or several (files, folders, CSV files with a column of files), an array ``(N, H, W, 3)``, or a
            list of arrays or Pillow images.
        fresh: score all images again, for a model that has changed.
        budget: most images that may be scored now.
        target: the object that the run was given as target; not needed for a ``Result`` of this process.
        cluster: where the model runs now.
        workers: calls, or actors, side by side.
        rate: of requests to a URL.
        price: of one image scored.
        allow_outside: send a URL images outside the folder of a source too.
        progress: as for ``optimize``.

    Raises:
        InputError: the run is not finished, or the images cannot be used.
        BudgetError: the budget does not cover them; nothing is sent then.
        TargetError: the target failed for good; the scores that came are kept.
    """
    if isinstance(run, Prediction):
        return run_prediction(run, cast("Progress | None", images))
    folder, target = _folder_and_target(run, target)
    given = open_again(replace(RunRecord.read(folder).config, data=""), target, None, folder)
    sources, pictures = _sources(images)
    data = None
    if pictures is not None:
        tuning = Tuning.load(folder)
        labels = [tuning.labels[0] if tuning.labels else "0"] * len(pictures)
        options = ImageOptions(tuning.shape[:2], fitting=tuning.fitting, splits=False, classes=tuning.labels or None)
        data = dataset_of((pictures, labels), options)
    opened = open_prediction(
        folder, sources, fresh=fresh, budget=budget, cluster=cluster, workers=workers, rate=rate, price=price,
        allow_outside=allow_outside, target=given.target, images=data,
    )  # fmt: skip
    with shown(progress, opened.queries, (), opened.experiment.config.price) as notices:
        return run_prediction(opened, notices)


def _sources(images: object) -> tuple[list[str | Path], Any]:
    """Paths to read, or images in memory."""
    if isinstance(images, str | Path):
        return [images], None
    if isinstance(images, list | tuple) and images and all(isinstance(one, str | Path) for one in images):
        return list(images), None
    if hasattr(images, "getbands") or (hasattr(images, "ndim") and cast(Any, images).ndim == 3):
        return [], [images]
    if hasattr(images, "__len__") and len(cast(Any, images)):
        return [], images
    raise InputError("there are no images: pass paths, an array (N, H, W, 3), or a list of images.")


@speaks_python
def check(
    run: Run,
    images: int | None = None,
    *,
    target: object = None,
    data: object = None,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
    progress: bool | Progress | None = None,
) -> CheckResult:
    """Scores a few of a run's labelled images again, and says whether the model has changed: ``check(run).drift``.

    Args:
        run: a result, or the folder of a finished run.
        images: how many to score; 60 by default, later those of the first check.
        target: the object that the run was given as target; not needed for a ``Result`` of this process.
        data: likewise, as data.
        cluster: where the model runs now.
        workers: calls, or actors, side by side.
        price: of one image scored.
        progress: as for ``optimize``.

    Raises:
        InputError: the run is not finished, its images changed, or it has no scores to compare with.
        TargetError: the target failed for good.
    """
    folder, given, _ = _again(run, target, data)
    opened = open_check(
        folder, images, cluster=cluster, workers=workers, price=price, target=given.target, data=given.data
    )
    with shown(progress, opened.most, (), opened.evaluation.experiment.config.price) as notices:
        return run_check(opened, notices)
