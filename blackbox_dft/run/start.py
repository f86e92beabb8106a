"""Where a search begins: at the identity, at the best of a few long steps, or near what another run has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.base import Space, SupportsLongSteps

RACED, IDENTITY = "raced", "identity"


def resolved_start(text: str, space: Space) -> str:
    """``--start`` with the z of a tuning in the place of its path, so that a run needs nothing of another one later.

    >>> from blackbox_dft.spaces import make_space
    >>> resolved_start("raced", make_space("color", (8, 8, 3)))
    'raced'

    Raises:
        InputError: there is no tuning, or it is of another space.
    """
    if text in (RACED, IDENTITY) or _numbers(text) is not None:
        return text
    if not Path(text).exists():
        raise InputError(
            f"--start {text}: there is no such run: give raced, identity, or the folder of a finished run."
        )
    tuning = Tuning.load(text)
    if tuning.space != space.spec:
        raise InputError(
            f"--start {text} was learned in the space {tuning.space}, and this run has {space.spec}: give --space "
            f"{tuning.space}, or leave --start out."
        )
    return ",".join(f"{number:.6g}" for number in tuning.z.tolist())


def first_steps(text: str, space: Space) -> Floats:
    """Steps ``(M, k)`` from the identity that are tried before a search begins; none for ``identity``.

    Raises:
        InputError: the numbers are not as many as the space has.
    """
    steps = np.zeros((0, space.size))
    if text == IDENTITY:
        return steps
    if isinstance(space, SupportsLongSteps):
        steps = space.long_steps()
    if (learned := _numbers(text)) is None or not learned.any():
        return steps
    if learned.shape != (space.size,):
        raise InputError(
            f"--start holds {len(learned)} numbers, and the space {space.spec} has {space.size}: leave --start out."
        )
    return np.concatenate([learned[None], steps])


def _numbers(text: str) -> Floats | None:
    try:
        return np.array([float(part) for part in text.split(",")])
    except ValueError:
        return None
