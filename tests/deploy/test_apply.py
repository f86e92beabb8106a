"""Applying a tuning: pipes, several files and folders."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft import Tuning, apply_images
from blackbox_dft.deploy.apply import apply_bytes
from blackbox_dft.images.files import read_image, write_image
from blackbox_dft.images.fitting import Fitting
from tests.conftest import Bbdft


@pytest.fixture
def tuning(tmp_path: Path) -> Path:
    z = np.random.default_rng(0).normal(size=10 + 12)
    Tuning("affine+color+dct:2", z, (16, 16, 3), 8 / 255).save(tmp_path / "tuning.npz")
    return tmp_path / "tuning.npz"


def piped(tuning: Path, data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "blackbox_dft", "apply", str(tuning), "-", "-", *words]
    return subprocess.run(command, input=data, capture_output=True, cwd=Path(__file__).parents[2], timeout=300)


def test_a_pipe_gives_the_bytes_of_a_file(tuning: Path, tiny: Path, tmp_path: Path) -> None:
    source = tiny / "images/000.png"
    done = piped(tuning, source.read_bytes())
    assert done.stderr == b""
    apply_images(tuning, source, tmp_path / "one.png")
    assert done.stdout == (tmp_path / "one.png").read_bytes()
    through = cv2.imdecode(np.frombuffer(done.stdout, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(through, Tuning.load(tuning)(read_image(source)[None])[0])
    assert piped(tuning, source.read_bytes(), "--format", "jpeg:80").stdout[:2] == b"\xff\xd8"


@pytest.mark.parametrize(("data", "sentence"), [(b"", b"is empty"), (b"no image" * 9, b"is not an image")])
def test_data_that_is_not_an_image(data: bytes, sentence: bytes, tuning: Path) -> None:
    done = piped(tuning, data)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert done.stdout == b""


def test_an_image_of_another_size_is_resized(tuning: Path) -> None:
    large = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    assert cv2.imdecode(np.frombuffer(apply_bytes(tuning, large), np.uint8), 1).shape == (16, 16, 3)


def test_several_files_and_folders(tuning: Path, tiny: Path, tmp_path: Path, bbdft: Bbdft) -> None:
    files = [tiny / "images/000.png", tiny / "images/001.png"]
    done = bbdft("apply", tuning, *files, tmp_path / "out", code=0)
    assert "2 images" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.png", "001.png"]
    assert "both become" in bbdft("apply", tuning, files[0], files[0], tmp_path / "other", code=2).stderr
    assert "is one image" in bbdft("apply", tuning, *files, tmp_path / "one.png", code=2).stderr
    assert "no other beside it" in bbdft("apply", tuning, "-", files[0], tmp_path / "x.png", code=2).stderr
    bbdft("apply", tuning, files[0], tmp_path / "y.png", code=0)
    assert not (tmp_path / "other").exists()


def test_images_are_fitted_as_in_the_run(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (16, 32, 3)).astype(np.uint8)
    write_image(tmp_path / "wide.png", wide)
    Tuning("color", np.zeros(6), (16, 16, 3), fitting=Fitting("crop", "bicubic")).save(tmp_path / "tuning.npz")
    assert Tuning.load(tmp_path).fitting == Fitting("crop", "bicubic")
    apply_images(tmp_path, tmp_path / "wide.png", tmp_path / "out.png")
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), wide[:, 8:24])
    through = apply_bytes(tmp_path, (tmp_path / "wide.png").read_bytes())
    assert through == (tmp_path / "out.png").read_bytes()
