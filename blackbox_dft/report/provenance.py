"""How to reproduce a run: its command, versions and digests."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

WORDS = {
    "classes": "model-classes",
    "channels": "channel-order",
    "workers": "concurrency",
}
"""Options of the target with another name on the command line."""


def command(config: Config) -> str:
    """The ``bbdft optimize`` command of a run for a shell, without default values and without secrets of a URL.

    >>> command(Config("model.onnx", "labels.csv", seed=3))
    'bbdft optimize model.onnx --data labels.csv --seed 3 --out RUN'
    """
    words = ["bbdft", "optimize", public(config.target)]
    for field in fields(Config):
        if field.name not in ("target", "target_options"):
            words += _option(field.name, getattr(config, field.name), field.default)
    for field in fields(TargetOptions):
        words += _option(WORDS.get(field.name, field.name), getattr(config.target_options, field.name), field.default)
    return shlex.join([*words, "--out", "RUN"])


def _option(name: str, value: Any, default: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value == default:
        return []
    if isinstance(value, bool):
        return [flag]
    if name == "size":
        return [flag, "x".join(map(str, value))]
    if name in ("map", "headers"):
        return [word for one in value for word in (flag.removesuffix("s"), public(one))]
    if isinstance(value, tuple):
        return [flag, ",".join(map(str, value))]
    return [flag, str(value)]


def public(text: str) -> str:
    """``text``; if it is a URL, without user, password and the values of its query.

    >>> public("https://me:secret@host/v2?key=abc&k={env:KEY}")
    'https://…@host/v2?key=…&k={env:KEY}'
    """
    text = re.sub(r"(://)[^/@\s]*@", r"\1…@", text)
    return re.sub(r"([?&][^=&\s]+=)(?!\{env:|\{file:)[^&\s]*", r"\1…", text) if "://" in text else text


def provenance(run: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Versions and digests in ``config.json``, by name.

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
