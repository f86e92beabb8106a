"""Reading and writing image files: formats, depths, orientation, transparency, errors."""

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import list_images, read_image, resize, write_image
from tests.helpers.datasets import class_folders
from tests.helpers.images import COLORS, NOISY, WHOLE, jpeg, png, save, tiff, webp


@pytest.mark.parametrize(
    ("suffix", "off"), [(".png", 0), (".bmp", 0), (".tif", 0), (".tiff", 0), (".jpg", 12), (".webp", 12)]
)
def test_formats(suffix: str, off: int, tmp_path: Path) -> None:
    image = read_image(save(tmp_path / f"x{suffix}", COLORS))
    assert image.dtype == np.uint8
    assert image.shape == COLORS.shape
    # At the centres of the tiles: lossy formats ring at their edges.
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


def test_other_numbers_are_refused(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_scrambled_files_give_an_input_error_or_an_image(
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


def test_only_files_of_known_formats_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.psd").write_bytes(b"8BPS" + bytes(100))
    with pytest.raises(InputError, match=r"x\.psd does not end in one of \.jpg"):
        read_image(tmp_path / "x.psd")
    (tmp_path / "x.psd").rename(tmp_path / "x.png")
    with pytest.raises(InputError, match="is not an image that can be read"):
        read_image(tmp_path / "x.png")
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path / "x.jpg")
    # Content counts, not the name.
    (tmp_path / "named.png").write_bytes(WHOLE["a.jpg"])
    assert read_image(tmp_path / "named.png").shape == NOISY.shape


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path / "x.png")


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


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    class_folders(tmp_path)
    save(tmp_path / ".thumbs/1.png", COLORS)
    save(tmp_path / "cat/.hidden.png", COLORS)
    assert len(list_images(tmp_path)) == 16
