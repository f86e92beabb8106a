"""Scores as text: numbers and percentages as services write them."""

import pytest

from blackbox_dft.targets.http.numbers import parse_score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("0.62", 0.62),
        (" 0,62 ", 0.62),
        (".5", 0.5),
        ("1.", 1.0),
        ("-2.5e-1", -0.25),
        ("\u22120.5", -0.5),
        ("62.5 %", 0.625),
        ("62,5%", 0.625),
        ("62.5\u00a0%", 0.625),
        ("\uff16\uff12\uff05", 0.62),
    ],
)
def test_numbers_that_are_plain(text: str, score: float) -> None:
    assert parse_score(text) == pytest.approx(score)


def test_a_percentage_is_one_whatever_the_scale() -> None:
    assert parse_score("62.5 %", scale=100) == parse_score("62.5", scale=100) == 0.625


@pytest.mark.parametrize("text", ["", " - ", "N/A", "null", "NaN", "-inf", "Infinity", "None"])
def test_texts_that_stand_for_no_score(text: str) -> None:
    assert parse_score(text) is None


@pytest.mark.parametrize("text", ["high", "1,234.5", "1.2.3", "0x10", "1_000", "5 of 10", "%", "1e"])
def test_texts_that_are_not_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        parse_score(text)
