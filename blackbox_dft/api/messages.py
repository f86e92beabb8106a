"""Messages in Python's words: ``pass budget=...`` where the command line says ``give --budget``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from blackbox_dft.errors import BlackboxError
from blackbox_dft.evaluation.metric_names import NAMES

P = ParamSpec("P")
T = TypeVar("T")

SWITCHES = frozenset({
    "overwrite", "fresh", "parts", "show", "find-input", "json", "skip-bad", "calibrate", "allow-outside",
    "accept-drift", "float16", "insecure",
})  # fmt: skip
"""Flags without a value."""
WORDS = frozenset({
    "enough", "all", "auto", "none", "local", "cpu", "cuda", "tensorrt", "nchw", "bgr", "rgb", "png", "array", "fused",
    "surface", "nes", "spsa", "random", "stretch", "crop", "pad", "keep", "yes",
})  # fmt: skip
"""Values of options that are plain words."""
COMMAND = re.compile(r"'bbdft ([a-z]+)((?: [^']*)?)'")
FLAG = re.compile(r"--(no-)?([a-z][a-z0-9-]*[a-z0-9])(?:([ =])('[^']*'|(?:[^\s,;:()]|:(?=\S))*[^\s,;:().?]))?")
ADVICE = r"\b(give|take|say)( (?:it|them|another|a larger|a smaller)){0,2} (?=--)"
VALUE = re.compile(r"'.*'|[0-9].*|[A-Z][A-Z0-9_]*(\.[a-z]+)?|.*[=].*|[A-Za-z]+x[A-Za-z]+|a,b,c")


def speaks_python(function: Callable[P, T]) -> Callable[P, T]:
    """Has errors of ``function`` say arguments instead of flags, and calls instead of commands."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BlackboxError as error:
            if error.args and isinstance(error.args[0], str):
                error.args = (in_python(error.args[0]), *error.args[1:])
            raise

    return call


def in_python(message: str) -> str:
    """A message for the command line, with arguments and calls for its flags and commands.

    >>> in_python("continue it with 'bbdft resume run', take another --out, or replace it with --overwrite")
    "continue it with resume('run'), pass another out=, or replace it with overwrite=True"
    >>> in_python("--budget 500 is less than the 800 that it has; give a larger --budget, or --no-early-stop")
    'budget=500 is less than the 800 that it has; pass a larger budget=, or early_stop=False'
    """
    message = COMMAND.sub(_call, message)
    message = re.sub(ADVICE, _pass, message)
    return FLAG.sub(_argument, message)


def _pass(found: re.Match[str]) -> str:
    return re.sub(r"^(give|take|say)", "pass", found[0])


def _call(found: re.Match[str]) -> str:
    """``'bbdft resume RUN --precision 3'`` as ``resume('RUN', precision=3)``."""
    name, rest = found[1], found[2].split()
    arguments: list[str] = []
    while rest:
        word = rest.pop(0)
        flag = word.removeprefix("--")
        if not word.startswith("--"):
            arguments.append(word if word.isupper() else repr(word))
        elif flag in SWITCHES or not rest or rest[0].startswith("--"):
            arguments.append(f"{flag.replace('-', '_')}={'True' if flag in SWITCHES else '...'}")
        else:
            arguments.append(f"{flag.replace('-', '_')}={_value(rest.pop(0))}")
    return f"{name}({', '.join(arguments)})"


def _argument(found: re.Match[str]) -> str:
    negated, flag, between, after = found.groups()
    name = flag.replace("-", "_")
    if negated or flag in SWITCHES:
        return f"{name}={not negated}{between or ''}{after or ''}"
    is_metric = flag == "metric" and after and after.partition(":")[0] in NAMES
    if between and (is_metric or VALUE.fullmatch(after) or after in WORDS):
        return f"{name}={_value(after)}"
    return f"{name}={between or ''}{after or ''}"


def _value(text: str) -> str:
    quoted = text.startswith("'") or re.fullmatch(r"[0-9_.]*[0-9]|[A-Z][A-Z0-9_]*", text)
    return text if quoted else repr(text)
