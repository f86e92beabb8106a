"""The cache of decoded images: stored, loaded, evicted, and never trusted when damaged."""

import os
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from blackbox_dft.images.fitting import Fitting
from tests.helpers.datasets import class_folders


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "images").iterdir()) if (cache / "images").exists() else []


def test_decoded_images_are_stored_and_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    source = class_folders(tmp_path / "in")
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


def test_a_damaged_or_missing_cache_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = class_folders(tmp_path / "in")
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
    bad = class_folders(tmp_path / "bad")
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "fresh"))
    victim = bad / load(bad).files[0]
    victim.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not an image"):
        load(bad)
    left = load(bad, skip_bad=True)
    assert load(bad, skip_bad=True).skipped == left.skipped == (victim.relative_to(bad).as_posix(),)
    with pytest.raises(InputError, match="not an image"):
        load(bad)


def test_the_least_recently_used_entry_is_evicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    sources = [class_folders(tmp_path / name) for name in "abc"]
    load(sources[0])
    (oldest,) = entries(cache)
    load(sources[1])
    (newest,) = set(entries(cache)) - {oldest}
    os.utime(oldest, (1, 1))
    blocks = sum(file.stat().st_blocks * 512 for file in newest.iterdir())
    # Room for one entry beside the new one, of 16 images of 6x5 pixels.
    monkeypatch.setattr("blackbox_dft.data.cache.MAX_CACHE_BYTES", 16 * 6 * 5 * 3 + blocks)
    load(sources[2])
    assert newest in entries(cache)
    assert oldest not in entries(cache)
    assert len(entries(cache)) == 2
    monkeypatch.setattr("blackbox_dft.data.cache.MAX_CACHE_BYTES", 16 * 6 * 5 * 3 - 1)
    load(sources[0])
    assert len(entries(cache)) == 2


def test_images_fitted_in_two_ways_are_two_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    class_folders(tmp_path / "in")
    for _ in range(2):
        stretched = load(tmp_path / "in", size=(4, 4))
        padded = load(tmp_path / "in", size=(4, 4), fitting=Fitting("pad"))
        assert len(list((tmp_path / "cache/images").iterdir())) == 2
        assert padded.images[-1][:, 3].max() == 0 < stretched.images[-1][:, 3].min()
        assert padded.digests != stretched.digests
    assert any("resized to 4x4 by --fit pad" in note for note in padded.notes)
