"""A tuning of several views: its file, its images and its decisions."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft import InputError, Tuning, apply_images
from blackbox_dft.deploy.apply import apply_bytes
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import OutputMap
from tests.helpers.half_model import SHAPE, images, scores


@pytest.fixture
def tuning() -> Tuning:
    plain = Tuning("color", np.array([0.1, 0, 0, 0, 0, 0]), SHAPE)
    each = OutputMap(np.eye(2), "bias", bias=np.array([0.6, -0.6]))
    joint = OutputMap(np.tile(np.eye(2), (2, 1)), "scale", log_scale=0.3, bias=np.array([0.1, -0.1]))
    views = np.stack([plain.view_space.view(plain.z), plain.view_space.view(plain.z, mirror=True)])
    return Tuning(
        "color",
        plain.z,
        SHAPE,
        labels=("dark", "bright"),
        scores="probabilities",
        output_map=JoinedMap(each, joint),
        views=views,
    )


def test_all_views_in_one_call_and_their_decision(tuning: Tuning) -> None:
    batch, labels = images(200)
    views = tuning.each_view(batch)
    assert views.shape == (200, 2, *SHAPE)
    np.testing.assert_array_equal(views[:, 0], tuning(batch))
    np.testing.assert_array_equal(views[:, 1], tuning(np.ascontiguousarray(batch[:, :, ::-1])))
    outputs = [scores(views[:, number]) for number in range(2)]
    found = tuning.decide(outputs)
    np.testing.assert_array_equal(tuning.decide(np.stack(outputs, axis=1)), found)
    one = Tuning("color", tuning.z, SHAPE, scores="probabilities", output_map=tuning.output_map.of_one)
    right = [(p.argmax(axis=1) == labels).mean() for p in (one.decide(outputs[0]), found)]
    assert right[1] > right[0] + 0.03
    assert (one.queries_per_image, tuning.queries_per_image) == (1, 2)
    with pytest.raises(InputError, match=r"has 2 views: give their scores as \(N, 2, K\)"):
        tuning.decide(outputs[0])
    with pytest.raises(InputError, match="of 3 views are given, but this tuning has 2"):
        tuning.decide([*outputs, outputs[0]])


def test_the_file_comes_back(tuning: Tuning, tmp_path: Path) -> None:
    tuning.save(tmp_path / "tuning.npz")
    with np.load(tmp_path / "tuning.npz", allow_pickle=False) as file:
        assert json.loads(str(file["about"]))["format"] == 3
        np.testing.assert_array_equal(file["views"], tuning.views)
    loaded, (batch, _) = Tuning.load(tmp_path), images(10)
    np.testing.assert_array_equal(loaded.each_view(batch), tuning.each_view(batch))
    outputs = [scores(view) for view in loaded.each_view(batch).transpose(1, 0, 2, 3, 4)]
    np.testing.assert_array_equal(loaded.decide(outputs), tuning.decide(outputs))
    swapped = loaded.map_to(["bright", "dark"])
    assert swapped is not None
    np.testing.assert_allclose(swapped(np.hstack(outputs))[:, ::-1], loaded.decide(outputs), rtol=1e-6)


def test_a_file_of_each_view_is_written(tuning: Tuning, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    image = images(1)[0][0]
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "in" / name), image[..., ::-1])
    report = apply_images(tuning, tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.png",
        "a.view2.png",
        "b.png",
        "b.view2.png",
    ]
    assert (report.files, report.views) == (4, 2)
    assert "NAME, NAME.view2" in "\n".join(report.lines())
    written = np.stack([cv2.imread(str(tmp_path / "out" / name))[..., ::-1] for name in ("a.png", "a.view2.png")])
    np.testing.assert_array_equal(written, tuning.each_view(image[None])[0])
    first = apply_bytes(tuning, (tmp_path / "in/a.png").read_bytes())
    assert first == (tmp_path / "out/a.png").read_bytes()
    (tmp_path / "out/a.png").unlink()
    with pytest.raises(InputError, match=r"a\.view2\.png exists"):
        apply_images(tuning, tmp_path / "in/a.png", tmp_path / "out")
    cv2.imwrite(str(tmp_path / "in" / "a.view2.png"), image)
    with pytest.raises(InputError, match=r"would both become .*a\.view2\.png"):
        apply_images(tuning, tmp_path / "in", tmp_path / "other")
