"""The table of options: what is read from the fields of a dataclass."""

from dataclasses import MISSING, dataclass, field
from typing import Literal

import pytest

from blackbox_dft._utils.options import Option, described, option, options_of


def _halves(text: str) -> tuple[float, ...]:
    return tuple(float(part) / 2 for part in text.split("x"))


@dataclass(frozen=True)
class Walk:
    start: str = field(metadata=described(help="Where.", fingerprint=False))
    gait: Literal["walk", "trot"] = option("walk", help="How.", fingerprint=True)
    steps: int | None = option(None, help="How many.", fingerprint=False, flags=("--step-count", "--steps"), minimum=1)
    mood: Literal["calm", "wild"] | None = option(None, help="Mood.", fingerprint=False)
    stops: tuple[str, ...] = option((), help="Where to stop.", fingerprint=True, flags=("--stop",))
    sizes: tuple[float, ...] | None = option(None, help="Sizes.", fingerprint=True, parse=_halves, separator="x")
    far: bool = option(False, help="Far.", fingerprint=False)
    pace: int | Literal["auto"] = option(1, help="Pace.", fingerprint=False, minimum=1)
    note: str = ""


OPTIONS = options_of(Walk)


def test_fields_with_a_description_are_options() -> None:
    assert list(OPTIONS) == ["start", "gait", "steps", "mood", "stops", "sizes", "far", "pace"]
    assert OPTIONS["start"].default is MISSING
    assert {name: option.about.fingerprint for name, option in OPTIONS.items() if option.about.fingerprint} == {
        "gait": True,
        "stops": True,
        "sizes": True,
    }


def test_types_and_choices_are_those_of_the_annotations() -> None:
    def kind(one: Option) -> tuple[type, tuple[str, ...], bool]:
        return one.type, one.choices, one.repeated

    assert kind(OPTIONS["gait"]) == (str, ("walk", "trot"), False)
    assert kind(OPTIONS["mood"]) == (str, ("calm", "wild"), False)
    assert kind(OPTIONS["steps"]) == (int, (), False)
    assert kind(OPTIONS["stops"]) == (str, (), True)
    assert kind(OPTIONS["sizes"]) == (float, (), False)
    assert kind(OPTIONS["far"]) == (bool, (), False)


def test_a_number_may_be_a_text_too() -> None:
    assert (OPTIONS["pace"].type, OPTIONS["pace"].texts, OPTIONS["pace"].choices) == (int, ("auto",), ())
    assert [OPTIONS["pace"].accept(value) for value in ("auto", 3, 2.0)] == ["auto", 3, 2]
    for wrong, said in (("fast", "a whole number or 'auto'"), (0, "at least 1")):
        with pytest.raises(ValueError, match=said):
            OPTIONS["pace"].accept(wrong)


def test_the_first_spelling_names_the_parameter() -> None:
    assert OPTIONS["steps"].flags == ("--step-count", "--steps")
    assert OPTIONS["steps"].key == "step_count"
    assert OPTIONS["gait"].key == "gait"


def test_words_give_the_value_on_a_command_line() -> None:
    assert OPTIONS["gait"].words("walk") == []
    assert OPTIONS["gait"].words("trot") == ["--gait", "trot"]
    assert OPTIONS["steps"].words(3) == ["--step-count", "3"]
    assert OPTIONS["stops"].words(("a", "b"), str.upper) == ["--stop", "A", "--stop", "B"]
    assert OPTIONS["sizes"].words((1.0, 2.0)) == ["--sizes", "1.0x2.0"]
    assert OPTIONS["far"].words(True) == ["--far"]
