"""``--distance-weight``: what it trades, that a run keeps it, and configuration files that set it."""

import json
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from blackbox_dft import Config, InputError
from blackbox_dft.cli import bbdft as commands
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.run.summary import Summary
from tests.conftest import Bbdft


def run(tiny: Path, out: Path, weight: float, **options: object) -> Summary:
    settings = {
        "space": "tanh",
        "epsilon": "1",
        "budget": 3000,
        "output_map": "none",
        **options,
    }
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), distance_weight=weight, **settings)  # type: ignore[arg-type]
    return optimize(config, out).summary


@pytest.mark.parametrize(("space", "weights"), [("tanh", (0, 10, 50)), ("grid:2", (0, 10, 30))])
def test_psnr_rises_with_the_weight(space: str, weights: tuple[int, ...], tiny: Path, tmp_path: Path) -> None:
    found = [run(tiny, tmp_path / f"{w}", w, space=space, epsilon="32/255").psnr_db for w in weights]
    assert all(isinstance(value, float) for value in found), found
    assert found == sorted(found)
    assert found[2] > found[0] + 1  # type: ignore[operator]


def test_a_weight_too_large_leaves_images_unchanged(tiny: Path, tmp_path: Path) -> None:
    summary = run(tiny, tmp_path / "run", 1e6)
    assert summary.chosen == "identity"
    assert summary.psnr_db is None


def test_a_resumed_run_keeps_its_weight(tiny: Path, tmp_path: Path) -> None:
    first = run(tiny, tmp_path / "run", 10, budget=1500)
    again = resume(tmp_path / "run")
    assert first.distance_weight == again.summary.distance_weight == 10
    assert again.summary.queries == first.queries
    grown = resume(tmp_path / "run", 3000)
    straight = run(tiny, tmp_path / "straight", 10)
    assert grown.summary.accuracy == straight.accuracy


def test_a_space_without_an_additive_part_takes_no_weight(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run"]
    done = bbdft(*words, "--space", "affine+color", "--distance-weight", 10, code=2)
    assert "affine+color is not one: leave it out" in done.stderr
    with pytest.raises(InputError, match="must be at least 0"):
        run(tiny, tmp_path / "run", -1)
    with pytest.raises(InputError, match="must be a number"):
        run(tiny, tmp_path / "run", float("nan"))


def test_a_configuration_file_sets_the_weight_and_the_command_line_wins(
    bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "paper.toml").write_text('space = "tanh"\nepsilon = "1"\ndistance-weight = 25\nbudget = 1000\n')
    words = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--config", tmp_path / "paper.toml"]
    bbdft(*words, "--out", tmp_path / "run", code=0)
    config = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert (config["space"], config["distance_weight"], config["budget"]) == ("tanh", 25, 1000)
    bbdft(*words, "--out", tmp_path / "other", "--distance-weight", 5, code=0)
    assert json.loads((tmp_path / "other/config.json").read_text())["config"]["distance_weight"] == 5
    (tmp_path / "more.toml").write_text('space = "dct:2"\n')
    bbdft(*words, "--config", tmp_path / "more.toml", "--out", tmp_path / "both", code=0)
    config = json.loads((tmp_path / "both/config.json").read_text())["config"]
    assert (config["space"], config["distance_weight"]) == ("dct:2", 25)


def test_the_configuration_files_of_the_paper_are_read(shared: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "benchmarks" / "paper_setting"
    model = str(shared / "models" / "age_gender_faceapi.onnx")
    files = sorted(root.glob("*-*.toml"))
    assert len(files) == 7
    for file, more in product(files, ([], ["best.toml"], ["additive.toml"])):
        configs = [word for name in (file, *more) for word in ("--config", str(root / name))]
        # Keys and values are judged before the data, which is here for some of them only.
        words = ["optimize", model, *configs, "--data", "nowhere", "--out", str(tmp_path / "run")]
        done = CliRunner().invoke(commands, words)
        assert isinstance(done.exception, InputError)
        assert "nowhere does not exist" in str(done.exception)
    data = ["--data", str(shared / "data/lfw/labels_gender.csv"), "--out", str(tmp_path / "run")]
    words = ["optimize", model, "--config", str(root / "lfw-gender.toml"), *data, "--dry-run"]
    done = CliRunner().invoke(commands, words)
    assert done.exit_code == 0
    assert "20,000 queries   learn" in done.stdout
