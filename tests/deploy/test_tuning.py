"""Tuning: a file that NumPy alone reads, and changes from many threads at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blackbox_dft import Config, InputError, Tuning
from blackbox_dft.images.files import read_image
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.run.runner import optimize
from blackbox_dft.targets import TargetOptions, make_target
from tests.helpers import two_heads


@pytest.fixture
def tuning() -> Tuning:
    z = np.random.default_rng(0).normal(size=10 + 12)
    return Tuning("affine+color+dct:2", z, (16, 16, 3), 8 / 255)


def test_many_threads_get_the_same_bits(tuning: Tuning, tiny: Path) -> None:
    images = np.stack([read_image(tiny / f"images/{number:03d}.png") for number in range(16)])
    with ThreadPoolExecutor(8) as threads:
        single = list(threads.map(lambda image: tuning(image[None])[0], images))
    np.testing.assert_array_equal(np.stack(single), tuning(images))
    with pytest.raises(InputError, match="resize them first"):
        tuning(np.zeros((1, 8, 8, 3), np.uint8))


def test_the_file_can_be_read_by_numpy_alone(tuning: Tuning, tmp_path: Path) -> None:
    tuning.save(tmp_path / "tuning.npz")
    with np.load(tmp_path / "tuning.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["z"], tuning.z)
        assert file["shape"].tolist() == [16, 16, 3]
        assert json.loads(str(file["about"])) == {
            "format": 2,
            "space": "affine:edge+color+dct:2",
            "epsilon": 8 / 255,
            "channels": "rgb",
            "encoding": "png",
            "labels": [],
            "scores": None,
        }
    loaded = Tuning.load(tmp_path)
    assert (loaded.space, loaded.shape, loaded.epsilon) == (tuning.space, tuning.shape, tuning.epsilon)


def test_files_of_earlier_versions_are_mirrored(tuning: Tuning, tmp_path: Path) -> None:
    about = json.dumps({"format": 1, "space": "affine+color+dct:2", "epsilon": 8 / 255, "channels": "rgb",
                        "encoding": "png"})  # fmt: skip
    np.savez(tmp_path / "tuning.npz", z=tuning.z, shape=np.array(tuning.shape), about=np.array(about))
    loaded = Tuning.load(tmp_path)
    assert loaded.space == loaded.make_space().spec == "affine:mirror+color+dct:2"
    images = np.random.default_rng(0).integers(0, 256, (2, *tuning.shape), np.uint8)
    assert (loaded(images) != tuning(images)).any()
    loaded.save(tmp_path / "again.npz")
    np.testing.assert_array_equal(Tuning.load(tmp_path / "again.npz")(images), loaded(images))


def test_files_that_are_not_tunings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: give the folder of a finished run"):
        Tuning.load(tmp_path)
    (tmp_path / "tuning.npz").write_bytes(b"not a tuning")
    with pytest.raises(InputError, match="is not a tuning of bbdft"):
        Tuning.load(tmp_path)
    np.savez(tmp_path / "tuning.npz", z=np.zeros(6), shape=np.array([8, 8, 3]), about=np.array('{"format": 99}'))
    with pytest.raises(InputError, match="written by another version"):
        Tuning.load(tmp_path)


def test_an_output_map_comes_back_and_decides(tmp_path: Path) -> None:
    found = OutputMap(
        np.eye(2), "linear", log_scale=0.5, bias=np.array([0.1, -0.1]), weights=np.array([[0.2, 0.0], [0.0, 0.4]]),
        spread=2.0,
    )  # fmt: skip
    tuning = Tuning("color", np.zeros(6), (8, 8, 3), labels=("no", "yes"), scores="logits", output_map=found)
    tuning.save(tmp_path / "tuning.npz")
    back, outputs = Tuning.load(tmp_path), np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)
    np.testing.assert_array_equal(back.decide(outputs), tuning.decide(outputs))
    assert (back.labels, back.scores) == (("no", "yes"), "logits")
    np.testing.assert_allclose(back.decide(outputs).sum(axis=1), 1)
    swapped = back.map_to(["yes", "no"])
    assert swapped is not None
    np.testing.assert_allclose(swapped(np.array([[0.3, 0.7]]))[:, ::-1], found(np.array([[0.3, 0.7]])))
    with pytest.raises(InputError, match="has 'maybe'"):
        back.map_to(["yes", "maybe"])


def test_a_file_of_the_first_format_loads_and_does_not_decide(tmp_path: Path) -> None:
    about = {"format": 1, "space": "color", "epsilon": None, "channels": "rgb", "encoding": "png"}
    np.savez(tmp_path / "tuning.npz", z=np.zeros(6), shape=np.array([8, 8, 3]), about=np.array(json.dumps(about)))
    tuning = Tuning.load(tmp_path)
    assert tuning.map_to(["a", "b"]) is None
    with pytest.raises(InputError, match="resume"):
        tuning.decide(np.zeros((1, 2), np.float32))


def test_floats_lists_and_pillow_images_give_the_bytes_of_uint8(tuning: Tuning) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    changed = tuning(images)
    for same in (images / 255, images.astype(np.int64), list(images), [Image.fromarray(image) for image in images]):
        np.testing.assert_array_equal(tuning(same), changed)
    np.testing.assert_array_equal(tuning(Image.fromarray(images[0])), changed[:1])
    assert tuning([]).shape == (0, 16, 16, 3)
    with pytest.raises(InputError, match=r"float64 from 0 to 255.*divided by 255"):
        tuning(images.astype(float))


@pytest.mark.parametrize(
    ("shape", "mend"),
    [
        ((2, 3, 16, 16), r"3x16x16 do not fit a tuning for 16x16x3: their channels come first: give images\.transpose"),
        ((2, 16, 16), r"give \(N, 16, 16, 3\), RGB"),
        ((2, 16, 16, 4), r"give \(N, 16, 16, 3\), RGB"),
        ((8, 8, 3), "8x8x3 do not fit a tuning for 16x16x3: resize them first"),
    ],
)
def test_images_of_another_shape_are_told_how_to_fit(tuning: Tuning, shape: tuple[int, ...], mend: str) -> None:
    with pytest.raises(InputError, match=mend):
        tuning(np.zeros(shape, np.uint8))


def test_predict_sends_what_the_run_sent_and_maps_what_comes() -> None:
    import cv2

    from blackbox_dft.images.encoding import Encoding
    from blackbox_dft.objectives.output_map import OutputMap
    from blackbox_dft.targets import make_target
    from tests.helpers.half_model import SHAPE, images, scores

    batch, labels = images(150)
    map_ = OutputMap(np.eye(2), "bias", bias=np.array([0.6, -0.6]))
    tuning = Tuning(
        "color", np.array([0.1, 0, 0, 0, 0, 0]), SHAPE, labels=("dark", "bright"), scores="probabilities",
        output_map=map_, encoding="jpeg:90",
    )  # fmt: skip
    sent = []

    def score(images: np.ndarray) -> np.ndarray:
        sent.append(images)
        return scores(images)

    found = tuning.predict(batch, score)
    through = Encoding.parse("jpeg:90").encode(tuning.make_space().apply(batch / np.float32(255), tuning.z))
    np.testing.assert_array_equal(np.concatenate(sent), through)
    np.testing.assert_array_equal(found, tuning.decide(scores(through)))
    assert (found.argmax(axis=1) == labels).mean() > 0.7
    target = make_target("tests.helpers.half_model:scores")
    np.testing.assert_array_equal(tuning.predict(batch, target), found)
    np.testing.assert_array_equal(tuning.predict(batch, "tests.helpers.half_model:scores"), found)
    # Images of other sizes are resized; those of one call need not have one.
    large = [cv2.resize(image, (32, 32), interpolation=cv2.INTER_NEAREST) for image in batch[:2]]
    np.testing.assert_array_equal(tuning.predict([*large, batch[2]], score), found[:3])
    np.testing.assert_array_equal(tuning.predict(np.stack(large), score), found[:2])
    assert tuning.predict(batch[:0], score).shape == (0, 2)
    with pytest.raises(InputError, match="int is no target: give a path, a URL, module:function, a function"):
        tuning.predict(batch, 3)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ((3, 5), r"scores of shape \(3, 5\) .* reads 2 for each image"),
        ((3,), r"scores of shape \(3,\)"),
        ((2, 2), r"returned \(2, 2\) for 3 images"),
    ],
)
def test_scores_that_are_not_those_of_the_run_are_refused(returned: tuple[int, ...], message: str) -> None:
    tuning = Tuning(
        "color", np.zeros(6), (8, 8, 3), labels=("no", "yes"), scores="probabilities", output_map=OutputMap(np.eye(2))
    )
    with pytest.raises(InputError, match=message):
        tuning.predict(np.zeros((3, 8, 8, 3), np.uint8), lambda images: np.ones(returned))


def test_predict_warns_of_a_model_that_is_given_its_images_otherwise(tmp_path: Path) -> None:
    path, table = two_heads.write(tmp_path)
    options = TargetOptions(output="all")
    config = Config(str(path), str(table), target_options=options, space="color", budget=300)
    tuning = optimize(config, tmp_path / "run").tuning
    images = two_heads.images(4)[0]
    with make_target(str(path), options) as target:
        assert tuning.predict(images, target).shape == (4, 2)
    with (
        pytest.warns(match="read with other options.*--output all"),
        pytest.raises(InputError, match="all its outputs"),
    ):
        tuning.predict(images, str(path))


def test_predict_scores_every_view() -> None:
    from blackbox_dft.objectives.joined_map import JoinedMap
    from blackbox_dft.objectives.output_map import OutputMap
    from tests.helpers.half_model import SHAPE, images, scores

    plain = Tuning("color", np.array([0.1, 0, 0, 0, 0, 0]), SHAPE)
    views = np.stack([plain.view_space.view(plain.z), plain.view_space.view(plain.z, mirror=True)])
    joined = JoinedMap(OutputMap(np.eye(2)), OutputMap(np.tile(np.eye(2), (2, 1))))
    labels = ("dark", "bright")
    tuning = Tuning(
        "color", plain.z, SHAPE, labels=labels, scores="probabilities", output_map=joined, views=views
    )  # fmt: skip
    batch, _ = images(100)
    outputs = [scores(view) for view in tuning.each_view(batch).transpose(1, 0, 2, 3, 4)]
    np.testing.assert_array_equal(tuning.predict(batch, scores), tuning.decide(outputs))
