"""Provenance of a run and of its tuning: the command that repeats it, versions, digests, gain and time."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.options import options_of
from blackbox_dft._utils.text import in_memory
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.summary import Summary
from blackbox_dft.targets.options import TargetOptions
from blackbox_dft.version import __version__


def command(config: Config, out: str = "RUN") -> str:
    """The ``bbdft optimize`` command that repeats the run: all options but defaults, no secrets of URLs.

    >>> command(Config("model.onnx", "labels.csv", space="color", seed=3))
    'bbdft optimize model.onnx --data labels.csv --space color --seed 3 --out RUN'
    """
    if in_memory(config.target) or in_memory(config.data):
        return _call(config)
    words = ["bbdft", "optimize", public(config.target)]
    for name, option in options_of(Config).items():
        words += option.words(getattr(config, name), public)
    for name, option in options_of(TargetOptions).items():
        words += option.words(getattr(config.target_options, name), public)
    return shlex.join([*words, "--out", out])


def _call(config: Config) -> str:
    """The call of ``optimize`` that repeats a run of Python objects."""
    given = [one if in_memory(one) else repr(public(one)) for one in (config.target, config.data)]
    for kind, values in ((Config, config), (TargetOptions, config.target_options)):
        for name, option in options_of(kind).items():
            value = getattr(values, name)
            if value != option.default and name != "data":
                given.append(f"{option.key}={value!r}")
    return f"optimize({', '.join(given)})"


def command_from_here(config: Config, run: Path) -> str:
    """The command that tunes again, into a folder beside ``run``, for a target that has changed since.

    It begins near what ``run`` has learned. Its scores are not used again, as they are of the target of that time.

    >>> command_from_here(Config("model.onnx", "labels.csv", path="array"), Path("run"))
    'bbdft optimize model.onnx --data labels.csv --start run --out run-again'
    """
    # Which path it takes, and what it knows of unchanged images, may be another one now.
    return command(replace(config, start=str(run), path="auto", known=""), f"{run}-again")


def public(text: str) -> str:
    """A URL without user, password and the values of its query.

    >>> public("https://me:secret@host/v2?key=1234&k={env:KEY}")
    'https://…@host/v2?key=…&k={env:KEY}'
    """
    text = re.sub(r"(://)[^/@\s]*@", r"\1…@", text)
    return re.sub(r"([?&][^=&\s]+=)(?!\{env:|\{file:)[^&\s]*", r"\1…", text) if "://" in text else text


def short_name(source: str) -> str:
    """The name of a file, or a URL without its scheme, for a heading.

    >>> short_name("models/digits.onnx"), short_name("https://me:secret@host/v2")
    ('digits.onnx', '…@host/v2')
    """
    shown = public(source).rstrip("/")
    _, found, rest = shown.partition("://")
    if found:
        return rest
    return shown.replace("\\", "/").rsplit("/", 1)[-1] or shown


def provenance(run: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Versions and digests in ``config.json``.

    Raises:
        InputError: the file is damaged.
    """
    path = run / "config.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return (
            {str(name): str(version) for name, version in document.get("versions", {}).items()},
            {str(name): str(value) for name, value in document.get("inputs", {}).items()},
        )
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({error}): restore it, or start a new run.") from error


def made(config: Config, inputs: Mapping[str, str], summary: Summary) -> dict[str, Any]:
    """How, when and on what a tuning was made, and what it gains: what its file and a fused model say; JSON-ready.

    Args:
        config: of the run.
        inputs: digests of images, labels, splits and target.
        summary: of the run.
    """
    test = summary.accuracy["test"]
    return {
        "by": f"blackbox-dft {__version__}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(config),
        "target": public(config.target),
        "target_digest": inputs.get("target"),
        "data_digest": digest(*(inputs.get(name, "") for name in ("images", "labels", "splits"))).hex(),
        "queries": summary.queries.total,
        "test": {"before": test.before, "after": test.after, "n": test.n, "ci95": list(test.ci95)},
        "gain": round(test.after - test.before, 6),
        "verdict": summary.verdict,
        **({} if summary.judged.name == "accuracy" else {"metric": _metric(summary)}),
    }


def _metric(summary: Summary) -> dict[str, Any]:
    """What the verdict is about, if it is not accuracy."""
    judged = summary.judged
    return {name: getattr(judged, name) for name in ("name", "before", "after", "gain")} | {"ci95": list(judged.ci95)}
