"""Checks of estimator options, made before the first query."""

from __future__ import annotations

from math import inf

from blackbox_dft.errors import InputError


def check_positive(**options: float) -> None:
    """Checks lengths in units of z.

    >>> check_positive(step=0.3)
    >>> check_positive(step=0.0)
    Traceback (most recent call last):
    blackbox_dft.errors.InputError: estimator option step=0 must be above zero: give a number such as 0.5.

    Raises:
        InputError: one is not above zero.
    """
    for name, value in options.items():
        if not 0 < value < inf:
            raise InputError(f"estimator option {name}={value:g} must be above zero: give a number such as 0.5.")


def check_decay_rates(**options: float) -> None:
    """Checks weights of the past in a running mean.

    Raises:
        InputError: one is not in [0, 1); at 1, new values would not count.
    """
    for name, value in options.items():
        if not 0 <= value < 1:
            raise InputError(f"estimator option {name}={value:g} must be below one: give a number such as 0.9.")


def check_counts(minimum: int = 1, **options: int) -> None:
    """Checks numbers of images, pairs or candidates in a proposal.

    Raises:
        InputError: one is less than ``minimum``.
    """
    for name, value in options.items():
        if value < minimum:
            raise InputError(f"estimator option {name}={value} is too few: give {minimum} or more.")
