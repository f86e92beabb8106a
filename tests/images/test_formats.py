"""File formats: which bytes become which pixels, and which files are refused."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import SUFFIXES, image_size, read_image
from blackbox_dft.images.formats import BadImageError, from_pillow, levels_of_floats, open_image
from tests.helpers.images import COLORS, NOISY, WHOLE, chunk, jpeg, png, tiff, webp


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
            words in str(error) for words in ("is empty", "is cut off", "is damaged", "is not an image")
        )
    else:
        # The few last bytes of a TIFF's directory are for a next page.
        assert share > 0.99
        np.testing.assert_array_equal(image, whole)


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
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
def test_files_that_declare_too_many_pixels_are_not_decoded(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bombs()[name])
    said = r"declares 400,000,000 pixels, more than 100,000,000.*--skip-bad"
    if name == "x.webp" and int(PIL.__version__.split(".")[0]) < 12:
        # Its decoder refuses them before it says how many there are.
        said = r"is cut off or damaged.*--skip-bad"
    with pytest.raises(InputError, match=said):
        read_image(tmp_path / name)


GREY = COLORS[..., 0]
OPACITY = np.full(GREY.shape, 128, np.uint8)
OPACITY[:4], OPACITY[4:8] = 0, 255
RGBA = np.dstack([COLORS, OPACITY])
# Blended once: (color * opacity + 255 * (255 - opacity)) / 255, rounded.
SHARE = OPACITY[..., None].astype(int)
BLENDED = ((COLORS * SHARE + 255 * (255 - SHARE) + 127) // 255).astype(np.uint8)
MULTIPLIED = np.dstack([np.rint(COLORS * (SHARE / 255)).astype(np.uint8), OPACITY])


def deep(levels: np.ndarray) -> np.ndarray:
    return levels.astype(np.uint16) * 257


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("pixels", "tags", "expected"),
    [
        (COLORS, {}, COLORS),
        (GREY, {}, three(GREY)),
        (255 - GREY, {262: 0}, three(GREY)),
        (deep(GREY), {}, three(GREY)),
        (deep(255 - GREY), {262: 0}, three(GREY)),
        (deep(COLORS), {}, COLORS),
        (RGBA, {338: 2}, BLENDED),
        (RGBA, {}, BLENDED),
        (RGBA, {338: 0}, COLORS),
        (MULTIPLIED, {338: 1}, BLENDED),
        (deep(RGBA), {338: 2}, BLENDED),
        (deep(RGBA), {338: 0}, COLORS),
        (deep(MULTIPLIED), {338: 1}, BLENDED),
        (np.dstack([COLORS[..., 0], OPACITY]), {338: 2}, three(BLENDED[..., 0])),
        ((GREY / 255).astype(np.float32), {}, three(GREY)),
        (GREY.astype(np.float32), {}, three(GREY)),
        ((1 - GREY / 255).astype(np.float32), {262: 0}, three(GREY)),
        ((COLORS / 255).astype(np.float32), {}, COLORS),
        (COLORS.astype(np.float32), {}, COLORS),
        (COLORS.astype(np.float64), {}, COLORS),
        (GREY / 255, {}, three(GREY)),
    ],
    ids=str,
)
def test_every_kind_of_tiff_has_the_same_pixels(
    pixels: np.ndarray, tags: dict[int, int], expected: np.ndarray, big: bool
) -> None:
    opened = open_image(tiff(pixels, big=big, tags=tags))
    assert opened.size == GREY.shape
    np.testing.assert_array_equal(opened.decode().image, expected)


def test_sixteen_bit_colours_of_a_tiff_are_rounded_not_cut() -> None:
    # 128 / 257 is .498, 129 / 257 is .502; the upper byte is 0 for both.
    values = np.tile(np.array([128, 129, 257 * 7 + 128, 65535], np.uint16)[None, :, None], (4, 1, 3))
    assert open_image(tiff(values)).decode().image[0, :, 0].tolist() == [0, 1, 7, 255]
    assert open_image(tiff(values)).decode().deep_max == 65535


@pytest.mark.parametrize(
    ("pixels", "tags", "words"),
    [
        (GREY.astype(np.int8), {}, "holds int8 numbers"),
        (GREY.astype(np.int16), {}, "holds int16 numbers"),
        (GREY.astype(np.float16), {}, "holds float16 numbers"),
        (deep(COLORS), {284: 2}, "holds 16 bits in a plane for each colour"),
        (deep(COLORS), {262: 8}, "of a kind that is not supported"),
        (GREY.astype(np.float32) * 257, {}, "holds floating-point numbers from .* to .*, and only 0 to 1 and 0 to 255"),
        (GREY.astype(np.float32) - 128, {}, "holds floating-point numbers from -"),
    ],
    ids=str,
)
def test_tiffs_of_unknown_meaning_are_refused(pixels: np.ndarray, tags: dict[int, int], words: str) -> None:
    with pytest.raises(BadImageError, match=words):
        open_image(tiff(pixels, tags=tags)).decode()


def test_a_pointer_of_git_lfs_is_named() -> None:
    with pytest.raises(BadImageError, match=r"is a pointer of Git LFS, .* by 'git lfs pull'"):
        open_image(b"version https://git-lfs.github.com/spec/v1\noid sha256:1f\nsize 5\n")


def test_lab_is_converted_to_rgb() -> None:
    # CIELab (D50) of four colours in sRGB: L in 0..100 is stored as 0..255, a and b as signed bytes.
    lab = np.array([[[54.2, 38.2, 46.2], [49.5, 0.8, -48.2], [53.6, 0, 0], [60.0, -34.2, 29.3]]])
    stored = np.rint(np.dstack([lab[..., 0] * 2.55, lab[..., 1:]])).astype(int).astype(np.uint8)
    rgb = open_image(tiff(stored, tags={262: 8})).decode().image[0]
    assert np.abs(rgb.astype(int) - [[200, 100, 50], [60, 120, 200], [128, 128, 128], [90, 160, 90]]).max() <= 3


def test_a_bmp_of_os2_keeps_its_colours() -> None:
    height, width = GREY.shape
    about = struct.pack("<IHHI", 26 + COLORS.size, 0, 0, 26) + struct.pack("<IHHHH", 12, width, height, 1, 24)
    opened = open_image(b"BM" + about + COLORS[::-1, :, ::-1].tobytes())
    assert opened.size == (height, width)
    np.testing.assert_array_equal(opened.decode().image, COLORS)


@pytest.mark.parametrize(
    ("floats", "levels"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([-0.1, 0.2, 1.3, np.nan], [0, 51, 255, 0]),
        ([0, 51.4, 254.6], [0, 51, 255]),
        ([-2, 100, 260], [0, 100, 255]),
        ([0, 2, 3], [0, 2, 3]),
    ],
)
def test_floats_are_zero_to_one_or_levels(floats: list[float], levels: list[int]) -> None:
    assert levels_of_floats(np.array(floats, np.float32)).tolist() == levels


@pytest.mark.parametrize(
    "floats", [[0, 0.3, 7.2], [-1, 0, 1], [-0.5, 0, 0.5], [-0.2, 0.3], [0, 1000.0], [0, 65535], [-128, 127]]
)
def test_floats_of_unknown_meaning_are_refused(floats: list[float]) -> None:
    with pytest.raises(BadImageError, match="holds floating-point numbers from"):
        levels_of_floats(np.array(floats))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".jpe", "JPEG"),
        (".jfif", "JPEG"),
        (".gif", "GIF"),
        (".pgm", "PPM"),
        (".ppm", "PPM"),
        (".avif", "AVIF"),
        (".jp2", "JPEG2000"),
    ],
)
def test_further_suffixes_are_read(suffix: str, kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(GREY if suffix == ".pgm" else COLORS)
    (tmp_path / f"x{suffix.upper()}").write_bytes(saved(image, kind))
    assert suffix in SUFFIXES
    read = read_image(tmp_path / f"x{suffix.upper()}")
    expected = three(GREY) if suffix == ".pgm" else COLORS
    # At the centres of the tiles: lossy formats ring at their edges.
    apart = np.abs(read[4::8, 4::8].astype(int) - expected[4::8, 4::8]).max()
    assert apart <= (20 if kind in ("JPEG", "AVIF") else 0)
    assert image_size(tmp_path / f"x{suffix.upper()}") == GREY.shape


def test_a_pgm_of_twelve_bits_declares_them() -> None:
    values = np.array([0, 1000, 4095], ">u2")
    assert open_image(b"P5 3 1 4095\n" + values.tobytes()).decode().image[0, :, 0].tolist() == [0, 62, 255]


def test_the_first_frame_is_read() -> None:
    frames = [Image.fromarray(COLORS), Image.fromarray(255 - COLORS)]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {}), ("MPO", {})):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert np.abs(open_image(data).decode().image[4::8, 4::8].astype(int) - COLORS[4::8, 4::8]).max() <= 20


def test_transparent_colours_are_laid_on_white() -> None:
    palette = Image.fromarray(COLORS).quantize(16)
    first = int(np.asarray(palette)[0, 0])
    for kind in ("PNG", "GIF"):
        image = open_image(saved(palette, kind, transparency=first)).decode().image
        assert image[0, 0].tolist() == [255, 255, 255]
        assert image[-1, -1].tolist() != [255, 255, 255]
    for bits, pixel in ((1, b"\x80"), (2, b"\x40"), (4, b"\x10"), (8, b"\1"), (16, b"\0\1")):
        # The pixel has level 1 of two or more, which is the transparent one.
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, bits, 0, 0, 0, 0)) + chunk(b"tRNS", b"\0\1")
        body = chunk(b"IDAT", zlib.compress(b"\0" + pixel)) + chunk(b"IEND", b"")
        assert open_image(WHOLE["a.png"][:8] + head + body).decode().image.tolist() == [[[255, 255, 255]]]


def test_comments_with_a_wrong_check_sum_are_left_aside() -> None:
    data = WHOLE["a.png"]
    wrong = struct.pack(">I", 5) + b"tEXt" + b"a\0bcd" + bytes(4)
    np.testing.assert_array_equal(
        open_image(data[:33] + wrong + data[33:]).decode().image, open_image(data).decode().image
    )


def test_pillow_images_of_any_mode_become_rgb() -> None:
    for mode, expected in (
        ("L", three(GREY)),
        ("LA", three(GREY)),
        ("RGB", COLORS),
        ("RGBA", COLORS),
        ("RGBX", COLORS),
    ):
        source = GREY if mode in ("L", "LA") else COLORS
        np.testing.assert_array_equal(from_pillow(Image.fromarray(source).convert(mode)), expected)
    np.testing.assert_array_equal(from_pillow(Image.fromarray(RGBA)), BLENDED)
    np.testing.assert_array_equal(from_pillow(Image.fromarray(deep(GREY))), three(GREY))
    assert np.abs(from_pillow(Image.fromarray(COLORS).convert("YCbCr")).astype(int) - COLORS).max() <= 3
    assert np.abs(from_pillow(Image.fromarray(COLORS).convert("CMYK")).astype(int) - COLORS).max() <= 1
    with pytest.raises(BadImageError, match="holds int32 numbers"):
        from_pillow(Image.fromarray(np.full((2, 2), 70000, np.int32)))


def test_decoders_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nonsense"))
    data = bytearray(jpeg(NOISY))
    data[len(data) // 2 : len(data) // 2 + 4] = b"\xff\xd4\x12\xff"
    strange = {
        "extra.jpg": WHOLE["a.jpg"][:-2] + bytes(20) + b"\xff\xd9",
        "early.jpg": WHOLE["a.jpg"][: len(WHOLE["a.jpg"]) // 2] + b"\xff\xd9",
        "damaged.jpg": bytes(data),
        "profile.png": png(NOISY)[:33] + profile + png(NOISY)[33:],
        "deep.png": WHOLE["a.png"][:33] + profile + WHOLE["a.png"][33:],
        "cut.tif": WHOLE["plain.tif"][:3000],
        "deep_cut.tif": tiff(deep(NOISY))[:3000],
        "unknown_tag.tif": tiff(deep(NOISY), tags={65000: 1}),
        "float_cut.tif": tiff(NOISY.astype(np.float32))[:3000],
        "samples.tif": tiff(deep(np.dstack([NOISY, NOISY])), tags={338: 0}),
    }
    for compression in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
        data = bytearray(saved(Image.fromarray(NOISY), "TIFF", compression=compression))
        data[200:206] = b"\xff\0\xff\0\xff\0"
        strange[f"{compression}.tif"] = bytes(data)
    bits = saved(Image.fromarray(NOISY).convert("1"), "TIFF", compression="group4")
    strange["group4.tif"] = bits[:40] + bytes(6) + bits[46:]
    strange["samples_per_pixel.tif"] = tiff(NOISY, tags={277: 114})
    read = []
    for name, file in strange.items():
        (tmp_path / name).write_bytes(file)
        try:
            read_image(tmp_path / name)
            read.append(name)
        except InputError as error:
            assert name in str(error)  # noqa: PT017
    assert {"extra.jpg", "profile.png", "unknown_tag.tif"} <= set(read)
    assert capfd.readouterr() == ("", "")
