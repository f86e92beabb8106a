"""``bbdft demo``: the main job on embedded images."""

from pathlib import Path

from tests.conftest import Bbdft


def test_demo_improves_without_a_network(bbdft: Bbdft, tmp_path: Path) -> None:
    done = bbdft("demo", cwd=tmp_path, code=0, fresh=True)
    assert done.stdout.startswith("improved")
    assert (tmp_path / "bbdft-demo/contact.png").exists()
    bbdft("demo", "--seed", 1, cwd=tmp_path, code=0)
    assert (tmp_path / "bbdft-demo-2/summary.json").exists()
