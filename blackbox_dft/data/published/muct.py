"""The MUCT face database (Milborrow et al. 2010): all that is known of an image is in its name.

``i000qa-fn.jpg`` is person 000 under lighting q, seen by camera a, female (``f``, else ``m``), no glasses (``n``, else
``g``). Images lie somewhere below the folder, or in the archives as they were published, which are read in place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from blackbox_dft.data.published.archive import unpack
from blackbox_dft.data.published.tables import REDRAW
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import ByteSource, list_images

HOME = "http://www.milbo.org/muct/ (muct-a-jpg-v1.tar.gz to muct-e-jpg-v1.tar.gz)"
NAME = re.compile(r"i([0-9]{3})([q-z])([a-e])-([fm])([gn])\.jpg")
SAYS = {"f": "female", "m": "male", "g": "glasses", "n": "no glasses"}
LABELS = ("gender", "glasses")
TRAITS = ("gender", "glasses", "camera", "lighting")


def list_muct(folder: Path, label: str) -> Listing:
    """Lists the images below ``folder``, or in its archives, or in the one archive ``folder``.

    ``label`` is ``gender`` (also without a label) or ``glasses``. People are groups.

    Raises:
        InputError: no images there, one whose name says nothing, or a damaged archive.
    """
    label = label.lower() or LABELS[0]
    if label not in LABELS:
        raise InputError(f"MUCT names no {label!r}: give --label {' or '.join(LABELS)}.")
    files, held, notes = _files(folder)
    # What is the label says nothing more.
    traits = tuple(name for name in TRAITS if name != label)
    rows = []
    for file in files:
        if not (found := NAME.fullmatch(file.rsplit("/", 1)[-1])):
            raise InputError(
                f"{folder}: {file} is not named as MUCT's images are, such as i000qa-fn.jpg: move it elsewhere."
            )
        person, lighting, camera, gender, glasses = found.groups()
        said = {"gender": SAYS[gender], "glasses": SAYS[glasses], "camera": camera, "lighting": lighting}
        rows.append(Row(file, said[label], group=person, traits=tuple(said[name] for name in traits)))
    return Listing(folder, tuple(rows), REDRAW, notes, traits, held)


def _files(folder: Path) -> tuple[Sequence[str], Mapping[str, ByteSource], tuple[str, ...]]:
    """Names of the images, where those of archives are, and what to say of it."""
    archives = [folder]
    notes: tuple[str, ...] = ()
    if folder.is_dir():
        archives = sorted(path for path in folder.rglob("*") if path.name.endswith((".tar.gz", ".tgz")))
        if loose := [path.relative_to(folder).as_posix() for path in list_images(folder)]:
            if archives:
                notes = (f"{len(archives)} archives lie beside unpacked images and were not read",)
            return loose, {}, notes
    held = unpack(archives, HOME) if archives else {}
    if not held:
        raise InputError(f"{folder} holds no images such as i000qa-fn.jpg: they are published at {HOME}.")
    return list(held), held, notes
