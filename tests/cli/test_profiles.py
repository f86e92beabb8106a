"""``bbdft profiles``: lists the wire protocols and prints one as a file to edit."""

from pathlib import Path

from blackbox_dft.targets.http.profile_schema import profile_names, read_profile
from tests.conftest import Bbdft


def test_profiles_are_listed(bbdft: Bbdft) -> None:
    lines = bbdft("profiles", code=0).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["v2", *profile_names()]
    assert any(line.startswith("vertex ") and "Vertex AI" in line for line in lines)


def test_a_printed_profile_is_one_that_can_be_given(bbdft: Bbdft, tmp_path: Path) -> None:
    for name in ("image-json", "face-plus-plus"):
        (tmp_path / "own.toml").write_text(bbdft("profiles", name, code=0).stdout)
        assert read_profile(str(tmp_path / "own.toml")) == read_profile(name)


def test_profiles_that_cannot_be_printed(bbdft: Bbdft) -> None:
    assert "unknown profile 'nope': known are v2, " in bbdft("profiles", "nope", code=2).stderr
    assert "built in, and not a file" in bbdft("profiles", "v2", code=2).stderr
