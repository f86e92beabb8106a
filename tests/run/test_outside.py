"""Images outside the folder of the data are sent to a URL only with ``--allow-outside``."""

from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.targets.http.test_target import serving, words


@pytest.fixture
def outside(tiny: Path, tmp_path: Path) -> Path:
    """A folder with a table of the images of ``tiny``, by their absolute paths."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    text = (tiny / "labels.csv").read_text().replace("images/", f"{tiny.as_posix()}/images/")
    (folder / "labels.csv").write_text(text)
    return folder


def test_a_local_model_takes_images_from_anywhere(bbdft: Bbdft, tiny: Path, outside: Path, tmp_path: Path) -> None:
    bbdft(*words(str(tiny / "model.onnx"), outside, tmp_path / "run", budget=800), code=0)


def test_a_url_gets_images_from_outside_only_if_allowed(
    bbdft: Bbdft, tiny: Path, outside: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "count") as url:
        refused = bbdft(*words(url, outside, tmp_path / "run", budget=800), code=2).stderr
        assert f"images/000.png lies outside {outside} and would be sent away: give --allow-outside" in refused
        assert not (tmp_path / "run").exists()
        data = ["--data", outside / "labels.csv"]
        assert "--allow-outside" in bbdft("inspect", url, *data, code=2).stderr
        bbdft("inspect", url, *data, "--allow-outside", code=0)
        bbdft(*words(url, tiny, tmp_path / "run", budget=800), code=0)
        before = int((tmp_path / "count").read_text())
        assert "--allow-outside" in bbdft("evaluate", tmp_path / "run", *data, code=2).stderr
        assert int((tmp_path / "count").read_text()) == before
        bbdft("evaluate", tmp_path / "run", *data, "--allow-outside", code=0)
        bbdft(*words(url, outside, tmp_path / "allowed", budget=800), "--allow-outside", code=0)
        bbdft("resume", tmp_path / "allowed", "--budget", 1000, code=0)
