"""Files that are cut off, damaged, or declare too many pixels are refused before decoding."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import read_image
from tests.helpers.images import NOISY, WHOLE, chunk, tiff, webp


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
    with pytest.raises(InputError, match=r"declares 400,000,000 pixels, more than 100,000,000.*--skip-bad"):
        read_image(tmp_path / name)
