"""Standard streams: JSON alone on stdout whatever a target prints, and no traceback if a stream is closed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_reserved: TextIO | None = None
"""The stdout that the program was started with, once nothing else may write to it."""

_logged = False
"""Whether ``say`` logs."""
LEVELS = {"WARNING": "WARNING: ", "ERROR": "bbdft: "}
"""Beginnings of what is said that is more than information."""

TO_COPY = ("next:", "now:", "give:", "command:", "bbdft ")
"""Beginnings of lines that a user copies."""


def open_closed_streams() -> None:
    """Puts the null device where a standard stream is closed.

    Else the next file opened would take its number, and libraries that write to stderr would write into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken: this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def reserve_stdout() -> None:
    """From now on, whatever is printed goes to stderr; only ``print_json`` writes to stdout.

    A target may print with Python, from a library in C, from another process, or when the program ends.
    """
    global _reserved
    # Not if another program has put a stream of its own there and calls a command.
    stdout: TextIO = sys.stdout
    if _reserved is None and stdout is sys.__stdout__:
        stdout.flush()
        _reserved = open(os.dup(stdout.fileno()), "w", encoding="utf-8")  # noqa: PTH123, SIM115
        os.dup2(sys.stderr.fileno(), stdout.fileno())


def print_json(document: Any) -> None:
    """Prints ``document`` on the stdout that the program was started with."""
    click.echo(json.dumps(document, indent=2), file=_reserved)


def fitted(text: str, stream: TextIO) -> str:
    """``text`` with lines broken between words if ``stream`` is a terminal; commands to copy stay in one line.

    >>> import io
    >>> fitted("a line for a file or a pipe stays as it is", io.StringIO())
    'a line for a file or a pipe stays as it is'
    """
    if not stream.isatty():
        return text

    def one(line: str) -> str:
        return _filled(line, " " * (len(line) - len(line.lstrip()) + 2))

    return "\n".join(map(one, text.split("\n")))


def show_row(name: str, width: int, text: str) -> None:
    """Prints ``name``, filled up to ``width``, and ``text`` on stdout; on a terminal, broken into lines beside it."""
    line, indent = f"{name:<{width}}  {text}", " " * (width + 2)
    click.echo(_filled(line, indent) if sys.stdout.isatty() and not text.startswith(TO_COPY) else line)


def _filled(line: str, indent: str) -> str:
    """``line`` broken between words at the width of the terminal, with ``indent`` before all lines but the first."""
    import shutil
    import textwrap

    width = max(20, shutil.get_terminal_size().columns)
    if len(line) <= width or line.lstrip().startswith(TO_COPY):
        return line
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, tabsize=4
    )


def show(text: str) -> None:
    """Prints the result of a command on stdout, fitted to a terminal."""
    click.echo(fitted(text, sys.stdout))


def say(text: str) -> None:
    """Prints a line on stderr, or logs it; if its reader is gone, the command goes on without."""
    with suppress(OSError, ValueError):
        if not _logged:
            click.echo(fitted(text, sys.stderr), err=True)
            return
        import logging

        for line in filter(None, map(str.strip, text.split("\n"))):
            level, mark = next((one for one in LEVELS.items() if line.startswith(one[1])), ("INFO", ""))
            logging.getLogger("bbdft").log(logging.getLevelNamesMapping()[level], "%s", line.removeprefix(mark))


def log_what_is_said() -> None:
    """From now on, ``say`` writes records of the logger ``bbdft``."""
    global _logged
    import logging

    logging.getLogger("bbdft").setLevel(logging.INFO)
    _logged = True


def is_logged() -> bool:
    """Whether every line on stderr is a record of a log."""
    return _logged


def say_error(code: str, message: str, exit_code: int) -> None:
    """Says why a command failed: a sentence on stderr; if JSON was asked for, on stdout ``{"error": ...}`` too."""
    say(f"bbdft: {message}")
    print_json_error(code, message, exit_code)


def print_json_error(code: str, message: str, exit_code: int) -> None:
    """Prints the error on stdout if JSON was asked for."""
    if _reserved is not None or "--json" in sys.argv[1:]:
        with suppress(OSError, ValueError):
            print_json({"error": {"code": code, "message": message, "exit_code": exit_code}})


def finish_streams() -> None:
    """Writes what is left; what nothing reads any more is dropped."""
    # click may have put a wrapper in the place of a stream that is broken.
    for stream in (sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _reserve(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    if value and not ctx.resilient_parsing:
        reserve_stdout()
    return value


def json_option(help_text: str) -> Callable[[Command], Command]:
    """``--json``, which reserves stdout."""
    return click.option("--json", "as_json", is_flag=True, callback=_reserve, help=help_text)
