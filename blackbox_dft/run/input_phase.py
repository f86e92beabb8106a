"""First phase of a run with ``--find-input``: finds on training images which form of its images the model wants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from blackbox_dft._utils.options import Option, options_of
from blackbox_dft.data.originals import Originals, list_originals
from blackbox_dft.errors import InputError
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.find_input import FoundInput, find_input
from blackbox_dft.scoring.ledger import LEDGER
from blackbox_dft.search.progress import Progress
from blackbox_dft.targets.options import TargetOptions

ENOUGH = 0.95
"""Accuracy of unchanged images from which on ``auto`` looks no further."""
VALUES = ("channels", "range", "mean", "std")
"""Options of a target that say the values of pixels, together."""


def find_form(experiment: Experiment, out: Path, progress: Progress) -> tuple[Config, dict[str, Any]]:
    """Runs the finder through the ledger in ``out``; the configuration with the form that was found, and what it says.

    Only training images are scored, so that the proof stays one on images that nothing was chosen by.

    Raises:
        BudgetError: the budget does not cover it.
        TargetError: the target failed for good; ``resume`` goes on from there.
    """
    config, limit = experiment.config, experiment.input_queries
    progress.phase("input", limit)
    with experiment.target, experiment.ledger(out / LEDGER) as ledger:
        found = find_input(
            experiment.target,
            config.data,
            budget=limit,
            map=experiment.map,
            fitting=experiment.data.fitting,
            encoding=config.encoding,
            seed=config.seed,
            ledger=ledger,
            turns=False,
            originals=_training_images(experiment, limit),
            enough=ENOUGH if config.find_input == "auto" else None,
            scored=lambda images: progress.scored(images, images),
        )
    progress.note(found.sentence)
    for line in found.order.lines() if found.order else ():
        progress.note(line)
    document = {key: value for key, value in found.to_json().items() if key != "hypotheses"}
    # As it reads back from a file: tuples are lists.
    return with_form(config, found), json.loads(json.dumps(document | {"sentence": found.sentence}))


def _training_images(experiment: Experiment, count: int) -> Originals:
    data, config = experiment.data, experiment.config
    train = {data.files[index] for index in data.splits["train"].tolist()}
    try:
        return list_originals(
            config.data,
            count=count,
            label=config.label,
            seed=config.seed,
            allow_outside=config.allow_outside or not experiment.watched,
            only=train,
        )
    except InputError as error:
        raise InputError(f"--find-input needs images that are files: {error}") from error


def with_form(config: Config, found: FoundInput) -> Config:
    """``config`` with what was found in place of what it says of the model's input.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets.onnx.target import OnnxTarget
    >>> target = OnnxTarget(assets() / "digits.onnx")
    >>> config = Config("digits.onnx", "labels.csv")
    >>> with_form(config, find_input(target, str(assets() / "labels.csv"), budget=60)) == config
    True
    """
    words = found.options
    options = config.target_options
    if found.race.found:
        form = found.form
        if form.format:
            options = replace(options, **{name: options_of(TargetOptions)[name].default for name in VALUES})
        fitting: Fitting = form.fitting
        side = fitting.max_side if fitting.keeps_sizes else None
        config = replace(config, fit=fitting.fit, filter=fitting.filter, max_side=side, encoding=form.encoding)
    known = {flag: option for option in options_of(TargetOptions).values() for flag in option.flags}
    for flag, text in zip(words[::2], words[1::2], strict=True):
        if flag in known:
            options = replace(options, **{known[flag].name: _parsed(known[flag], text)})
    return replace(config, target_options=options)


def _parsed(option: Option, text: str) -> Any:
    return option.about.parse(text) if option.about.parse else text
