"""Applies a tuning to image files: writes the changed images under the same names and folders."""

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
from blackbox_dft.images.files import SUFFIXES, ByteSource, encode_image, list_images, read_image, write_image
from blackbox_dft.images.formats import FORMAT_NAMES
from blackbox_dft.images.similarity import psnr

IMAGES_IN_MEMORY = 64


@dataclass
class ApplyReport:
    """What ``apply_images`` wrote."""

    out: Path
    size: tuple[int, int]
    """(height, width) of the written images."""
    encoding: Encoding
    files: int = 0
    """How many images were written, of several views each as many times."""
    views: int = 1
    """Files of each image."""
    resized: int = 0
    """Of them, how many had another size before."""
    skipped: int = 0
    """Images that could not be read."""
    fidelity_db: float | None = None
    """Mean PSNR of JPEG files, compared with the pixels before compression; ``None`` for PNG."""

    def lines(self) -> list[str]:
        """The report as lines for a terminal."""
        height, width = self.size
        lines = [f"written: {self.files:,} images {height}x{width} to {self.out}"]
        if self.views > 1:
            views = ", ".join(f"NAME{view_suffix(number)}" for number in range(self.views))
            lines.append(f"  {self.views} views of each image ({views}): score all, then join them by the output map")
        if self.resized:
            lines.append(f"  {self.resized:,} had another size and were resized, as for the model")
        if self.skipped:
            lines.append(f"  {self.skipped:,} could not be read and were left out")
        if self.fidelity_db is not None:
            lines.append(
                f"  JPEG is lossy: the files are at {self.fidelity_db:.1f} dB from the changed pixels; "
                "PNG (--format png) keeps them exactly"
            )
        return lines


@dataclass(frozen=True)
class _UnnamedImage(ByteSource):
    """The bytes of an image file without a name."""

    data: bytes
    suffix: str = ".png"

    @override
    def read_bytes(self) -> bytes:
        return self.data

    def __str__(self) -> str:
        return "the image"


def apply_bytes(tuning: Tuning | str | Path, data: bytes, *, encoding: str | None = None) -> bytes:
    """Changes one image, given and returned as the bytes of a file; for services and pipes.

    Of several views, it is the first.

    Args:
        tuning: the learned change, or the path of its file or run folder.
        data: bytes of an image file; the image is resized to the size of the tuning.
        encoding: ``"png"`` or ``"jpeg:Q"``; by default the tuning's.

    Raises:
        InputError: ``data`` is not an image that can be read.

    >>> from blackbox_dft.demo import assets
    >>> tuning = Tuning("color", np.zeros(6), (32, 32, 3))
    >>> apply_bytes(tuning, (assets() / "images/000.png").read_bytes())[1:4]
    b'PNG'
    """
    tuning = tuning if isinstance(tuning, Tuning) else Tuning.load(tuning)
    written_as, suffix = _file_format(tuning, encoding)
    image = tuning.fitting(read_image(_UnnamedImage(data)), tuning.shape[:2])
    return encode_image(tuning(image[None])[0], suffix, written_as.quality or None)


def _file_format(tuning: Tuning, encoding: str | None) -> tuple[Encoding, str]:
    """The encoding of written images, and the suffix of their names."""
    written_as = Encoding.parse(encoding or tuning.encoding)
    return (written_as, ".jpg") if written_as.kind == "jpeg" else (Encoding("png"), ".png")


