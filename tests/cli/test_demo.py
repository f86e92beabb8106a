"""``bbdft demo``: the main job on embedded images."""

from pathlib import Path

from tests.conftest import Bbdft


def test_demo_improves_without_a_network(bbdft: Bbdft, tmp_path: Path) -> None:
    done = bbdft("demo", cwd=tmp_path, code=0, fresh=True)
    assert done.stdout.startswith("improved")
    assert (tmp_path / "bbdft-demo/contact.png").exists()
    bbdft("demo", "--seed", 1, cwd=tmp_path, code=0)
    assert (tmp_path / "bbdft-demo-2/summary.json").exists()


def test_files_are_written_to_try_other_commands_on(bbdft: Bbdft, tmp_path: Path) -> None:
    bbdft("demo", "--files", "digits", cwd=tmp_path, code=0)
    words = "optimize", "model.onnx", "--data", "labels.csv", "--out", "run", "--dry-run"
    done = bbdft(*words, cwd=tmp_path / "digits", code=0)
    assert "total" in done.stdout + done.stderr
    assert len(list((tmp_path / "digits/new_images").iterdir())) == 20
    assert not (tmp_path / "bbdft-demo").exists()
    refused = bbdft("demo", "--files", "digits", cwd=tmp_path, code=2)
    assert "digits is not empty: take another --files." in refused.stderr
