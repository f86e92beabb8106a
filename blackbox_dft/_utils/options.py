"""Table of options: dataclass fields that carry what the command line, files and reports have to know of them.

An option is one field. From its type and metadata come the values it takes (``validate``), the click option and the key
in ``--config`` files (``cli``), whether a run may change it (``run.fingerprint``), and its words in the command that
repeats a run (``run.provenance``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from blackbox_dft.errors import InputError

T = TypeVar("T")

KEY = "option"
"""Key of a field's metadata."""
NAMES = {
    bool: ("True or False", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
}
"""Types of values in words: one, and several."""


@dataclass(frozen=True)
class Description:
    """What is said of an option once, in its field's metadata."""

    help: str
    fingerprint: bool
    """Whether a run keeps the value it was started with: it would take another course with another one."""
    flags: tuple[str, ...] = ()
    """Spellings on the command line; by default the field's name with dashes."""
    metavar: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    parse: Callable[[str], Any] | None = None
    """From one text on the command line to the value; raises ValueError with a sentence."""
    check: Callable[[Any], Any] | None = None
    """From a value of the right type to the one that is kept; raises ValueError with what it must be."""
    separator: str = ","
    """Joins the items of a value that ``parse`` reads from one text."""
    group: str = ""
    """Heading the option belongs under."""


@dataclass(frozen=True)
class Option:
    """One option: a dataclass field with its description and type."""

    name: str
    """Of the field."""
    type: type
    """``bool``, ``int``, ``float`` or ``str``: of the value, or of its items if it is ``repeated``."""
    default: Any
    """``dataclasses.MISSING`` if the option is required."""
    choices: tuple[str, ...]
    """The values allowed; empty if any is."""
    about: Description
    optional: bool = False
    """Whether None is a value."""
    length: int | None = None
    """Items of the value if it is a tuple of a fixed number of them."""
    many: bool = False
    """Whether the value is a tuple."""
    texts: tuple[str, ...] = ()
    """Values that are texts, of an option whose others are numbers."""

    def accept(self, value: Any) -> Any:
        """The value to keep for a given one: numpy's numbers become Python's, lists tuples, paths texts.

        Raises:
            ValueError: it is none that the option takes; the text says what it must be.
        """
        if value is None and self.optional:
            return None
        if self.about.check and isinstance(value, int | float) and self.type is str:
            value = repr(value)  # 8 / 255 for "8/255".
        value = value.tolist() if hasattr(value, "tolist") else value
        if not self.many:
            value = self._accept_one(value)
        elif not isinstance(value, list | tuple) or self.length not in (None, len(value)):
            number = "" if self.length is None else f"{self.length} "
            raise ValueError(f"it must be a tuple of {number}{NAMES[self.type][1]}")
        else:
            value = tuple(map(self._accept_one, value))
        return self.about.check(value) if self.about.check else value

    def _accept_one(self, given: Any) -> Any:
        value = given
        if isinstance(value, str) and value in self.texts:
            return value
        singular = " or ".join([NAMES[self.type][0], *map(repr, self.texts)])
        if self.type is str and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if self.type is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, self.type) or (self.type is not bool and isinstance(value, bool)) or value != value:
            raise ValueError(f"it must be {singular}")
        if self.choices and value not in self.choices:
            raise ValueError(f"it must be {_either(map(repr, self.choices))}")
        low: Any = self.about.minimum
        high: Any = self.about.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            ends = f"at least {low:g}" if high is None else f"from {low or 0:g} to {high:g}"
            raise ValueError(f"it must be {ends}")
        return value

    @property
    def flags(self) -> tuple[str, ...]:
        """Spellings on the command line, the usual one first."""
        return self.about.flags or ("--" + self.name.replace("_", "-"),)

    @property
    def key(self) -> str:
        """Name of the command line's parameter: the usual spelling, ``channel_order``."""
        return self.flags[0].removeprefix("--").replace("-", "_")

    @property
    def repeated(self) -> bool:
        """Whether the flag is given once for each item of the value."""
        return isinstance(self.default, tuple) and self.about.parse is None

    def words(self, value: Any, show: Callable[[str], str] = str) -> list[str]:
        """The words of a command line that give ``value``, none if it is the default; ``show`` edits repeated items.

        >>> @dataclass
        ... class Walk:
        ...     step_size: float = option(0.5, help="Metres.", fingerprint=True, minimum=0)
        >>> options_of(Walk)["step_size"].words(0.7)
        ['--step-size', '0.7']
        """
        flag = self.flags[0]
        if value == self.default:
            return []
        if self.type is bool:
            return [flag if value else flag.replace("--", "--no-", 1)]
        if self.repeated:
            return [word for item in value for word in (flag, show(item))]
        return [flag, self.about.separator.join(map(str, value)) if isinstance(value, tuple) else str(value)]


