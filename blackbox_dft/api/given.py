"""What a caller gives as target and data, as a run takes it: names where there are any, else objects."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from blackbox_dft._utils.text import in_memory
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.in_memory import ImageOptions, dataset_of, is_named
from blackbox_dft.errors import InputError
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.config import Config
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.objects import target_again, target_of

ITSELF = "<given>"
"""Stands for the data until it is known what its record calls it."""


@dataclass(frozen=True, eq=False)
class Given:
    """A configuration, and the objects that its names cannot bring back."""

    config: Config
    target: Target | None = None
    """None if the configuration names it."""
    data: Dataset | None = None


def name_of_data(data: object) -> str:
    """The name of a source, or what stands for an object until it is read."""
    return os.fspath(data) if isinstance(data, str | os.PathLike) else ITSELF


def open_given(config: Config, target: object, data: object) -> Given:
    """Opens a target and reads images that are given as objects; what has a name is left to the run.

    Raises:
        InputError: one of them cannot be used.
        TargetError: a server does not respond.
    """
    named_target = isinstance(target, str | os.PathLike)
    if named_target and is_named(data):
        return Given(config)
    found = target_of(target, config.target_options)
    config = replace(config, target=found.name, target_options=found.options)
    if is_named(data):
        return Given(config, found.target)
    images = read_images(config, data, found.target.image_size)
    config = replace(config, data=str(images.source) if in_memory(str(images.source)) else "<data set>")
    return Given(config, found.target, images)


def read_images(
    config: Config,
    data: object,
    size: tuple[int, int] | None,
    *,
    splits: bool = True,
    classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Images that are given as an object, read as ``config`` says and brought to ``size`` (height, width)."""
    fitting = Fitting(config.fit, config.filter, config.max_side)
    options = ImageOptions(size, config.label, config.seed, config.skip_bad, fitting, splits, classes)
    return dataset_of(data, options)


def open_again(config: Config, target: object | None, data: object | None, run: object) -> Given:
    """The objects of a run that is gone on with: those it was started with have to be given again.

    Raises:
        InputError: one is missing, or cannot be used.
    """
    lack = [name for name, own, given in (("target", config.target, target), ("data", config.data, data))
            if in_memory(own) and given is None]  # fmt: skip
    if lack:
        what = " and ".join(f"{name} {getattr(config, name)}" for name in lack)
        again = ", ".join(f"{name}=..." for name in lack)
        raise InputError(f"{run} was started from Python with the {what}: pass {again} again.")
    found = None if target is None else target_again(target, config.target_options)
    images = None
    if data is not None and not is_named(data):
        size = (found or target_of(config.target, config.target_options).target).image_size
        images = read_images(config, data, size)
    return Given(config, found, images)
