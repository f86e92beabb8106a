"""What a finished run becomes: ONNX files, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from blackbox_dft.api.messages import speaks_python
from blackbox_dft.api.options import TargetKeywords, target_options
from blackbox_dft.api.result import Result, load_run
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.fusion import export
from blackbox_dft.fusion.label_output import LabelOutput
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.report.compare_report import read_results
from blackbox_dft.report.compare_report import write_report as write_comparison
from blackbox_dft.report.figures.pictures import contact_figure, curve_figure, shown_images
from blackbox_dft.report.figures.style import write_png
from blackbox_dft.report.run_report import write_run_report
from blackbox_dft.run.record import RunRecord
from blackbox_dft.targets.objects import target_of
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions

Tuned = Result | Tuning | str | Path


@speaks_python
def export_onnx(tuned: Tuned, path: str | Path, *, overwrite: bool = False) -> Path:
    """Writes the change as an ONNX file, image to image: float32 ``(N, 3, H, W)`` RGB in [0, 1]; returns its path.

    Of several views, the others become the outputs ``changed_2``, ``changed_3`` and so on.

    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     export_onnx(Tuning("color", np.zeros(6), (8, 8, 3)), Path(folder, "change.onnx")).name
    'change.onnx'

    Args:
        tuned: a result, a tuning, or the folder of a finished run.
        path: of the file to write.
        overwrite: replace it if it exists.

    Raises:
        InputError: the file exists, does not end in .onnx, or cannot be written.
    """
    out, tuning = _free(path, overwrite), _tuning(tuned)
    levels = Encoding.parse(tuning.encoding).levels
    views = tuning.views if len(tuning.views) else None
    export.export_onnx(tuning.make_space(), tuning.z, tuning.shape, out, levels=levels, views=views)
    return out


@speaks_python
def fuse_onnx(
    tuned: Tuned, model: object, path: str | Path, *, overwrite: bool = False, **options: Unpack[TargetKeywords]
) -> Path:
    """Writes an ONNX model with the change in front of it: unchanged images in, scores out; returns the file's path.

    The file has the model's own outputs and, if the run has an output map, ``labels``: probabilities of its labels.

    Args:
        tuned: a result, a tuning, or the folder of a finished run.
        model: the model's ONNX file, an ``onnxruntime.InferenceSession`` or an ONNX ``Target``.
        path: of the file to write, another than the model's.
        overwrite: replace it if it exists.
        options: of the model, such as ``channel_order="bgr"``; by default those of the run.

    Raises:
        InputError: the file exists, or the model cannot be merged with the change.
    """
    out, tuning = _free(path, overwrite), _tuning(tuned)
    known = target_options(options)
    if not options and (folder := _folder(tuned)):
        known = RunRecord.read(folder).config.target_options
    target = target_of(model, TargetOptions() if isinstance(model, OnnxTarget) else known).target
    if not isinstance(target, OnnxTarget):
        raise InputError(f"{target.name} is not an ONNX model: only those can be merged with the change.")
    if out.exists() and out.samefile(target.path):
        raise InputError(f"{out} is the model itself, which is never replaced: take another name.")
    labels = None
    # The scores of a model that returns bytes are not the file's own numbers.
    if tuning.output_map and tuning.scores and "int8" not in target.output.type:
        labels = LabelOutput(target.output.name, tuning.scores, tuning.output_map, tuning.labels)
    views = tuning.views if len(tuning.views) else None
    if views is not None and labels is None:
        raise InputError(f"{target.name} returns no scores that views can be joined by: use export_onnx.")
    export.fuse_onnx(
        tuning.make_space(),
        tuning.z,
        tuning.shape,
        target.path,
        out,
        input_format=target.input_format,
        levels=Encoding.parse(tuning.encoding).levels,
        labels=labels,
        views=views,
    )
    return out


@speaks_python
def write_report(
    run: Result | str | Path,
    *,
    by: Sequence[str] = (),
    price: float | None = None,
    marks: Mapping[str, float] | None = None,
) -> list[Path]:
    """Writes the report of a run or a comparison into its folder, and returns the files; no query is needed.

    A run gets ``report.html``, ``report.txt``, ``contact.png`` and ``curve.png``.

    Args:
        run: a result, or the folder of a finished run or comparison.
        by: columns of the run's data to break the result down by.
        price: of one image scored; by default as in the run.
        marks: more test accuracies to draw as lines, by name.

    Raises:
        InputError: the run is not finished, or a column is unknown.
    """
    if not isinstance(run, Result) and (Path(run) / "compare.json").exists():
        write_comparison(read_results(Path(run)), Path(run))
        return [Path(run) / f"compare{suffix}" for suffix in (".html", ".png", ".txt", ".json")]
    result = run if isinstance(run, Result) else load_run(run)
    price = result.config.price if price is None else price
    data: Any = None
    try:
        data = result.data
        predictions = result.predictions()
        pair = result.pictures(shown_images(predictions))
        write_png(contact_figure(predictions, result.summary, *pair), result.path / "contact.png")
        if chart := curve_figure(predictions, result.summary):
            write_png(chart, result.path / "curve.png")
        pictures = [result.path / name for name in ("contact.png", "curve.png")]
    except InputError:
        # The page says why it has no images.
        pictures = []
    written = write_run_report(result.path, data, by=by, price=price, marks=marks)
    return [*(result.path / name for name in written), *(path for path in pictures if path.exists())]


def _tuning(tuned: Tuned) -> Tuning:
    if isinstance(tuned, Tuning):
        return tuned
    return tuned.tuning if isinstance(tuned, Result) else Tuning.load(tuned)


def _folder(tuned: Tuned) -> Path | None:
    if isinstance(tuned, Tuning):
        return None
    folder = tuned.path if isinstance(tuned, Result) else Path(tuned)
    return folder if folder.is_dir() else None


def _free(path: str | Path, overwrite: bool) -> Path:
    out = Path(path)
    if out.suffix != ".onnx":
        raise InputError(f"{out} does not end in .onnx: give it a name with that ending.")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists: take another name, or give --overwrite.")
    return out