def described(**about: Any) -> Mapping[str, Description]:
    """Metadata of a field whose option has to be given; arguments as for ``Description``."""
    return {KEY: Description(**about)}


def option(default: T, **about: Any) -> T:
    """A dataclass field that is an option with a ``default``; the other arguments are those of ``Description``."""
    made: T = field(default=default, metadata=described(**about))
    return made


class OptionError(InputError):
    """A value that an option does not take: in words of Python, and by ``on_command_line`` in those of the shell."""

    def __init__(self, owner: str, option: Option, value: Any, reason: str) -> None:
        self.option, self.value, self.reason = option, value, reason
        super().__init__(f"{owner}({option.name}={value!r}): {reason}.")

    def on_command_line(self) -> InputError:
        """The same error for a user who gave a flag."""
        return InputError(f"{self.option.flags[0]} {self.value}: {self.reason}.")


def validate(made: Any) -> None:
    """Checks all options of a frozen dataclass that is being made, and replaces values by those to keep.

    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     gait: Literal["walk", "trot"] = option("walk", help="How.", fingerprint=True)
    ...     __post_init__ = validate
    >>> Walk("fly")
    Traceback (most recent call last):
    blackbox_dft._utils.options.OptionError: Walk(gait='fly'): it must be 'walk' or 'trot'.

    Raises:
        OptionError: names the option, its value and what it must be.
    """
    for name, known in options_of(type(made)).items():
        value = getattr(made, name)
        try:
            object.__setattr__(made, name, known.accept(value))
        except ValueError as error:
            raise OptionError(type(made).__name__, known, value, str(error)) from None


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def options_of(kind: type) -> dict[str, Option]:
    """The options among the fields of the dataclass ``kind``, by field name, in order.

    >>> @dataclass
    ... class Walk:
    ...     start: str
    ...     gait: Literal["walk", "trot"] = option("walk", help="How.", fingerprint=True)
    >>> found = options_of(Walk)
    >>> list(found), found["gait"].choices, found["gait"].flags
    (['gait'], ('walk', 'trot'), ('--gait',))
    """
    hints = _hints(kind)
    return {f.name: _option(f, hints[f.name]) for f in fields(kind) if KEY in f.metadata}


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of the fields of ``kind``; to compile their texts takes as long as to read a small data set."""
    return get_type_hints(kind)


def _option(one: Field[Any], hint: Any) -> Option:
    """The option of a field of type ``hint``: T, ``T | None``, a Literal of texts, one or a number, or a tuple of T."""
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    texts: tuple[str, ...] = ()
    if get_origin(hint) in (Union, UnionType):
        kinds: list[Any] = [kind for kind in get_args(hint) if kind is not NoneType]
        hint, *literals = sorted(kinds, key=lambda kind: bool(get_args(kind)))
        texts = tuple(text for literal in literals for text in get_args(literal))
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    length, many = None, get_origin(hint) is tuple
    if many:
        length = None if Ellipsis in get_args(hint) else len(get_args(hint))
        hint = get_args(hint)[0]
    kind = str if choices else hint
    return Option(one.name, kind, one.default, choices, one.metadata[KEY], optional, length, many, texts)
