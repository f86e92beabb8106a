"""Writing changed images: the pixels the model was sent, under the names and folders they came from."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import Encoding, through_jpeg
from blackbox_dft.images.files import SUFFIXES, ByteSource, encode_image, list_images, read_image, resize, write_image
from blackbox_dft.images.formats import FORMAT_NAMES
from blackbox_dft.images.similarity import psnr

CHUNK = 64
"""Images in memory at a time."""


@dataclass
class ApplyReport:
    """What was written."""

    out: Path
    size: tuple[int, int]
    encoding: Encoding
    files: int = 0
    resized: int = 0
    skipped: int = 0
    fidelity_db: float | None = None
    """Mean PSNR of JPEG files against the pixels that were to be written."""

    def lines(self) -> list[str]:
        """For a terminal."""
        height, width = self.size
        lines = [f"written: {self.files:,} images {height}x{width} to {self.out}"]
        if self.resized:
            lines.append(f"  {self.resized:,} had another size and were resized, as the model was sent them")
        if self.skipped:
            lines.append(f"  {self.skipped:,} could not be read and were left out")
        if self.fidelity_db is not None:
            lines.append(
                f"  JPEG is lossy: the files are at {self.fidelity_db:.1f} dB from the changed pixels; "
                "PNG (--format png) keeps them exactly"
            )
        return lines


@dataclass(frozen=True)
class _Stream(ByteSource):
    """An image that came without a name."""

    data: bytes
    suffix: str = ".png"

    @override
    def read_bytes(self) -> bytes:
        return self.data

    def __str__(self) -> str:
        return "the image read"


def apply_bytes(tuning: Tuning | str | Path, data: bytes, *, encoding: str | None = None) -> bytes:
    """Changes one image, given and returned as the bytes of a file; for services and pipes.

    ``encoding`` as for ``apply_images``. The image is resized to what the tuning was learned on.

    Raises:
        InputError: not an image that can be read.
    """
    tuning = tuning if isinstance(tuning, Tuning) else Tuning.load(tuning)
    form, suffix = _form(tuning, encoding)
    image = resize(read_image(_Stream(data)), tuning.shape[:2])
    return encode_image(tuning(image[None])[0], suffix, form.quality or None)


def _form(tuning: Tuning, encoding: str | None) -> tuple[Encoding, str]:
    """How images are written, and how their names then end."""
    form = Encoding.parse(encoding or tuning.encoding)
    return (form, ".jpg") if form.kind == "jpeg" else (Encoding("png"), ".png")


def apply_images(
    tuning: Tuning | str | Path,
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    encoding: str | None = None,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> ApplyReport:
    """Changes the image ``source``, or all below the folder ``source``, or each of several, and writes them to ``out``.

    ``encoding`` is ``"png"`` or ``"jpeg:Q"``; by default the one the tuning was learned with.

    Raises:
        InputError: nothing to read, an image that cannot be read, a file that exists; with a file that exists nothing
            is written.
    """
    out = Path(out)
    sources = [Path(source)] if isinstance(source, str | Path) else [Path(one) for one in source]
    tuning = tuning if isinstance(tuning, Tuning) else Tuning.load(tuning)
    form, suffix = _form(tuning, encoding)
    pairs = _pairs(sources[0], out, suffix) if len(sources) == 1 else _several(sources, out, suffix)
    if not overwrite and (existing := next((to for _, to in pairs if to.exists()), None)):
        raise InputError(f"{existing} exists: take another folder, or give --overwrite.")
    height, width = tuning.shape[:2]
    done = ApplyReport(out, (height, width), form)
    losses: list[float] = []
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(pairs), CHUNK):
            chunk = pairs[start : start + CHUNK]
            images: list[ImageBytes] = []
            targets: list[Path] = []
            readings = [threads.submit(read_image, path) for path, _ in chunk]
            for (_, to), reading in zip(chunk, readings, strict=True):
                try:
                    image = reading.result()
                except InputError:
                    if not skip_bad:
                        raise
                    done.skipped += 1
                    continue
                done.resized += image.shape[:2] != (height, width)
                images.append(resize(image, (height, width)))
                targets.append(to)
            if not images:
                continue
            changed = tuning(np.stack(images))
            for folder in {to.parent for to in targets}:
                folder.mkdir(parents=True, exist_ok=True)
            list(threads.map(partial(write_image, quality=form.quality or None), targets, changed))
            if form.quality:
                losses.append(psnr(changed, through_jpeg(changed, form.quality)) or np.inf)
            done.files += len(targets)
    if losses:
        done.fidelity_db = float(np.mean(losses))
    return done


def _several(sources: Sequence[Path], out: Path, suffix: str) -> list[tuple[Path, Path]]:
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise InputError(f"{out} is one image, and {len(sources)} are to be changed: give a folder to write them to.")
    pairs = [pair for source in sources for pair in _pairs(source, out, suffix)]
    _check_distinct(pairs)
    return pairs


def _pairs(source: Path, out: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Which file is written from which."""
    if source.is_file():
        to = out if out.suffix and not out.is_dir() else out / (source.stem + suffix)
        if to.suffix.lower() not in (suffix, ".jpeg" if suffix == ".jpg" else suffix):
            raise InputError(f"{to} does not end in {suffix}: name it so, or choose with --format png or jpeg:Q.")
        return [(source, to)]
    if not source.exists():
        raise InputError(f"{source} does not exist: give an image or a folder of images.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder to write the images of {source} to.")
    if out.resolve() == source.resolve() or source.resolve() in out.resolve().parents:
        raise InputError(f"{out} lies within {source}: give a folder elsewhere, so that no original is touched.")
    found = list_images(source)
    if not found:
        raise InputError(f"{source} holds no images: give a folder with {FORMAT_NAMES} files.")
    pairs = [(path, out / path.relative_to(source).with_suffix(suffix)) for path in found]
    _check_distinct(pairs)
    return pairs


def _check_distinct(pairs: Sequence[tuple[Path, Path]]) -> None:
    seen: dict[Path, Path] = {}
    for path, to in pairs:
        if to in seen:
            raise InputError(f"{seen[to]} and {path} would both become {to}: rename one of them.")
        seen[to] = path
