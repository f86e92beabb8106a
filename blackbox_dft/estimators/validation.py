"""Options that no search could run with, refused before the first query."""

from __future__ import annotations

from math import inf

from blackbox_dft.errors import InputError


def positive(**options: float) -> None:
    """Lengths in units of z.

    Raises:
        InputError: one is not above zero.
    """
    for name, value in options.items():
        if not 0 < value < inf:
            raise InputError(f"estimator option {name}={value:g} must be above zero: give a number such as 0.5.")


def shares(**options: float) -> None:
    """Weights of the past.

    Raises:
        InputError: one is not in [0, 1); at 1 nothing new would count.
    """
    for name, value in options.items():
        if not 0 <= value < 1:
            raise InputError(f"estimator option {name}={value:g} must be below one: give a number such as 0.9.")


def counts(least: int = 1, **options: int) -> None:
    """Images, pairs and candidates of a proposal.

    Raises:
        InputError: one is less than ``least``.
    """
    for name, value in options.items():
        if value < least:
            raise InputError(f"estimator option {name}={value} is too few: give {least} or more.")
