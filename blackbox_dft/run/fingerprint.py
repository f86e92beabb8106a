"""What a run or a comparison may not change once it was started: options by their values, inputs by their digests.

The definition of each option in ``Config`` and ``TargetOptions`` says whether it belongs to the fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.options import options_of
from blackbox_dft.errors import InputError
from blackbox_dft.images.fit_options import AUTO
from blackbox_dft.run.config import BEFORE_THE_OPTION, Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.spaces.specs import to_file
from blackbox_dft.targets.options import TargetOptions

PREFIX = "target_options."
"""Of the keys of a target's options."""


class Change(NamedTuple):
    """An option whose value is not the recorded one."""

    key: str
    recorded: Any
    current: Any

    @property
    def flag(self) -> str:
        """How the option is spelled on the command line."""
        kind = TargetOptions if self.key.startswith(PREFIX) else Config
        return options_of(kind)[self.key.removeprefix(PREFIX)].flags[0]


def fingerprint(config: Config, but: Collection[str] = ()) -> dict[str, Any]:
    """The options that may not change and their values, flat and ready for JSON; without those named in ``but``.

    >>> kept = fingerprint(Config("model.onnx", "labels.csv", seed=3))
    >>> kept["seed"], kept["target_options.layout"], "budget" in kept, "target_options.provider" in kept
    (3, 'auto', False, False)
    """
    values = {name: getattr(config, name) for name, option in options_of(Config).items() if option.about.fingerprint}
    for name, option in options_of(TargetOptions).items():
        if option.about.fingerprint:
            values[PREFIX + name] = getattr(config.target_options, name)
    values["space"] = to_file(config.space)
    # As they come back from a file: tuples are lists.
    plain: dict[str, Any] = json.loads(json.dumps({key: value for key, value in values.items() if key not in but}))
    return plain


def changed(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> Change | None:
    """The first key of ``current`` whose value is not the recorded one.

    A key that the recording version did not know has its default there. Recorded keys that are no longer part of the
    fingerprint are left aside.

    >>> changed({"seed": 0}, {"seed": 3, "repeats": 1})
    Change(key='seed', recorded=0, current=3)
    """
    defaults = fingerprint(Config("", "")) | BEFORE_THE_OPTION
    for key, value in current.items():
        before = recorded.get(key, defaults[key])
        # What ``auto`` comes to is in the digests of the images.
        decided = key == "fit" and {before, value} == {AUTO, "stretch"}
        if before != value and not decided and not (key == PREFIX + "profile" and _are_files(before, value)):
            return Change(key, before, value)
    return None


def _are_files(*profiles: str) -> bool:
    """Whether both profiles are files, whose contents are part of the target's digest; where they lie may change."""
    return all(profile.endswith(".toml") for profile in profiles)


def input_digests(experiment: Experiment) -> dict[str, str]:
    """Digests of the images, labels and splits that were read, of the target and its class names."""
    data, target = experiment.data, experiment.target
    splits = (part for name, indices in sorted(data.splits.items()) for part in (name, indices.tobytes()))
    return {
        "images": digest(*data.digests).hex(),
        "labels": digest(data.labels.tobytes(), *data.classes).hex(),
        "splits": digest(*splits).hex(),
        "target": target.fingerprint,
        "classes": digest(*(target.classes or ())).hex(),
    }


def file_digests(experiment: Experiment) -> dict[str, str]:
    """A digest of every image's pixels, by file."""
    data = experiment.data
    return {file: key.hex()[:16] for file, key in zip(data.files, data.digests, strict=True)}


def check_inputs(
    experiment: Experiment,
    recorded: Mapping[str, str],
    place: object,
    recorded_files: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Compares ``input_digests`` with those ``recorded`` in the folder ``place``.

    ``recorded_files`` reads the ``file_digests`` of that time, if there are any: the error then names the image that
    changed.

    Raises:
        InputError: names the input that changed.
    """
    for what, value in input_digests(experiment).items():
        if recorded.get(what, value) != value:
            where = experiment.config.target if what in ("target", "classes") else experiment.config.data
            which = _changed_files(recorded_files(), file_digests(experiment)) if what == "images" else ""
            raise InputError(
                f"{where}: the {what} changed{which} since {place} was started: "
                "restore what was there, or start a new run."
            )


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The files whose digests differ, in words; nothing if none were recorded."""
    changed = [file for file in sorted({*before, *now}) if before.get(file) != now.get(file)] if before else []
    more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
    return f" ({changed[0]}{more})" if changed else ""
