"""Table of options: dataclass fields that carry what the command line, files and reports have to know of them.

An option is one field. From its metadata come the click option and the key in ``--config`` files (``cli``), whether a
run may change it (``run.fingerprint``), and its words in the command that repeats a run (``report.provenance``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

KEY = "option"
"""Key of a field's metadata."""


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
            return [flag]
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
    hints = get_type_hints(kind)
    return {f.name: _option(f, hints[f.name]) for f in fields(kind) if KEY in f.metadata}


def _option(one: Field[Any], hint: Any) -> Option:
    """The option of a field whose type is ``hint``: T, ``T | None``, a Literal of texts, or a tuple of T."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    return Option(one.name, str if choices else hint, one.default, choices, one.metadata[KEY])
