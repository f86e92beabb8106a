"""A tuning as it is shown in a notebook: what it is, its largest numbers, and a test card before and after."""

from __future__ import annotations

import base64
from html import escape
from typing import Protocol

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.deploy.transform import Change
from blackbox_dft.images.files import encode_image
from blackbox_dft.images.sample_card import card
from blackbox_dft.spaces.base import Space

MAX_NUMBERS = 8
"""Of z that are listed, the largest first."""
FIGURE = "display:inline-block;margin:0 1em 0 0"
CARD_PIXELS = 112
"""Height of the test card as it is shown."""


class Shown(Change, Protocol):
    """What is shown; a ``Tuning`` is one."""

    @property
    def z(self) -> Floats:
        """``(k,)``."""
        ...

    def make_space(self) -> Space:
        """The space of z."""
        ...


def tuning_html(tuning: Shown) -> str:
    """The fragment of HTML that a notebook shows for ``tuning``."""
    names, z = tuning.make_space().names, tuning.z
    largest = [n for n in np.argsort(-np.abs(z), kind="stable")[:MAX_NUMBERS].tolist() if z[n]]
    rows = "".join(f"<tr><td>{escape(names[n])}</td><td>{z[n]:+.2f}</td></tr>" for n in largest)
    more = f" (the {len(largest)} largest of {len(z)} numbers)" if len(z) > len(largest) else ""
    before = card(tuning.shape)
    pictures = "".join(
        f"<figure style='{FIGURE}'>{_picture(image)}<figcaption>{name}</figcaption></figure>"
        for name, image in (("a test card", before), ("changed", tuning(before)[0]))
    )
    return f"<div><p><b>{escape(repr(tuning))}</b></p>{pictures}<table><caption>z{more}</caption>{rows}</table></div>"


def _picture(image: ImageBytes) -> str:
    data = base64.b64encode(encode_image(image, ".png")).decode()
    return f'<img alt="" height="{CARD_PIXELS}" style="image-rendering:pixelated" src="data:image/png;base64,{data}">'
