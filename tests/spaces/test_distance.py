"""The distance term: what it weighs, that it enters the search, and what it trades."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from blackbox_dft import Config, InputError, optimize, resume
from blackbox_dft.cli import bbdft as commands
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.run.summary import Summary
from blackbox_dft.spaces import distance_of, make_space
from tests.conftest import Bbdft

SHAPE = (12, 16, 3)


@pytest.mark.parametrize("spec", ["pixel", "tanh", "dct:4", "grid:3"])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
@pytest.mark.parametrize("epsilon", [8 / 255, 1.0])
def test_the_distance_is_what_a_grey_image_moves_by(spec: str, channels: str, epsilon: float) -> None:
    space = make_space(spec, SHAPE, epsilon=epsilon, channels=channels, levels=False)
    distance = distance_of(space)
    assert distance is not None
    z = 0.3 * np.random.default_rng(0).normal(size=(5, space.size))
    if epsilon == 1 and spec != "tanh":
        z /= 32  # So that nothing reaches black or white.
    grey = np.full((5, *SHAPE), 0.5, np.float32)
    moved = ((space.apply(grey, z) - grey).astype(np.float64) ** 2).reshape(5, -1).mean(axis=1)
    np.testing.assert_allclose(distance(z), moved, rtol=1e-4, atol=1e-9)
    assert distance(space.initial()[None])[0] == 0


def test_the_distance_of_a_composition_is_that_of_its_additive_parts() -> None:
    whole = make_space("affine+dct:4+color+grid:2", SHAPE)
    found = distance_of(whole)
    assert found is not None
    z = np.random.default_rng(0).normal(size=(3, whole.size))
    parts = [make_space("dct:4", SHAPE), make_space("grid:2", SHAPE)]
    own = [z[:, 4 : 4 + parts[0].size], z[:, -parts[1].size :]]
    np.testing.assert_allclose(found(z), sum(distance_of(p)(o) for p, o in zip(parts, own, strict=True)))  # type: ignore[misc]
    assert distance_of(make_space("affine+color", SHAPE)) is None


def test_tanh_is_the_sum_inside_a_tanh() -> None:
    space = make_space("tanh", SHAPE, epsilon=1.0, levels=False)
    rng = np.random.default_rng(0)
    batch = to_floats(rng.integers(1, 255, (2, *SHAPE), dtype=np.uint8))
    z = 5 * rng.normal(size=space.size)
    inside = np.arctanh(2 * batch.astype(np.float64) - 1) + z.reshape(SHAPE) * 16 / 255
    np.testing.assert_allclose(space.apply(batch, z), (np.tanh(inside) + 1) / 2, atol=2e-6)
    # Nothing leaves the range however far it goes, and black and white stay.
    ends = np.stack([np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)])
    for far in (1e9, -1e9):
        np.testing.assert_array_equal(space.apply(ends, np.full(space.size, far)), ends)


def run(tiny: Path, out: Path, weight: float, **options: object) -> Summary:
    settings = {"space": "tanh", "epsilon": "1", "budget": 3000, "distance_weight": weight, **options}
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), **settings)  # type: ignore[arg-type]
    return optimize(config, out).summary


@pytest.mark.parametrize(("space", "weights"), [("tanh", (0, 10, 50)), ("grid:2", (0, 10, 30))])
def test_psnr_rises_with_the_weight(space: str, weights: tuple[int, ...], tiny: Path, tmp_path: Path) -> None:
    found = [run(tiny, tmp_path / f"{w}", w, space=space, epsilon="32/255").psnr_db for w in weights]
    assert all(isinstance(value, float) for value in found), found
    assert found == sorted(found)
    assert found[2] > found[0] + 1  # type: ignore[operator]


def test_a_weight_too_great_leaves_images_as_they_are(tiny: Path, tmp_path: Path) -> None:
    summary = run(tiny, tmp_path / "run", 1e6)
    assert summary.chosen == "identity"
    assert summary.psnr_db is None


def test_a_run_goes_on_with_its_weight(tiny: Path, tmp_path: Path) -> None:
    first = run(tiny, tmp_path / "run", 10, budget=1500)
    again = resume(tmp_path / "run")
    assert first.distance_weight == again.summary.distance_weight == 10
    assert again.summary.queries == first.queries
    grown = resume(tmp_path / "run", 3000)
    straight = run(tiny, tmp_path / "straight", 10)
    assert grown.summary.accuracy == straight.accuracy


def test_what_adds_nothing_has_nothing_to_weigh(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run"]
    done = bbdft(*words, "--space", "affine+color", "--distance-weight", 10, code=2)
    assert "affine+color is not one: leave it out" in done.stderr
    with pytest.raises(InputError, match="must be at least 0"):
        run(tiny, tmp_path / "run", -1)
    with pytest.raises(InputError, match="must be at least 0"):
        run(tiny, tmp_path / "run", float("nan"))


def test_a_configuration_file_sets_it_and_the_command_line_wins(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
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


def test_the_papers_files_are_read(shared: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "examples" / "paper"
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
