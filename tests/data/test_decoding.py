"""Decoding into one array: in memory, in an unlinked file, on a full disk; the common size."""

import sys
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.helpers.datasets import class_folders
from tests.helpers.images import COLORS, NOISY, jpeg, png


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


def test_pixels_beyond_memory_go_to_an_unlinked_file(tmp_path: Path) -> None:
    held = load(class_folders(tmp_path / "in"), cache=tmp_path / "none")
    assert not isinstance(held.images, np.memmap)
    filed = load(tmp_path / "in", memory=100, cache=tmp_path / "new/cache")
    assert isinstance(filed.images, np.memmap)
    np.testing.assert_array_equal(held.images, filed.images)
    assert held.digests == filed.digests
    if sys.platform != "win32":
        assert list((tmp_path / "new/cache").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"no space for 1,440 bytes of pixels in .*file.* give another folder"):
        load(tmp_path, memory=100, cache=tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="room is reserved in advance on Linux only")
def test_a_full_disk_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    class_folders(tmp_path / "in")
    (tmp_path / "cache").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(InputError, match="no space for 12,582,912 bytes"):
            load(tmp_path / "in", size=(512, 512), memory=100, cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "cache").iterdir()) == []
