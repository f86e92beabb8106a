"""Provenance of a run: the command that repeats it, versions and digests."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from blackbox_dft._utils.options import options_of
from blackbox_dft._utils.text import in_memory
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions


def command(config: Config) -> str:
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
    return shlex.join([*words, "--out", "RUN"])


def _call(config: Config) -> str:
    """The call of ``optimize`` that repeats a run of Python objects."""
    given = [one if in_memory(one) else repr(public(one)) for one in (config.target, config.data)]
    for kind, values in ((Config, config), (TargetOptions, config.target_options)):
        for name, option in options_of(kind).items():
            value = getattr(values, name)
            if value != option.default and name != "data":
                given.append(f"{option.key}={value!r}")
    return f"optimize({', '.join(given)})"


def public(text: str) -> str:
    """A URL without user, password and the values of its query.

    >>> public("https://me:secret@host/v2?key=1234&k={env:KEY}")
    'https://…@host/v2?key=…&k={env:KEY}'
    """
    text = re.sub(r"(://)[^/@\s]*@", r"\1…@", text)
    return re.sub(r"([?&][^=&\s]+=)(?!\{env:|\{file:)[^&\s]*", r"\1…", text) if "://" in text else text


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
