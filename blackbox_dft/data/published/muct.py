"""The MUCT face database (Milborrow et al. 2010): labels and traits are coded in the file names.

``i000qa-fn.jpg`` is person 000 under lighting q, seen by camera a, female (``f``, else ``m``), no glasses (``n``, else
``g``). Images lie anywhere below the folder, or in the published archives, which need not be unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from blackbox_dft.data.published.archive import unpack
from blackbox_dft.data.published.tables import REDRAW_HINT
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import ByteSource, list_images

ADDRESS = "http://www.milbo.org/muct/ (muct-a-jpg-v1.tar.gz to muct-e-jpg-v1.tar.gz)"
FILE_NAME = re.compile(r"i([0-9]{3})([q-z])([a-e])-([fm])([gn])\.jpg")
CODES = {"f": "female", "m": "male", "g": "glasses", "n": "no glasses"}
LABELS = ("gender", "glasses")
TRAITS = ("gender", "glasses", "camera", "lighting")


def list_muct(folder: Path, label: str) -> Listing:
    """Lists the images below ``folder``, or in its archives, or in the one archive ``folder``.

    ``label`` is ``gender`` (the default) or ``glasses``. Splits are drawn, people are groups.

    Raises:
        InputError: no images, one with a name of another form, or a damaged archive.
    """
    label = label.lower() or LABELS[0]
    if label not in LABELS:
        raise InputError(f"MUCT has no attribute {label!r}: give --label {' or '.join(LABELS)}.")
    files, members, notes = _files(folder)
    traits = tuple(name for name in TRAITS if name != label)
    rows = []
    for file in files:
        if not (match := FILE_NAME.fullmatch(file.rsplit("/", 1)[-1])):
            raise InputError(
                f"{folder}: {file} does not have a name like those of MUCT, such as i000qa-fn.jpg: move it elsewhere."
            )
        person, lighting, camera, gender, glasses = match.groups()
        values = {"gender": CODES[gender], "glasses": CODES[glasses], "camera": camera, "lighting": lighting}
        rows.append(Row(file, values[label], group=person, traits=tuple(values[name] for name in traits)))
    return Listing(folder, tuple(rows), REDRAW_HINT, notes, traits, members)


def _files(folder: Path) -> tuple[Sequence[str], Mapping[str, ByteSource], tuple[str, ...]]:
    """Names of the images; archive members by name, if the images lie in archives; notes for the user."""
    archives = [folder]
    notes: tuple[str, ...] = ()
    if folder.is_dir():
        archives = sorted(path for path in folder.rglob("*") if path.name.endswith((".tar.gz", ".tgz")))
        if loose := [path.relative_to(folder).as_posix() for path in list_images(folder)]:
            if archives:
                notes = (f"{len(archives)} archives lie beside unpacked images and were not read",)
            return loose, {}, notes
    members = unpack(archives, ADDRESS) if archives else {}
    if not members:
        raise InputError(f"{folder} holds no images such as i000qa-fn.jpg: they are published at {ADDRESS}.")
    return list(members), members, notes
