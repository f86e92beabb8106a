"""Applies a tuning to image files: writes the changed images under the same names and folders."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import Encoding, through_jpeg
from blackbox_dft.images.files import (
    SUFFIXES,
    WRITABLE_SUFFIXES,
    ByteSource,
    decode_bytes,
    encode_image,
    list_images,
    read_bytes,
    read_image,
    write_image,
)
from blackbox_dft.images.formats import FORMAT_NAMES, JPEG_MAGIC
from blackbox_dft.images.similarity import psnr

IMAGES_IN_MEMORY = 64
USUAL_QUALITY = 95
"""Of JPEG files that keep their format."""
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass
class ApplyReport:
    """What ``apply_images`` wrote."""

    out: Path
    size: tuple[int, int] | None
    """(height, width) of the written images; None if each keeps its own."""
    encoding: Encoding | None
    """Of the written images; None if each keeps the format of its file."""
    files: int = 0
    """How many images were written, of several views each as many times."""
    views: int = 1
    """Files of each image."""
    resized: int = 0
    """Of them, how many had another size before."""
    skipped: int = 0
    """Images that could not be read."""
    copied: int = 0
    """Files that are written as they were, as the tuning changes nothing."""
    fidelity_db: float | None = None
    """Mean PSNR of JPEG files, compared with the pixels before compression; ``None`` without any."""

    def lines(self) -> list[str]:
        """The report as lines for a terminal."""
        how = f"{self.size[0]}x{self.size[1]}" if self.size else "of their own sizes"
        lines = [f"written: {self.files:,} images {how} to {self.out}"]
        if self.views > 1:
            views = ", ".join(f"NAME{view_suffix(number)}" for number in range(self.views))
            lines.append(f"  {self.views} views of each image ({views}): score all, then join them by the output map")
        if self.resized:
            what = "had another size and were resized" if self.size else "were larger and were made smaller"
            lines.append(f"  {self.resized:,} {what}, as for the model")
        if self.copied:
            lines.append(f"  {self.copied:,} files were copied, as the tuning changes nothing")
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
        encoding: ``"png"`` or ``"jpeg:Q"``; by default the tuning's or, if images keep their sizes, that of ``data``.

    Raises:
        InputError: ``data`` is not an image that can be read.

    >>> from blackbox_dft.demo import assets
    >>> tuning = Tuning("color", np.zeros(6), (32, 32, 3))
    >>> apply_bytes(tuning, (assets() / "images/000.png").read_bytes())[1:4]
    b'PNG'
    """
    tuning = tuning if isinstance(tuning, Tuning) else Tuning.load(tuning)
    if encoding is None and tuning.fitting.keeps_sizes:
        # The tuning's encoding is how it was sent, and that of a file is kept.
        quality = Encoding.parse(tuning.encoding).quality or USUAL_QUALITY
        encoding = f"jpeg:{quality}" if data.startswith(JPEG_MAGIC) else "png"
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

    If images kept their own sizes in the run, they keep them here and, without an ``encoding``, their formats too;
    formats that are read only become PNG.

    Of a tuning of several views, all are written: the first under the image's name, the others with ``.view2``,
    ``.view3`` and so on after it.

    Args:
        tuning: the learned change, or the path of its file or run folder.
        source: an image, a folder (with all images below it), or several of them.
        out: a folder; a file name if ``source`` is one image.
        encoding: ``"png"`` or ``"jpeg:Q"``; by default the tuning's, or each file's own.
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
    keeps = tuning.fitting.keeps_sizes
    written_as, suffix = (None, None) if keeps and encoding is None else _file_format(tuning, encoding)
    pairs = _pairs(sources[0], out, suffix) if len(sources) == 1 else _several(sources, out, suffix)
    count = tuning.queries_per_image
    written = [(path, view_path(to, number)) for path, to in pairs for number in range(count)]
    if count > 1:
        _check_distinct(written)
    if not overwrite and (existing := next((to for _, to in written if to.exists()), None)):
        raise InputError(f"{existing} exists: take another folder, or give --overwrite.")
    report = ApplyReport(out, None if keeps else tuning.shape[:2], written_as, views=count)
    write = _write_photos if keeps else _write_arrays
    fidelity = write(tuning, pairs, report, skip_bad=skip_bad)
    if fidelity:
        report.fidelity_db = float(np.mean(fidelity))
    return report


