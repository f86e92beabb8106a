"""Options ``--fit`` and ``--filter``: their values, checked without loading NumPy, which ``--help`` does not need."""

from __future__ import annotations

from typing import Literal

Filter = Literal["auto", "bilinear", "bicubic", "area"]

AUTO, KEEP = "auto", "keep"
"""Fits of images of several sizes: ``keep`` leaves each at its own, ``auto`` chooses between that and ``stretch``."""
MIN_CROP = 0.1
"""Smallest share of a side that a crop may keep."""


def check_fit(text: str) -> str:
    """The spelling to keep of a fit: auto, keep, stretch, crop, crop:SHARE, pad, pad:grey or pad:edge.

    >>> check_fit("crop:.875"), check_fit("crop:1"), check_fit("pad:black")
    ('crop:0.875', 'crop', 'pad')

    Raises:
        ValueError: anything else; says what it must be.
    """
    name, _, argument = text.strip().lower().partition(":")
    if not argument and name in (AUTO, KEEP):
        return name
    if (name, argument) in (("stretch", ""), ("crop", ""), ("pad", ""), ("pad", "grey"), ("pad", "edge")):
        return f"{name}:{argument}" if argument else name
    if (name, argument) == ("pad", "black"):
        return "pad"
    if name == "crop":
        try:
            share = float(argument)
        except ValueError:
            share = 0.0
        if MIN_CROP <= share <= 1:
            return "crop" if share == 1 else f"crop:{share:g}"
        raise ValueError(f"the share of a crop must be a number from {MIN_CROP:g} to 1, such as crop:.875")
    raise ValueError("it must be auto, keep, stretch, crop, crop:SHARE such as crop:.875, pad, pad:grey or pad:edge")
