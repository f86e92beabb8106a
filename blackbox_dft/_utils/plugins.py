"""Plugins by name: the package's own in a table, those of other packages through entry points."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from blackbox_dft.errors import InputError


def names(builtin: Mapping[str, str], group: str) -> list[str]:
    """All known names: those of ``builtin`` first, then those of the entry points ``blackbox_dft.<group>``."""
    return [*builtin, *(e.name for e in entry_points(group=f"blackbox_dft.{group}") if e.name not in builtin)]


def find(name: str, builtin: Mapping[str, str], group: str) -> Any:
    """Imports the object registered as ``name``; ``builtin`` maps names to ``"module:attribute"``.

    >>> find("join", {"join": "posixpath:join"}, "examples")("a", "b")
    'a/b'

    Raises:
        InputError: the name is not registered; the message gives the nearest one.
    """
    if name in builtin:
        module, attribute = builtin[name].split(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=f"blackbox_dft.{group}", name=name):
        return entry.load()
    known = names(builtin, group)
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    raise InputError(f"unknown {group.removesuffix('s')} {name!r}: {hint}")
