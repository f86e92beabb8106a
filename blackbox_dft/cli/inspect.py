"""``bbdft inspect``: inputs, outputs, speed and noise of a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft._utils.text import MAX_NAMES, shortened
from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, spending_options, take
from blackbox_dft.cli.completing import files
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.streams import json_option, print_json, say, show_row
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft._utils.types import ImageBytes, Ints, Scores
    from blackbox_dft.images.fit_options import Filter
    from blackbox_dft.images.fitting import Fitting
    from blackbox_dft.objectives.outputs import Kind
    from blackbox_dft.targets.base import Target
    from blackbox_dft.targets.http.target import HttpTarget

FIND_BUDGET, MIN_FIND_BUDGET = 600, 50
"""Queries of ``--find-input``: the default, and the fewest that can tell anything."""


FIRST = ("data", "label", "find_input", "budget", "map", "show", "profile", "header", "price", "yes", "as_json")
EXAMPLES = (
    "bbdft inspect model.onnx",
    "bbdft inspect model.onnx --data labels.csv --find-input",
    "bbdft inspect https://example.com/score --profile image-json --show",
    "bbdft inspect run/tuning.npz",
)


@click.command(
    cls=Command,
    first=FIRST,
    examples=EXAMPLES,
    short_help="Show inputs, outputs, classes, speed, best batch, noise and rounding of TARGET.",
)
@click.argument("target", shell_complete=files)
@click.option(
    "--data",
    shell_complete=files,
    metavar="DATA",
    help="Labelled images to score; by default smooth random ones.",
)
@options(Config, "label", "map", "allow_outside", "fit", "filter")
@options(TargetOptions, but=("cluster",))
@spending_options
@json_option("Print JSON, and nothing else, on stdout.")
@click.option(
    "--show", is_flag=True, help="Send one image to a URL, and print request and response; secrets are masked."
)
@click.option(
    "--find-input",
    is_flag=True,
    help="Find out from scores of DATA which form of the images TARGET wants: channel order, range, fit, filter, "
    "turn and label order of an ONNX model; fit, size, encoding and label order of a service.",
)
@click.option(
    "--budget",
    type=click.IntRange(MIN_FIND_BUDGET),
    metavar="N",
    help=f"Images scored by --find-input, at most.  [default: {FIND_BUDGET}]",
)
def inspect(
    target: str,
    data: str | None,
    label: str | None,
    map: tuple[str, ...],
    allow_outside: bool,
    fit: str,
    filter: Filter,
    price: float | None,
    as_json: bool,
    show: bool,
    find_input: bool,
    budget: int | None,
    **values: Any,
) -> None:
    """Show what TARGET takes and returns, how noisy its scores are, and which batch and concurrency are fastest.

    The number of images to score is printed first: at most 100 if TARGET is a URL or a price is given, else a few
    thousand. With --find-input, it shows which form of the images the model wants instead, and the options that give
    it. Of a run, or its tuning.npz, it shows what was learned and how it was made, and scores nothing.
    """
    from blackbox_dft.deploy.tuning import Tuning
    from blackbox_dft.fusion.fused_path import fused_path
    from blackbox_dft.images.encoding import Encoding
    from blackbox_dft.images.fit_options import AUTO, KEEP
    from blackbox_dft.images.fitting import Fitting
    from blackbox_dft.objectives.outputs import MEANING, infer_kind, parse_map
    from blackbox_dft.spaces import make_space
    from blackbox_dft.targets import make_target
    from blackbox_dft.targets.inspection import DEFAULT_SIDE, inspect_target, plan_inspection, smooth_images

    if target.endswith(".npz") or Path(target, "tuning.npz").is_file():
        _print(Tuning.load(target).describe(), as_json=as_json)
        return
    consent = Consent.take(values)
    target_options = take(TargetOptions, values)
    outside = allow_outside or "://" not in target
    # What is measured here does not depend on the images' sizes.
    fitting = Fitting("stretch" if fit in (AUTO, KEEP) else fit, filter)
    if not find_input and budget:
        raise InputError("--budget of inspect is for --find-input: leave it out, or give it too.")
    if map and not data:
        raise InputError("--map needs labelled images: give --data.")
    if find_input:
        if not data:
            raise InputError("--find-input needs labelled images: give --data.")
        with make_target(target, target_options) as opened:
            count = budget or FIND_BUDGET
            said = f"scoring up to {count:,} images{'' if price is None else f', for up to {count * price:,.2f}'}"
            consent.require(target, count, price, opening=lambda: [said], always=True)
            say(said)
            fitting = Fitting(fit, filter)
            _find_input(opened, data, count, label, map, fitting, as_json=as_json, outside=outside)
        return
    if show:
        _show_exchange(target, target_options, data, label, outside, Fitting(fit, filter))
        return
    with make_target(target, target_options) as opened:
        chosen = None if data is None else _sample(data, label, opened.image_size, outside, fitting)
        images, data_notes = (None, ()) if chosen is None else (chosen.images, chosen.notes)
        paid = "://" in target or price is not None
        plan = plan_inspection(opened, 64 if images is None else len(images), paid=paid, batch=target_options.batch)
        cost = f", for up to {plan.queries * price:,.2f}" if price is not None else ""
        say(f"scoring up to {plan.queries:,} images{cost}")
        consent.require(target, plan.queries, price, always=True)
        found, sample = inspect_target(opened, images, plan)
        kind = infer_kind(sample, len(opened.classes) if opened.classes else None)
        shown = smooth_images(2, opened.image_size or (DEFAULT_SIDE, DEFAULT_SIDE)) if images is None else images
        space = make_space("affine+color+dct:8", shown.shape[1:])
        path = fused_path(shown, space, opened, Encoding())
        found["path"] = "array" if isinstance(path, str) else "fused"
        found["path_note"] = path if isinstance(path, str) else "the change is written into the model's graph"
        found["scores"] = {"kind": kind, "meaning": MEANING[kind]}
        about = {} if chosen is None else chosen.accuracy(sample, opened, kind, parse_map(map))
        found["notes"] = [*found.get("notes", ()), *data_notes, *about.pop("notes", ())]
        found |= about
    _print(found, as_json=as_json)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    width = max(len(key) for key in found)
    for key, value in found.items():
        for line, text in enumerate(_lines(value)):
            show_row(key.replace("_", " ") if line == 0 else "", width, text)


def _find_input(
    target: Target,
    data: str,
    budget: int,
    label: str | None,
    map: tuple[str, ...],
    fitting: Fitting,
    *,
    as_json: bool,
    outside: bool,
) -> None:
    """Finds the form of the images that the target wants, and prints it."""
    from blackbox_dft.objectives.outputs import parse_map
    from blackbox_dft.run.find_input import find_input
    from blackbox_dft.run.finder_ledger import finder_ledger

    with finder_ledger(target, data, budget) as ledger:
        if ledger is not None and ledger.total:
            say(f"{ledger.total:,} images were scored before an interruption: their scores are used again")
        found = find_input(
            target,
            data,
            budget=budget,
            label=label or "",
            map=parse_map(map),
            fitting=fitting,
            ledger=ledger,
            allow_outside=outside,
        )
    if as_json:
        print_json({"input": found.to_json()})
        return
    click.echo("\n".join(found.lines()))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Up to 64 labelled images."""

    images: ImageBytes
    truth: Ints
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    def accuracy(
        self, scores: Scores, target: Target, kind: Kind, table: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """Of the first images, which ``scores`` are of."""
        from blackbox_dft.run.sample_accuracy import sample_accuracy

        return sample_accuracy(scores, self.truth[: len(scores)], self.labels, target, kind, table)


def _sample(data: str, label: str | None, size: tuple[int, int] | None, outside: bool, fitting: Fitting) -> _Sample:
    """Up to 64 images of ``data``; not the first ones, as in a folder those are of one class."""
    import numpy as np

    from blackbox_dft.data import load

    loaded = load(data, label=label or "", size=size, allow_outside=outside, splits=False, fitting=fitting)
    assert isinstance(loaded.images, np.ndarray)
    chosen = np.random.default_rng(0).permutation(len(loaded.images))[:64]
    return _Sample(loaded.images[chosen], loaded.labels[chosen], tuple(loaded.classes), loaded.notes)


def _show_exchange(
    target: str, options: TargetOptions, data: str | None, label: str | None, outside: bool, fitting: Fitting
) -> None:
    """Sends one image, and prints all requests and responses on the way, and the scores that are read from them."""
    from blackbox_dft.images.fit_options import AUTO, KEEP
    from blackbox_dft.targets.http.target import HttpTarget
    from blackbox_dft.targets.inspection import DEFAULT_SIDE, smooth_images

    if not target.startswith(("http://", "https://")):
        raise InputError(f"--show prints requests to a URL, which {target} is not: leave it out.")
    # A person waits for the response, whatever it is.
    with HttpTarget(target, replace(options, patience=0.0, batch=1), observe=_print_exchange) as opened:
        size = opened.image_size
        smooth = size or (DEFAULT_SIDE, DEFAULT_SIDE)
        if data is not None and size is None and fitting.fit in (AUTO, KEEP) and options.profile != "v2":
            scores = _score_photo(opened, data, label, outside)
        else:
            fitting = replace(fitting, fit="stretch" if fitting.fit in (AUTO, KEEP) else fitting.fit)
            images = smooth_images(1, smooth) if data is None else _sample(data, label, size, outside, fitting).images
            scores = opened.scores(images[:1])
        names = opened.classes or tuple(map(str, range(scores.shape[1])))
        hint = None if scores.any() else opened.explain_no_score()
    if hint:
        raise InputError(f"{target} returned no usable score: {hint.rstrip('.')}.")
    if len(names) != scores.shape[1]:
        names = tuple(map(str, range(scores.shape[1])))
    click.echo("scores: " + ", ".join(f"{name} {score:.4g}" for name, score in zip(names, scores[0], strict=True)))


def _score_photo(target: HttpTarget, data: str, label: str | None, outside: bool) -> Scores:
    """Scores of one image as a run sends it: at its own size, and as its file is if that can be sent."""
    from blackbox_dft.data.originals import list_originals
    from blackbox_dft.images.fitting import Fitting

    originals = list_originals(data, count=1, label=label or "", allow_outside=outside)
    photos = originals.photos(Fitting("keep"))
    file = photos.file(0)
    send = (target.prepare_file(*file) if file else None) or target.prepare(photos.photo(0)[None])
    return send().result()


def _print_exchange(text: str) -> None:
    click.echo(f"{text}\n")


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        rows = [f"{key}: {_short(item)}" for key, item in value.items()] or ["-"]
        # A mapping of a thousand labels would fill the screen; what is measured has fewer rows.
        most = 2 * MAX_NAMES
        return rows if len(rows) <= most else [*rows[:most], f"and {len(rows) - most:,} more"]
    # Of a thousand classes only the first are shown.
    few = isinstance(value, list | tuple) and len(value) <= MAX_NAMES
    if few and any(isinstance(item, dict | str) and len(str(item)) > 20 for item in value):
        return [_short(item) for item in value]
    return [_short(value)]


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return shortened(map(_short, value)) or "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
