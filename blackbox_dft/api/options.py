"""Options of a run as keyword arguments: the command line's names, and values as Python has them."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict

from blackbox_dft._utils.options import Option, OptionError, options_of
from blackbox_dft.errors import InputError
from blackbox_dft.images.fit_options import Filter
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import Channels, Datatype, Layout, Provider, Range, TargetOptions

Texts = str | Sequence[str]


COMMANDS = (
    *("demo", "inspect", "optimize", "resume", "evaluate", "apply", "predict", "check", "export", "compare"),
    *("report", "serve", "profiles", "completion", "cache", "env"),
)
"""Names of commands, which tables of a file may have."""


class TargetKeywords(TypedDict, total=False):
    """Keyword arguments that say what to assume of a target, and how to call it."""

    output: str | None
    model_classes: Texts | None
    layout: Layout
    channel_order: Channels
    range: Range
    mean: float | str | Sequence[float] | None
    std: float | str | Sequence[float] | None
    size: str | Sequence[int] | None
    provider: Provider
    float16: bool
    batch: int | None
    concurrency: int | None
    workers: int | None
    profile: str | os.PathLike[str]
    input: str | None
    datatype: Datatype | None
    header: Mapping[str, str] | Texts
    cert: str | os.PathLike[str] | None
    rate: str | None
    timeout: float
    patience: float
    insecure: bool
    cluster: str


class Options(TargetKeywords, total=False):
    """Keyword arguments of ``optimize``; docs/reference/commands.md says what each does.

    ``--early-stop/--no-early-stop`` is ``early_stop=True`` or ``False``. What the command line takes as one text may be
    a text here too, or a sequence: ``size="112x112"`` or ``size=(112, 112)``.
    """

    space: str
    epsilon: str | float
    flat: Literal["stretch", "keep"]
    channels: Literal["rgb", "luma"]
    estimator: str
    start: str | os.PathLike[str]
    objective: str
    distance_weight: float
    budget: int
    price: float | None
    known: str | os.PathLike[str]
    seed: int
    repeats: int
    in_flight: int | Literal["auto"]
    early_stop: bool
    evaluate: str | int
    precision: float | None
    output_map: Literal["auto", "none", "bias", "linear"]
    views: int
    map: Mapping[str, Texts] | Texts
    path: Literal["auto", "fused", "array"]
    metric: str | Mapping[str, Mapping[str, float]]
    calibrate: bool
    encoding: str
    fit: str
    max_side: int | None
    filter: Filter
    in_doubt: Literal["auto", "count", "free"]
    reserve: float
    skip_bad: bool
    find_input: Literal["no", "auto", "yes"]
    label: str
    allow_outside: bool
    accept_drift: bool


@cache
def known_options() -> Mapping[str, tuple[type, Option]]:
    """Each option by its name here, with the class it is a field of; an option of several spellings has several."""
    found: dict[str, tuple[type, Option]] = {}
    for kind in (Config, TargetOptions):
        for option in options_of(kind).values():
            for flag in option.flags:
                found[flag.removeprefix("--").replace("-", "_")] = kind, option
    return {name: one for name, one in found.items() if name != "data"}


def configure(target: str, data: str, options: Mapping[str, Any]) -> Config:
    """The configuration of a run of ``options`` by name.

    >>> configure("model.onnx", "labels.csv", {"evaluate": 200, "channel_order": "bgr", "map": {"smile": "happy"}}).map
    ('smile=happy',)

    Raises:
        InputError: an unknown name, or a value that an option does not take.
    """
    values: dict[type, dict[str, Any]] = {Config: {}, TargetOptions: {}}
    for name, value in options.items():
        kind, option = find_option(name)
        if option.name in values[kind]:
            raise InputError(f"{name}={value!r}: {option.key}= is the same option: give one of the two.")
        values[kind][option.name] = _as_field(name, option, value)
    try:
        made = TargetOptions(**values[TargetOptions])
        return Config(target, data, **values[Config], target_options=made)
    except OptionError as error:
        given = next(name for name in options if find_option(name)[1].name == error.option.name)
        raise InputError(f"{given}={options[given]!r}: {error.reason}.") from None


def target_options(options: Mapping[str, Any]) -> TargetOptions:
    """Options of a target alone, by name.

    Raises:
        InputError: as for ``configure``.
    """
    if others := [name for name in options if find_option(name)[0] is not TargetOptions]:
        raise InputError(f"{others[0]}= is no option of a target: leave it out.")
    return configure("", "", options).target_options


def find_option(name: str) -> tuple[type, Option]:
    """The option of this name.

    Raises:
        InputError: there is none; names the nearest one.
    """
    known = known_options()
    if name not in known:
        near = get_close_matches(name.replace("-", "_"), known, n=1, cutoff=0.5)
        raise InputError(f"there is no option {name}=: {f'did you mean {near[0]}=?' if near else _some(known)}")
    return known[name]


def _some(known: Mapping[str, Any]) -> str:
    return f"there are {', '.join(sorted(known))}."


def _as_field(name: str, option: Option, value: Any) -> Any:
    """A value as the field takes it: texts are parsed, mappings become the lines of the command line."""
    if option.name == "metric" and isinstance(value, Mapping):
        return metric_text(name, value)
    if isinstance(value, Mapping):
        if not option.repeated:
            raise InputError(f"{name}= takes no mapping.")
        join = ": ".join if option.name == "headers" else "=".join
        return tuple(
            join((str(key), one if isinstance(one, str) else ",".join(map(str, one)))) for key, one in value.items()
        )
    if option.repeated and isinstance(value, str):
        return (value,)
    if option.about.parse and isinstance(value, str):
        try:
            return option.about.parse(value)
        except ValueError as error:
            raise InputError(f"{name}={value!r}: {error}.") from None
    if option.many and isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    if option.many and option.type is str and not isinstance(value, str) and value is not None:
        return tuple(map(str, value))
    if option.name == "evaluate" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def metric_text(name: str, value: str | Mapping[str, Mapping[str, float]]) -> str:
    """A metric as the command line takes it; costs may be given as ``{true: {decided: cost}}``.

    >>> metric_text("metric", {"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0}})
    'cost:{"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0}}'

    Raises:
        InputError: it is neither.
    """
    if isinstance(value, str):
        return value
    try:
        # Labels and costs may be NumPy's.
        rows = {str(true): {str(decided): cost for decided, cost in row.items()} for true, row in value.items()}
        return f"cost:{json.dumps(rows, default=float)}"
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"{name}= takes a text, or costs as {{true: {{decided: cost}}}}.") from None


def load_options(*files: str | os.PathLike[str]) -> dict[str, Any]:
    """Options in TOML files as ``--config`` reads them, the last file winning, to be given to ``optimize``.

    >>> optimize("model.onnx", "labels.csv", **load_options("bbdft.toml"))  # doctest: +SKIP

    Raises:
        InputError: a file is not TOML, or has an unknown key.
    """
    found: dict[str, Any] = {}
    for file in files:
        try:
            table = tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read as TOML: {error}.") from error
        # As the command line does: a table with a command's name is for that command.
        top = {key: value for key, value in table.items() if key not in COMMANDS}
        for key, value in {**top, **table.get("optimize", {})}.items():
            name = key.replace("-", "_")
            if name not in ("target", "data", "out", "overwrite", "reuse"):
                find_option(name)
            found[name] = value
    return found
