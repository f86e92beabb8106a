"""make_target: which target a name stands for."""

from pathlib import Path

import pytest

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.targets import TARGETS
from tests.helpers.mean_model import build


@pytest.mark.parametrize("name", ["nothing", "model.pt", "ftp://example.com/score", "x.onnx"])
def test_targets_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match=name.split(":", maxsplit=1)[0]):
        make_target(name)


def test_half_precision_is_only_for_onnx_files() -> None:
    for name in ("https://example.com/v2/models/m", "json:loads"):
        with pytest.raises(InputError, match="--float16 is for ONNX files"):
            make_target(name, TargetOptions(float16=True))


class Acme:
    """A target of another package."""

    def __init__(self, name: str, options: TargetOptions) -> None:
        self.name = name


def test_the_scheme_of_another_package_comes_before_the_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "acme", f"{__name__}:Acme")
    for name in ("acme:model.onnx", "acme:folder/model.ONNX", "acme:a:b"):
        assert make_target(name).name == name
    # The URL of a file is a URL, too.
    with make_target("https://example.com/m.onnx", TargetOptions(profile="image-json", classes=("a", "b"))) as target:
        assert target.describe()["provider"] == "url"
    with pytest.raises(InputError, match=r"other:model\.onnx does not exist"):
        make_target("other:model.onnx")


def test_every_kind_of_name(tmp_path: Path) -> None:
    assert make_target(str(build(tmp_path / "m.onnx"))).describe()["provider"] == "cpu"
    assert make_target("json:loads").describe()["provider"] == "python"
    url = "https://example.com/score"
    options = TargetOptions(profile="image-json", classes=("a", "b"))
    with make_target(url, options) as target:
        assert target.describe()["provider"] == "url"
        assert target.name == url
