"""Published data sets by name: ``NAME:DIR``; one module per data set reads its tables and file names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blackbox_dft._utils import plugins
from blackbox_dft.errors import InputError

if TYPE_CHECKING:
    from blackbox_dft.data.records import Listing

LAYOUTS = {
    "lfw": "blackbox_dft.data.published.lfw:list_lfw",
    "celeba": "blackbox_dft.data.published.celeba:list_celeba",
    "muct": "blackbox_dft.data.published.muct:list_muct",
}


def list_layout(source: str, label: str) -> Listing | None:
    """Lists ``NAME:DIR`` with the attribute ``label`` as labels; None if ``source`` does not have this form.

    Raises:
        InputError: no such layout or folder, or a part of the data set is missing or malformed.
    """
    # At least two letters: C:\faces is a folder.
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9-]+):(.+)", source)
    if not match:
        return None
    name, folder = match[1].lower(), Path(match[2])
    if name not in plugins.names(LAYOUTS, "layouts") and not folder.exists():
        # A file name with a colon.
        return None
    read: Callable[[Path, str], Listing] = plugins.find(name, LAYOUTS, "layouts")
    if not folder.exists():
        raise InputError(f"{folder} does not exist: give --data {name}:DIR with the folder of the data set.")
    return read(folder, label)
