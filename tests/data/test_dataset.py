"""Labelled images in: every format and oddity that files have, and splits that keep people apart."""

import itertools
import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blackbox_dft.data import load
from blackbox_dft.data.splits import SHARES, draw
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import list_images, read_image, resize, write_image

RNG = np.random.default_rng(0)
COLORS = np.kron(RNG.integers(30, 220, (3, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def save(path: Path, rgb: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [2, 1, 0, 3][: rgb.shape[2]] if rgb.ndim == 3 else None
    assert cv2.imwrite(str(path), rgb if order is None else np.ascontiguousarray(rgb[..., order]), options)
    return path


@pytest.mark.parametrize(
    ("suffix", "off"), [(".png", 0), (".bmp", 0), (".tif", 0), (".tiff", 0), (".jpg", 12), (".webp", 12)]
)
def test_formats(suffix: str, off: int, tmp_path: Path) -> None:
    image = read_image(save(tmp_path / f"x{suffix}", COLORS))
    assert image.dtype == np.uint8
    assert image.shape == COLORS.shape
    # Away from the tiles' edges, where lossy formats ring.
    centre = image.reshape(3, 8, 4, 8, 3)[:, 4, :, 4].astype(int)
    assert np.abs(centre - COLORS[4::8, 4::8]).max() <= off


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = COLORS[..., 0]
    image = read_image(save(tmp_path / "grey.png", grey))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 257 * 7, 65535]], np.uint16)
    image = read_image(save(tmp_path / "deep.png", values))
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 1, 7, 255])
    colour = np.dstack([values, values // 2, values // 3])
    assert read_image(save(tmp_path / "deep_colour.png", colour))[0, 4].tolist() == [255, 127, 85]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = (200, 100, 0, 255)
    clear[0, 1] = (0, 0, 0, 128)
    image = read_image(save(tmp_path / "clear.png", clear))
    assert image[0, 0].tolist() == [200, 100, 0]
    assert image[0, 1].tolist() == [127, 127, 127]
    assert image[1, 1].tolist() == [255, 255, 255]


def exif(orientation: int) -> bytes:
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"


def jpeg(rgb: np.ndarray, orientation: int = 1, *, extra: bytes = b"", progressive: int = 0) -> bytes:
    """A JPEG with EXIF data; ``extra`` goes behind them, where cameras put a thumbnail."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    data = cv2.imencode(".jpg", rgb[..., ::-1], options)[1].tobytes()
    body = b"Exif\0\0" + exif(orientation) + extra
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rgb: np.ndarray, orientation: int = 1) -> bytes:
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    return data[:33] + chunk(b"eXIf", exif(orientation)) + data[33:]


def webp(rgb: np.ndarray, orientation: int = 1, *, size: tuple[int, int] | None = None) -> bytes:
    height, width = size or rgb.shape[:2]
    frame = cv2.imencode(".webp", rgb[..., ::-1])[1].tobytes()[12:]
    canvas = bytes([8, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    words = exif(orientation)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + frame + b"EXIF" + struct.pack("<I", len(words)) + words
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(rgb: np.ndarray, orientation: int = 1, *, size: tuple[int, int] | None = None, big: bool = False) -> bytes:
    """Not compressed, the directory before the pixels, in either byte order."""
    order, bits = (">", 8 * rgb.itemsize) if big else ("<", 8 * rgb.itemsize)
    height, width = size or rgb.shape[:2]
    pixels = rgb.astype(rgb.dtype.newbyteorder(order)).tobytes()
    tags = {256: width, 257: height, 258: 0, 259: 1, 262: 2, 273: 0, 274: orientation, 277: 3, 278: height}
    tags[279] = len(pixels)
    after = 8 + 2 + 12 * len(tags) + 4
    tags[258], tags[273] = after, after + 6
    out = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "IH", 8, len(tags))
    for tag, value in tags.items():
        if tag == 258:
            out += struct.pack(order + "HHII", tag, 3, 3, value)
        elif tag in (259, 262, 274, 277):
            out += struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
        else:
            out += struct.pack(order + "HHII", tag, 4, 1, value)
    return out + struct.pack(order + "I", 0) + struct.pack(order + "HHH", bits, bits, bits) + pixels


TURNED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("value", TURNED)
@pytest.mark.parametrize("write", [jpeg, png, webp, tiff])
def test_exif_orientation(write: Callable[[np.ndarray, int], bytes], value: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{write.__name__}".replace("jpeg", "jpg")
    path.write_bytes(write(COLORS, 1))
    plain = read_image(path)
    assert np.abs(plain.astype(int) - COLORS).mean() < 6
    path.write_bytes(write(COLORS, value))
    np.testing.assert_array_equal(read_image(path), TURNED[value](plain))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("value", [1, 6])
def test_sixteen_bit_tiff_is_turned_too(big: bool, value: int, tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff(COLORS.astype(np.uint16) * 257, value, big=big))
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif"), TURNED[value](COLORS))


def test_floating_point_is_taken_as_zero_to_one_and_other_numbers_refused(tmp_path: Path) -> None:
    save(tmp_path / "f.tif", np.array([[-1, 0, 0.5, 1, 7, np.nan]], np.float32))
    assert read_image(tmp_path / "f.tif")[0, :, 0].tolist() == [0, 0, 128, 255, 255, 0]
    for kind in (np.int8, np.int16, np.int32):
        save(tmp_path / "i.tif", np.ones((4, 4), kind))
        with pytest.raises(InputError, match=f"holds {np.dtype(kind)} numbers"):
            read_image(tmp_path / "i.tif")


def test_unused_fourth_byte_of_a_bmp_is_not_transparency(tmp_path: Path) -> None:
    rows = np.dstack([COLORS[::-1, :, ::-1], np.zeros(COLORS.shape[:2], np.uint8)]).tobytes()
    height, width = COLORS.shape[:2]
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(rows), 0, 0, 0, 0)
    # The size of the file is declared wrongly, as many writers do.
    (tmp_path / "x.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 7 * len(rows), 0, 0, 54) + about + rows)
    np.testing.assert_array_equal(read_image(tmp_path / "x.bmp"), COLORS)


NOISY = RNG.integers(0, 255, (40, 40, 3)).astype(np.uint8)


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, NOISY)[1].tobytes())


WHOLE = {
    "a.jpg": encoded(".jpg"),
    "progressive.jpg": jpeg(NOISY, progressive=1),
    "thumbnail.jpg": jpeg(NOISY, extra=jpeg(NOISY[:16, :16])),
    "a.png": encoded(".png"),
    "a.bmp": encoded(".bmp"),
    "lossless.webp": encoded(".webp"),
    "extended.webp": webp(NOISY),
    "packed.tif": encoded(".tif"),
    "plain.tif": tiff(NOISY),
    "big_endian.tif": tiff(NOISY, big=True),
}


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.0)
@example(share=0.5)
@example(share=0.95)
@example(share=0.9999)
def test_cut_off_files_are_refused(name: str, share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(WHOLE[name])
    whole = read_image(path)
    path.write_bytes(WHOLE[name][: int(share * len(WHOLE[name]))])
    try:
        image = read_image(path)
    except InputError as error:
        assert any(  # noqa: PT017 - nothing else may be raised
            words in str(error) for words in ("is empty", "is cut off", "is not an image")
        )
    else:
        # The few last bytes of a TIFF's directory are for a next page.
        assert share > 0.99
        np.testing.assert_array_equal(image, whole)


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_scrambled_files_end_in_a_sentence_or_an_image(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("scrambled") / name
    bytes_ = bytearray(WHOLE[name])
    places = st.integers(0, min(len(bytes_) - 1, 400)) | st.integers(0, len(bytes_) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        bytes_[place] = value
    path.write_bytes(bytes(bytes_))
    try:
        image = read_image(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert image.ndim == 3
        assert image.shape[2] == 3


def test_a_damaged_png_is_named(tmp_path: Path) -> None:
    data = bytearray(WHOLE["a.png"])
    data[len(data) // 2] ^= 255
    (tmp_path / "x.png").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"x\.png is damaged .*--skip-bad"):
        read_image(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(WHOLE["a.png"][: len(data) // 2] + WHOLE["a.png"][-12:])
    with pytest.raises(InputError, match="is cut off"):
        read_image(tmp_path / "x.png")


def bombs() -> dict[str, bytes]:
    """Small files that declare 20000 x 20000 pixels."""
    frame = WHOLE["a.jpg"].index(b"\xff\xc0") + 5
    side = struct.pack(">HH", 20000, 20000)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0))
    return {
        "x.jpg": WHOLE["a.jpg"][:frame] + side + WHOLE["a.jpg"][frame + 4 :],
        "x.png": WHOLE["a.png"][:8] + head + WHOLE["a.png"][33:],
        "x.bmp": WHOLE["a.bmp"][:18] + struct.pack("<ii", 20000, -20000) + WHOLE["a.bmp"][26:],
        "x.webp": webp(NOISY, size=(20000, 20000)),
        "x.tif": tiff(NOISY, size=(20000, 20000)),
    }


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.webp", "x.tif"])
def test_files_that_declare_too_much_are_not_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bombs()[name])
    with pytest.raises(InputError, match=r"declares 400,000,000 pixels, more than 100,000,000.*--skip-bad"):
        read_image(tmp_path / name)


def test_only_files_of_the_five_formats_are_read(tmp_path: Path) -> None:
    save(tmp_path / "x.gif", COLORS)
    with pytest.raises(InputError, match=r"x\.gif does not end in one of \.jpg"):
        read_image(tmp_path / "x.gif")
    (tmp_path / "x.gif").rename(tmp_path / "x.png")
    with pytest.raises(InputError, match="is not an image that can be read"):
        read_image(tmp_path / "x.png")
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path / "x.jpg")
    # Content counts, not the name.
    (tmp_path / "named.png").write_bytes(WHOLE["a.jpg"])
    assert read_image(tmp_path / "named.png").shape == NOISY.shape


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_no_image_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path / "x.png")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read anything")
def test_unreadable_files_and_folders_are_named(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "cat/0.png").chmod(0)
    with pytest.raises(InputError, match=r"0\.png cannot be read .*check its rights"):
        load(tmp_path)
    (tmp_path / "cat").chmod(0)
    with pytest.raises(InputError, match=r"cat cannot be (listed|read) .*check its"):
        load(tmp_path)
    (tmp_path / "cat").chmod(0o700)


def test_written_images_come_back(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png", COLORS)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), COLORS)
    write_image(tmp_path / "x.jpg", COLORS, quality=95)
    assert np.abs(read_image(tmp_path / "x.jpg").astype(int) - COLORS).mean() < 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.jpg", "x.png"]
    write_image(tmp_path / "x.webp", COLORS)
    np.testing.assert_array_equal(read_image(tmp_path / "x.webp"), COLORS)
    write_image(tmp_path / "y.webp", NOISY, 30)
    assert np.abs(read_image(tmp_path / "y.webp").astype(int) - NOISY).max() > 0


def test_images_that_cannot_be_written_leave_nothing_behind(tmp_path: Path) -> None:
    for name in ("x.xyz", "x", "x.gif"):
        with pytest.raises(InputError, match=r"give it a name that ends in \.png or \.jpg"):
            write_image(tmp_path / name, COLORS)
    with pytest.raises(InputError, match="cannot write"):
        write_image(tmp_path / "nowhere/x.png", COLORS)
    assert list(tmp_path.iterdir()) == []


def test_shrinking_averages_and_enlarging_interpolates() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8)[None, :, None], (8, 8, 3))
    np.testing.assert_array_equal(resize(stripes, (4, 8)), np.full((4, 8, 3), 100, np.uint8))
    assert resize(COLORS, (12, 16)).shape == (12, 16, 3)
    ramp = np.repeat(np.arange(0, 200, 50, dtype=np.uint8)[None, :, None], 3, axis=2)
    larger = resize(ramp, (1, 16))[0, :, 0]
    assert (np.diff(larger.astype(int)) >= 0).all()
    assert len(set(larger)) > 4


def folders(root: Path, *, splits: tuple[str, ...] = ("",), count: int = 8) -> Path:
    for split in splits:
        for number, name in enumerate(("cat", "dog")):
            for i in range(count):
                save(root / split / name / f"{i}.png", np.full((6, 5, 3), 10 * i + number + 3 * len(split), np.uint8))
    return root


def test_folder_per_class(tmp_path: Path) -> None:
    data = load(folders(tmp_path, count=20))
    assert data.classes == ("cat", "dog")
    assert data.images.shape == (40, 6, 5, 3)
    assert data.files[0] == "cat/0.png"
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 8, "test": 16}
    for indices in data.splits.values():
        assert np.bincount(data.labels[indices]).std() == 0
    assert "splits drawn" in data.notes[0]


def test_folder_per_split_and_class(tmp_path: Path) -> None:
    data = load(folders(tmp_path, splits=("train", "valid", "test")))
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 16, "test": 16}
    assert data.files[data.splits["val"][0]].startswith("valid/")


def test_folder_with_a_table(tmp_path: Path) -> None:
    folders(tmp_path / "images")
    rows = [f"images/cat/{i}.png,{i % 2}" for i in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    data = load(tmp_path, seed=1)
    assert data.classes == ("0", "1")
    assert len(data.labels) == 8


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "horse").mkdir()
    with pytest.raises(InputError, match="horse holds no images"):
        load(tmp_path)
    with pytest.raises(InputError, match="no sub-folders"):
        load(tmp_path / "horse")


def test_sizes_are_brought_to_the_most_common_or_the_given_one(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "cat/large.png", np.full((60, 50, 3), 9, np.uint8))
    data = load(tmp_path)
    assert data.images.shape[1:] == (6, 5, 3)
    assert data.resized == 1
    assert load(tmp_path, size=(12, 10)).images.shape[1:] == (12, 10, 3)


def test_the_most_common_size_counts_images_upright(tmp_path: Path) -> None:
    for name, count in (("cat", 4), ("dog", 5)):
        (tmp_path / name).mkdir()
        for i in range(count):
            turned = name == "dog"
            (tmp_path / name / f"{i}.jpg").write_bytes(jpeg(COLORS if i else NOISY, 6 if turned else 1))
    (tmp_path / "cat/tall.png").write_bytes(png(COLORS.swapaxes(0, 1)))
    data = load(tmp_path)
    assert data.images.shape[1:] == (32, 24, 3)
    assert data.resized == 5


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "images").iterdir()) if (cache / "images").exists() else []


def test_decoded_images_are_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    source = folders(tmp_path / "in")
    first = load(source)
    (entry,) = entries(cache)
    times = (entry / "pixels").stat().st_mtime_ns
    again = load(source)
    assert (entry / "pixels").stat().st_mtime_ns == times
    for data in (again, load(source, cache=tmp_path / "none")):
        np.testing.assert_array_equal(data.images, first.images)
        assert (data.digests, data.files, data.notes) == (first.digests, first.files, first.notes)
    # Another size, or other files, are other images.
    assert load(source, size=(4, 4)).images.shape[1:] == (4, 4, 3)
    assert len(entries(cache)) == 2
    file = source / first.files[0]
    about = file.stat()
    file.write_bytes((source / first.files[1]).read_bytes())
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    changed = load(source)
    np.testing.assert_array_equal(changed.images[0], first.images[1])


def test_a_cache_of_images_that_cannot_be_used_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folders(tmp_path / "in")
    plain = load(source, cache=tmp_path / "none").images
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    load(source)
    (entry,) = entries(cache)
    whole = (entry / "about.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        (entry / "about.npz").write_bytes(damaged)
        np.testing.assert_array_equal(load(source).images, plain)
    (entry / "about.npz").write_bytes(whole)
    (entry / "pixels").write_bytes(b"short")
    np.testing.assert_array_equal(load(source).images, plain)
    (tmp_path / "file").write_text("no folder")
    for nowhere in (str(tmp_path / "file"), "none"):
        monkeypatch.setenv("BBDFT_CACHE", nowhere)
        np.testing.assert_array_equal(load(source).images, plain)
    bad = folders(tmp_path / "bad")
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "fresh"))
    victim = bad / load(bad).files[0]
    victim.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not an image"):
        load(bad)
    left = load(bad, skip_bad=True)
    assert load(bad, skip_bad=True).skipped == left.skipped == (victim.relative_to(bad).as_posix(),)
    with pytest.raises(InputError, match="not an image"):
        load(bad)


def test_pixels_beyond_memory_live_in_a_nameless_file(tmp_path: Path) -> None:
    held = load(folders(tmp_path / "in"), cache=tmp_path / "none")
    assert not isinstance(held.images, np.memmap)
    filed = load(tmp_path / "in", memory=100, cache=tmp_path / "new/cache")
    assert isinstance(filed.images, np.memmap)
    np.testing.assert_array_equal(held.images, filed.images)
    assert held.digests == filed.digests
    if sys.platform != "win32":
        assert list((tmp_path / "new/cache").iterdir()) == []


def test_a_cache_that_cannot_be_is_refused(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"no space for 1,440 bytes of pixels in .*file.* give another folder"):
        load(tmp_path, memory=100, cache=tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="room is reserved in advance on Linux only")
def test_a_full_disk_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    folders(tmp_path / "in")
    (tmp_path / "cache").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(InputError, match="no space for 12,582,912 bytes"):
            load(tmp_path / "in", size=(512, 512), memory=100, cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("memory", [100, 2**28])
def test_bad_images_are_left_out_and_counted(memory: int, tmp_path: Path) -> None:
    folders(tmp_path, count=20)
    good = load(tmp_path)
    bad = ["cat/0.png", "cat/3.png", "dog/19.png"]
    for name in bad:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(InputError, match=r"cat/0\.png is cut off"):
        load(tmp_path)
    data = load(tmp_path, skip_bad=True, memory=memory)
    assert data.skipped == tuple(bad)
    assert any(note.startswith("3 images could not be read and were left out: cat/0.png") for note in data.notes)
    kept = [i for i, name in enumerate(good.files) if name not in bad]
    assert data.files == tuple(good.files[i] for i in kept)
    np.testing.assert_array_equal(data.images, good.images[kept])
    np.testing.assert_array_equal(data.labels, good.labels[kept])
    assert data.digests == tuple(good.digests[i] for i in kept)
    assert sorted(np.concatenate(list(data.splits.values()))) == list(range(37))
    for name in good.files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        load(tmp_path, skip_bad=True)
    with pytest.raises(InputError, match="none of its 40 images can be read"):
        load(tmp_path, skip_bad=True, size=(6, 5))


def test_class_names_are_preferred_over_numbers_and_numbers_sorted_as_such(tmp_path: Path) -> None:
    folders(tmp_path)
    rows = [f"cat/{i}.png,{i % 2},{('female', 'male')[i % 2]}" for i in range(8)]
    (tmp_path / "both.csv").write_text("\n".join(["file,label,class", *rows]))
    assert load(tmp_path / "both.csv").classes == ("female", "male")
    rows = [f"{name}/{i}.png,{9 + i % 2}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "numbers.csv").write_text("\n".join(["file,label", *rows]))
    assert load(tmp_path / "numbers.csv").classes == ("9", "10")


def test_a_missing_val_is_drawn_from_train(tmp_path: Path) -> None:
    folders(tmp_path)
    rows = [f"{name}/{i}.png,{name},{'train' if i < 6 else 'test'}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "two.csv").write_text("\n".join(["file,label,split", *rows]))
    data = load(tmp_path / "two.csv")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 8, "val": 4, "test": 4}
    assert "a third of train" in data.notes[0]


def test_twins_across_splits_are_told(tmp_path: Path) -> None:
    path = table(tmp_path, SPLIT + "\ntwin.png,cat,test\nother.png,cat,test\n")
    for name in ("twin.png", "other.png"):
        (tmp_path / name).write_bytes((tmp_path / "cat/0.png").read_bytes())
    assert load(path).notes == ("2 images of test have exactly the pixels of one in train or val",)


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(2, 4),
    people=st.integers(30, 80),
    each=st.integers(1, 6),
    grouped=st.booleans(),
    seed=st.integers(0, 50),
)
def test_drawn_splits_part_everyone_by_class_and_person(
    classes: int, people: int, each: int, grouped: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(people), rng.integers(1, each + 1, people))
    labels = rng.integers(0, classes, people)[groups]
    parts = draw(np.arange(len(labels)), labels, groups if grouped else None, SHARES, seed)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))
    if grouped:
        held = [set(groups[indices]) for indices in parts.values()]
        assert sum(map(len, held)) == len(set().union(*held))
    slack = each if grouped else 1
    for label in range(classes):
        total = (labels == label).sum()
        for name, share in SHARES.items():
            assert abs((labels[parts[name]] == label).sum() - share * total) <= slack + 1
    again = draw(np.arange(len(labels)), labels, groups if grouped else None, SHARES, seed)
    assert all(np.array_equal(parts[name], again[name]) for name in parts)


def test_draws_depend_on_the_seed_alone(tmp_path: Path) -> None:
    folders(tmp_path, count=20)
    first, again, other = load(tmp_path, seed=3), load(tmp_path, seed=3), load(tmp_path, seed=4)
    assert first.digests == again.digests
    assert all(np.array_equal(first.splits[name], again.splits[name]) for name in SHARES)
    assert not all(np.array_equal(first.splits[name], other.splits[name]) for name in SHARES)


def table(root: Path, text: str) -> Path:
    """A CSV beside ``cat/0.png`` ... ``dog/7.png``."""
    folders(root)
    (root / "t.csv").write_text(text, newline="")
    return root / "t.csv"


ROWS = [f"{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(8)]
SPLITS = ("train", "train", "train", "val", "val", "test", "test", "test")
SPLIT_ROWS = [f"{name}/{i}.png,{name},{SPLITS[i]}" for name in ("cat", "dog") for i in range(8)]


@pytest.mark.parametrize(
    ("mark", "end", "delimiter", "header"),
    list(
        itertools.product(
            ["", "\ufeff"], ["\n", "\r\n", "\r"], [",", ";", "\t"], ["file,label,split", "File, LABEL ,Split", ""]
        )
    ),
)
def test_tables_as_people_write_them(mark: str, end: str, delimiter: str, header: str, tmp_path: Path) -> None:
    lines = [*([header] if header else []), *SPLIT_ROWS[:8], "", *SPLIT_ROWS[8:], ",,", ""]
    data = load(table(tmp_path, mark + end.join(lines).replace(",", delimiter)))
    assert data.files == tuple(row.split(",")[0] for row in SPLIT_ROWS)
    assert data.classes == ("cat", "dog")
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [6, 4, 6]


def test_split_names_have_aliases(tmp_path: Path) -> None:
    text = "\n".join(["file,label,split", *SPLIT_ROWS])
    for old, new in (("train", "Training"), ("val", "validation"), ("test", "TESTING")):
        text = text.replace(f",{old}", f",{new}")
    assert {name: len(found) for name, found in load(table(tmp_path, text)).splits.items()} == {
        "train": 6,
        "val": 4,
        "test": 6,
    }


def test_an_empty_split_column_is_none(tmp_path: Path) -> None:
    data = load(table(tmp_path, "\n".join(["file,label,split", *(f"{row}," for row in ROWS)])))
    assert "splits drawn (seed 0)" in data.notes[0]


@pytest.mark.parametrize("column", ["group", "person"])
def test_nobody_is_drawn_into_two_splits(column: str, tmp_path: Path) -> None:
    people = [f"{row},{'' if i % 8 == 7 else i // 8 * 4 + i % 8 // 2}" for i, row in enumerate(ROWS)]
    data = load(table(tmp_path, "\n".join([f"file,label,{column}", *people])))
    assert data.groups is not None
    # Who names no group is alone.
    assert len(set(data.groups)) == 10
    for one, other in itertools.combinations(data.splits.values(), 2):
        assert not set(data.groups[one]) & set(data.groups[other])
    assert "no group in two of them" in data.notes[0]


def test_a_val_drawn_from_train_keeps_groups_together(tmp_path: Path) -> None:
    rows = [
        f"{name}/{i}.png,{name},{'test' if i > 5 else 'train'},{name}{i // 2}"
        for name in ("cat", "dog")
        for i in range(8)
    ]
    data = load(table(tmp_path, "\n".join(["file,label,split,group", *rows])))
    assert data.groups is not None
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [8, 4, 4]
    assert not set(data.groups[data.splits["val"]]) & set(data.groups[data.splits["train"]])


def test_groups_that_are_in_several_given_splits_are_told(tmp_path: Path) -> None:
    rows = [f"{row},{i % 8}" for i, row in enumerate(SPLIT_ROWS)]
    assert load(table(tmp_path, "\n".join(["file,label,split,group", *rows]))).notes == ()
    rows[5] = rows[5][:-1] + "0"
    notes = load(table(tmp_path, "\n".join(["file,label,split,group", *rows]))).notes
    assert notes == ("1 groups of test are also in train or val",)


LISTED = "\n".join(["file,label", *ROWS])
SPLIT = "\n".join(["file,label,split", *SPLIT_ROWS])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"t\.csv is empty: write a header file,label"),
        (" \n,,\n", r"t\.csv is empty"),
        ("file,label\n", "lists no images: write one line per image"),
        (LISTED.replace("file", "picture"), r"no column 'file' \(it has picture, label\): name its columns file,label"),
        (LISTED.replace("label", "kind"), "neither a column 'label' nor 'class'"),
        (LISTED.replace("file,label", "file,label,Label"), "two columns 'label': rename or drop one"),
        ("\n".join(f"{row},a,b" for row in ROWS), "4 columns and no header: write one"),
        (LISTED.replace("cat/0.png,cat", "cat/0.png,"), "line 2: the file or the label is missing"),
        (LISTED.replace("cat/1.png,cat", "\n\n ,cat"), "line 5: the file or the label is missing"),
        (LISTED.replace("cat/0.png", "a,b.png"), "line 2: has 3 cells for 2 columns: put names that contain a comma"),
        (LISTED.replace("cat/0.png", "cat/9.png"), r"cat/9\.png does not exist: correct the path, .*--skip-bad"),
        (LISTED.replace("cat/0.png", "cat/0.gif"), r"cat/0\.gif does not end in one of \.jpg"),
        (LISTED.replace("cat/0.png", "../cat/0.png"), r"\.\./cat/0\.png lies outside .*: copy it there"),
        (LISTED.replace("cat/0.png", "/etc/x.png"), r"/etc/x\.png lies outside"),
        (LISTED.replace("cat/0.png", "..\\cat\\0.png"), "lies outside"),
        (LISTED.replace("cat/0.png", "cat/\0.png"), "is not a valid file path"),
        (LISTED.replace("cat/0.png", "x" * 5000 + ".png"), "is not a valid file path|cannot be read|does not exist"),
        (LISTED.replace("cat/0.png", "cat/1.png"), r"lists cat/1\.png twice: keep one of them"),
        (LISTED.replace("cat/0.png", "./cat/../cat/1.png"), r"cat/1\.png and \./cat/.*twice|twice: keep one"),
        (LISTED.replace("cat/0.png", "dog/1.png"), r"dog/1\.png twice with different labels"),
        (LISTED.replace(",dog", ",cat"), r"one class only \(cat\): nothing to distinguish: add another"),
        ("\n".join(["file,label", *ROWS[:9]]), "no image of class 'dog': add images"),
        (SPLIT.replace("cat,val", "cat,vla"), "line 5: unknown split 'vla': write train, val or test"),
        (SPLIT.replace("cat,val", "cat,"), "line 5: has no split, but other lines do: fill it in, or drop the column"),
        (
            SPLIT.replace("cat,val", "cat,train"),
            "'val' has no image of class 'cat': add some, or drop the column 'split'",
        ),
        (
            SPLIT.replace("test", "train"),
            "'test' has no image: add some, or drop the column 'split' to have splits drawn",
        ),
        (SPLIT.replace("train", "test"), "'train' has no image"),
        ('file,label\n"' + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_tables_that_cannot_be(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        load(table(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_sources_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist: give --data"):
        load(tmp_path / "nowhere.csv")
    (tmp_path / "photo.csv").write_bytes(WHOLE["a.jpg"])
    with pytest.raises(InputError, match="is not text in UTF-8"):
        load(tmp_path / "photo.csv")
    with pytest.raises(InputError, match="is not a folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"cannot be read|does not exist"):
        load(tmp_path / ("x" * 5000))


def test_paths_may_be_absolute_below_the_folder(tmp_path: Path) -> None:
    path = table(tmp_path, LISTED.replace("cat/0.png", f"{tmp_path.as_posix()}/cat/0.png"))
    assert load(path).files[0] == "cat/0.png"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    save(tmp_path / "secret.png", COLORS)
    folders(tmp_path / "data")
    link = tmp_path / "data/cat/link.png"
    link.symlink_to(tmp_path / "secret.png")
    (tmp_path / "data/t.csv").write_text(LISTED.replace("cat/0.png", "cat/link.png"))
    for source in ("data", "data/t.csv"):
        with pytest.raises(InputError, match=r"cat/link\.png lies outside"):
            load(tmp_path / source)
    link.unlink()
    link.symlink_to("1.png")
    with pytest.raises(InputError, match=r"cat/link\.png and cat/1\.png, one file, so it twice"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("link.png")
    with pytest.raises(InputError, match=r"link\.png"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"link\.png does not exist"):
        load(tmp_path / "data")


def test_folders_of_splits_that_cannot_be(tmp_path: Path) -> None:
    folders(tmp_path, splits=("train", "val"))
    with pytest.raises(InputError, match="'test' has no image: add some, or put all class folders directly into"):
        load(tmp_path)
    folders(tmp_path, splits=("test",))
    save(tmp_path / "extra/cat/1.png", COLORS)
    with pytest.raises(InputError, match="holds 'extra' beside train and test"):
        load(tmp_path)


def test_files_of_other_kinds_are_told(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "cat/9.gif", COLORS)
    (tmp_path / "dog/notes.txt").write_text("x")
    assert any("2 files without an image suffix" in note and "9.gif" in note for note in load(tmp_path).notes)


@pytest.mark.parametrize(
    ("labels", "classes"), [(("1", "-1"), ("-1", "1")), (("10", "9"), ("9", "10")), (("²", "3"), ("3", "²"))]
)
def test_numbers_are_sorted_by_value(labels: tuple[str, str], classes: tuple[str, str], tmp_path: Path) -> None:
    rows = LISTED.replace(",cat", f",{labels[0]}").replace(",dog", f",{labels[1]}")
    path = table(tmp_path, "")
    path.write_text(rows, encoding="utf-8")
    data = load(path)
    assert data.classes == classes
    assert data.classes[data.labels[0]] == labels[0]


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / ".thumbs/1.png", COLORS)
    save(tmp_path / "cat/.hidden.png", COLORS)
    assert len(list_images(tmp_path)) == 16


@pytest.mark.parametrize(
    ("name", "classes", "side", "counts"),
    [
        ("lfw/labels_gender.csv", ("female", "male"), 112, (1120, 560, 1120)),
        ("smiles/labels.csv", ("nonsmile", "smile"), 64, (1440, 720, 1440)),
    ],
)
def test_real_faces(name: str, classes: tuple[str, str], side: int, counts: tuple[int, ...], shared: Path) -> None:
    data = load(shared / "data" / name)
    assert data.classes == classes
    assert data.images.shape == (sum(counts), side, side, 3)
    assert tuple(len(data.splits[split]) for split in ("train", "val", "test")) == counts
    assert data.groups is not None
    for one, other in itertools.combinations(data.splits.values(), 2):
        assert not np.intersect1d(data.groups[one], data.groups[other]).size
    assert (data.resized, data.skipped) == (0, ())
