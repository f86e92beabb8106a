"""CallableTarget: Python functions with and without attributes, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import InputError, TargetError, TargetOptions, make_target
from blackbox_dft.targets.callable import CallableTarget
from tests.helpers.mean_model import IMAGES

MODULE = """
import numpy as np
def means(images):
    assert images.dtype == np.uint8
    return images.mean((1, 2)) / 255
means.classes = ["r", "g", "b"]
means.batch = 5
def floats(images):
    assert images.dtype == np.float32
    return images.mean((1, 2))
floats.accepts = "float"
def names(images):
    return np.array(["r", "g"])[(images.mean((1, 2))[:, 0] > 127).astype(int)]
def wrong(images):
    return "not scores"
def records(images):
    return [{"r": 0.5, "g": 0.5} for _ in images]
def ragged(images):
    return [[0.5] * (1 + number % 2) for number in range(len(images))]
def generator(images):
    return (0.5 for _ in images)
def nothing_scored(images):
    return np.zeros((len(images), 0))
def overwriting(images):
    scores = images.mean((1, 2))
    images[:] = 0
    return scores
def overwriting_floats(images):
    return overwriting(images)
overwriting_floats.accepts = "float"
def broken(images):
    raise ValueError("too bright\\nat line 3")
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"box_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_functions(module: str) -> None:
    target = make_target(f"{module}:means")
    assert (target.classes, target.batch, target.workers) == (("r", "g", "b"), 5, 1)
    np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-6)
    np.testing.assert_allclose(make_target(f"{module}:floats").scores(IMAGES), target.scores(IMAGES), atol=1e-6)
    named = make_target(f"{module}:names", TargetOptions(classes=("g", "r")))
    assert set(named.scores(IMAGES)[:, 0]) <= {0, 1}
    with pytest.raises(TargetError, match="give all of them with --model-classes"):
        make_target(f"{module}:names").scores(IMAGES)
    with pytest.raises(TargetError, match="returned"):
        make_target(f"{module}:wrong").scores(IMAGES)
    # Names become indices, so their order is part of the fingerprint.
    assert named.fingerprint != make_target(f"{module}:names", TargetOptions(classes=("r", "g"))).fingerprint
    with pytest.raises(TargetError, match=r"^\S+:broken raised ValueError: too bright\.$"):
        make_target(f"{module}:broken").scores(IMAGES)
    with pytest.raises(InputError, match="has no 'nothing'"):
        make_target(f"{module}:nothing")
    with pytest.raises(InputError, match="is not a function"):
        make_target(f"{module}:number")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("records", r"dict objects of shape \(7,\) for 7 images: return one row of scores"),
        ("ragged", r"list objects of shape \(7,\) for 7 images: return one row of scores"),
        ("generator", "an object of type generator for 7 images: return one row of scores"),
        ("nothing_scored", r"float64 of shape \(7, 0\) for 7 images: return one row of scores"),
    ],
)
def test_what_is_returned_and_is_no_score_is_named(name: str, sentence: str, module: str) -> None:
    target = make_target(f"{module}:{name}", TargetOptions(classes=("r", "g")))
    with pytest.raises(TargetError, match=sentence):
        target.scores(IMAGES)


@pytest.mark.parametrize(
    ("name", "images"), [("overwriting", IMAGES), ("overwriting_floats", IMAGES / np.float32(255))]
)
def test_a_function_may_write_into_its_images(name: str, images: np.ndarray, module: str) -> None:
    kept = images.copy()
    target = make_target(f"{module}:{name}")
    first = target.scores(images)
    np.testing.assert_array_equal(images, kept)
    np.testing.assert_array_equal(target.scores(images), first)


def test_a_file_in_the_place_of_a_module(module: str) -> None:
    with pytest.raises(InputError, match=rf"give the module without \.py, {module}:means\.$"):
        make_target(f"{module}.py:means")


@pytest.mark.filterwarnings("error")
def test_numbers_too_large_for_float32_are_no_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "huge_scores.py").write_text(
        "import numpy as np\ndef f(images):\n    return np.full((len(images), 2), 1e39)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert np.isinf(make_target("huge_scores:f", TargetOptions()).scores(IMAGES)).all()


def test_an_output_is_for_models() -> None:
    with pytest.raises(InputError, match="--output is for models with several outputs, and mine is a function"):
        CallableTarget("mine", TargetOptions(output="all"), np.mean)