def apply_images(
    tuning: Tuning | str | Path,
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    encoding: str | None = None,
    overwrite: bool = False,
    skip_bad: bool = False,
) -> ApplyReport:
    """Changes image files and writes them to ``out``.

    Of a tuning of several views, all are written: the first under the image's name, the others with ``.view2``,
    ``.view3`` and so on after it.

    Args:
        tuning: the learned change, or the path of its file or run folder.
        source: an image, a folder (with all images below it), or several of them.
        out: a folder; a file name if ``source`` is one image.
        encoding: ``"png"`` or ``"jpeg:Q"``; by default the tuning's.
        overwrite: replace files that exist.
        skip_bad: leave out images that cannot be read, and count them.

    Raises:
        InputError: there are no images, or one cannot be read; or a file exists, then nothing is written.

    >>> from tempfile import TemporaryDirectory
    >>> from blackbox_dft.demo import assets
    >>> tuning = Tuning("color", np.zeros(6), (32, 32, 3))
    >>> with TemporaryDirectory() as folder:
    ...     report = apply_images(tuning, assets() / "images/000.png", folder)
    ...     print(report.files, Path(folder, "000.png").exists())
    1 True
    """
    out = Path(out)
    sources = [Path(source)] if isinstance(source, str | Path) else [Path(one) for one in source]
    tuning = tuning if isinstance(tuning, Tuning) else Tuning.load(tuning)
    written_as, suffix = _file_format(tuning, encoding)
    pairs = _pairs(sources[0], out, suffix) if len(sources) == 1 else _several(sources, out, suffix)
    count = tuning.queries_per_image
    written = [(path, view_path(to, number)) for path, to in pairs for number in range(count)]
    if count > 1:
        _check_distinct(written)
    if not overwrite and (existing := next((to for _, to in written if to.exists()), None)):
        raise InputError(f"{existing} exists: take another folder, or give --overwrite.")
    height, width = tuning.shape[:2]
    report = ApplyReport(out, (height, width), written_as, views=count)
    fidelity: list[float] = []
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(pairs), IMAGES_IN_MEMORY):
            chunk = pairs[start : start + IMAGES_IN_MEMORY]
            images: list[ImageBytes] = []
            targets: list[Path] = []
            readings = [threads.submit(read_image, path) for path, _ in chunk]
            for (_, to), reading in zip(chunk, readings, strict=True):
                try:
                    image = reading.result()
                except InputError:
                    if not skip_bad:
                        raise
                    report.skipped += 1
                    continue
                report.resized += image.shape[:2] != (height, width)
                images.append(tuning.fitting(image, (height, width)))
                targets.append(to)
            if not images:
                continue
            changed = tuning.each_view(np.stack(images)).reshape(-1, *tuning.shape)
            files = [view_path(to, number) for to in targets for number in range(count)]
            for folder in {to.parent for to in targets}:
                folder.mkdir(parents=True, exist_ok=True)
            list(threads.map(partial(write_image, quality=written_as.quality or None), files, changed))
            if written_as.quality:
                fidelity.append(psnr(changed, through_jpeg(changed, written_as.quality)) or np.inf)
            report.files += len(files)
    if fidelity:
        report.fidelity_db = float(np.mean(fidelity))
    return report


def view_path(to: Path, number: int) -> Path:
    """The file of a view, counted from 0, of the image that is written to ``to``.

    >>> view_path(Path("out/a.png"), 0).name, view_path(Path("out/a.png"), 1).name
    ('a.png', 'a.view2.png')
    """
    return to.with_name(to.stem + view_suffix(number) + to.suffix)


def view_suffix(number: int) -> str:
    """What stands after the name of an image in the name of a view, counted from 0: nothing for the first."""
    return f".view{number + 1}" if number else ""


def _several(sources: Sequence[Path], out: Path, suffix: str) -> list[tuple[Path, Path]]:
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise InputError(f"{out} is one image, but {len(sources)} sources are given: give a folder to write them to.")
    pairs = [pair for source in sources for pair in _pairs(source, out, suffix)]
    _check_distinct(pairs)
    return pairs


def _pairs(source: Path, out: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Pairs of a file to read and the file to write."""
    if source.is_file():
        to = out if out.suffix and not out.is_dir() else out / (source.stem + suffix)
        if to.suffix.lower() not in (suffix, ".jpeg" if suffix == ".jpg" else suffix):
            raise InputError(f"{to} does not end in {suffix}: rename it, or give --format png or jpeg:Q.")
        return [(source, to)]
    if not source.exists():
        raise InputError(f"{source} does not exist: give an image or a folder of images.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder to write the images of {source} to.")
    if out.resolve() == source.resolve() or source.resolve() in out.resolve().parents:
        raise InputError(f"{out} is inside {source}: give another folder, so that no original is overwritten.")
    found = list_images(source)
    if not found:
        raise InputError(f"{source} contains no images: give a folder with {FORMAT_NAMES} files.")
    pairs = [(path, out / path.relative_to(source).with_suffix(suffix)) for path in found]
    _check_distinct(pairs)
    return pairs


def _check_distinct(pairs: Sequence[tuple[Path, Path]]) -> None:
    seen: dict[Path, Path] = {}
    for path, to in pairs:
        if to in seen:
            raise InputError(f"{seen[to]} and {path} would both become {to}: rename one of them.")
        seen[to] = path