def _write_photos(
    tuning: Tuning, pairs: Sequence[tuple[Path, Path]], report: ApplyReport, *, skip_bad: bool
) -> list[float]:
    """Changes images at their own sizes, one a thread; returns the PSNR of those written as JPEG."""
    quality = (report.encoding or Encoding.parse(tuning.encoding)).quality or USUAL_QUALITY
    unchanged = report.views == 1 and np.array_equal(tuning.z, tuning.make_space().initial())

    def write(pair: tuple[Path, Path]) -> tuple[int, int, list[float]] | InputError:
        path, to = pair
        try:
            data = read_bytes(path)
            image = decode_bytes(path, data).image
        except InputError as error:
            return error
        to.parent.mkdir(parents=True, exist_ok=True)
        fitted = tuning.fitting(image, image.shape[:2])
        resized = int(fitted.shape != image.shape)
        if unchanged and not resized and report.encoding is None and to.suffix == path.suffix:
            write_atomically(to, lambda file: file.write(data))
            return resized, 1, []
        ratios = []
        for number, changed in enumerate(tuning.each_view(fitted[None])[0]):
            write_image(view_path(to, number), changed, quality)
            if to.suffix.lower() in JPEG_SUFFIXES:
                ratios.append(psnr(changed[None], through_jpeg(changed[None], quality)) or np.inf)
        return resized, 0, ratios

    fidelity: list[float] = []
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, len(pairs), IMAGES_IN_MEMORY):
            for done in threads.map(write, pairs[start : start + IMAGES_IN_MEMORY]):
                if isinstance(done, InputError):
                    if not skip_bad:
                        raise done
                    report.skipped += 1
                    continue
                report.resized += done[0]
                report.copied += done[1]
                report.files += report.views
                fidelity += done[2]
    return fidelity


def _write_arrays(
    tuning: Tuning, pairs: Sequence[tuple[Path, Path]], report: ApplyReport, *, skip_bad: bool
) -> list[float]:
    """Changes images brought to one size, a batch at a time; returns the PSNR of batches written as JPEG."""
    height, width = tuning.shape[:2]
    count, quality = report.views, report.encoding.quality if report.encoding else 0
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
            list(threads.map(partial(write_image, quality=quality or None), files, changed))
            if quality:
                fidelity.append(psnr(changed, through_jpeg(changed, quality)) or np.inf)
            report.files += len(files)
    return fidelity


def view_path(to: Path, number: int) -> Path:
    """The file of a view, counted from 0, of the image that is written to ``to``.

    >>> view_path(Path("out/a.png"), 0).name, view_path(Path("out/a.png"), 1).name
    ('a.png', 'a.view2.png')
    """
    return to.with_name(to.stem + view_suffix(number) + to.suffix)


def view_suffix(number: int) -> str:
    """What stands after the name of an image in the name of a view, counted from 0: nothing for the first."""
    return f".view{number + 1}" if number else ""


def _several(sources: Sequence[Path], out: Path, suffix: str | None) -> list[tuple[Path, Path]]:
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise InputError(f"{out} is one image, but {len(sources)} sources are given: give a folder to write them to.")
    pairs = [pair for source in sources for pair in _pairs(source, out, suffix)]
    _check_distinct(pairs)
    return pairs


def _own_suffix(path: Path) -> str:
    """The suffix of a file that is written in the format of ``path``."""
    suffix = path.suffix.lower()
    return path.suffix if suffix in WRITABLE_SUFFIXES else ".jpg" if suffix in JPEG_SUFFIXES else ".png"


def _pairs(source: Path, out: Path, suffix: str | None) -> list[tuple[Path, Path]]:
    """Pairs of a file to read and the file to write; without a suffix, in its own format."""
    if source.is_file():
        to = out if out.suffix and not out.is_dir() else out / (source.stem + (suffix or _own_suffix(source)))
        if suffix is None and to.suffix.lower() not in WRITABLE_SUFFIXES:
            raise InputError(f"{to} cannot be written: give it a name that ends in .png or .jpg.")
        if suffix and to.suffix.lower() not in (suffix, ".jpeg" if suffix == ".jpg" else suffix):
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
    pairs = [(path, out / path.relative_to(source).with_suffix(suffix or _own_suffix(path))) for path in found]
    _check_distinct(pairs)
    return pairs


def _check_distinct(pairs: Sequence[tuple[Path, Path]]) -> None:
    seen: dict[Path, Path] = {}
    for path, to in pairs:
        if to in seen:
            raise InputError(f"{seen[to]} and {path} would both become {to}: rename one of them.")
        seen[to] = path
