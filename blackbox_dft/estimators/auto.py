"""Which estimator suits a space."""

from __future__ import annotations

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Estimator
from blackbox_dft.estimators.nes import Nes
from blackbox_dft.estimators.surface import FEW, Surface, ranged


def choose(lower: Floats, upper: Floats) -> tuple[str, str]:
    """The estimator for coordinates with these bounds ``(k,)``, and why; measured in ``docs/research.md``."""
    if declared := int(ranged(lower, upper).sum()):
        return (
            "surface",
            f"{declared} of {len(lower)} numbers have ranges, which a response surface learns soonest",
        )
    if len(lower) <= FEW:
        return "surface", f"{len(lower)} numbers are few enough for a response surface"
    return "nes", f"{len(lower)} numbers without ranges"


def auto(size: int, *, start: Floats, lower: Floats, upper: Floats, seed: int) -> Estimator:
    """The estimator that ``choose`` names, with its own defaults."""
    kind = Surface if choose(lower, upper)[0] == "surface" else Nes
    return kind(size, start=start, lower=lower, upper=upper, seed=seed)
