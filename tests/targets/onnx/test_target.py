"""OnnxTarget: models of every layout and type, outputs, class names, batches, against the same arithmetic in NumPy."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from blackbox_dft import InputError, TargetError, TargetOptions, make_target
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers import brightness_model
from tests.helpers.brightness_model import SCORES, out, with_end
from tests.helpers.mean_model import IMAGES, SIDE, TYPES, build


@pytest.mark.parametrize(("layout", "kind"), list(itertools.product(("nchw", "nhwc"), TYPES)))
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_layouts_types_and_batches(layout: str, kind: str, batch: int | str, tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx", layout=layout, kind=kind, batch=batch)))
    assert isinstance(target, OnnxTarget)
    assert (target.input_format.layout, target.input_format.dtype, target.image_size) == (layout, kind, (SIDE, SIDE))
    top = 255 if kind == "uint8" else 1
    expected = IMAGES.mean(axis=(1, 2)) / 255 * top
    tolerance = 2e-3 if kind == "float16" else 1e-5 * top
    np.testing.assert_allclose(target.scores(IMAGES), expected, atol=tolerance)
    # Bytes and the same levels as floats give the same bits.
    np.testing.assert_array_equal(target.scores(IMAGES / np.float32(255)), target.scores(IMAGES))


def test_the_output_is_inferred_or_must_be_given(tmp_path: Path) -> None:
    both = str(build(tmp_path / "both.onnx", outputs=("scores", "age")))
    target = make_target(both)
    assert target.scores(IMAGES).shape == (7, 3)
    assert any("output 'scores'" in note for note in target.describe()["notes"])
    assert make_target(both, TargetOptions(output="age")).scores(IMAGES).shape == (7, 1)
    unclear = str(build(tmp_path / "unclear.onnx", outputs=("scores", "other")))
    with pytest.raises(InputError, match=r"several outputs .*--output NAME"):
        make_target(unclear)
    label = make_target(str(build(tmp_path / "label.onnx", outputs=("label",))))
    np.testing.assert_array_equal(label.scores(IMAGES)[:, 0], IMAGES.mean(axis=(1, 2)).argmax(axis=1))


@pytest.mark.parametrize(
    ("meta", "classes"),
    [
        ({"classes": "a, b,c"}, ("a", "b", "c")),
        ({"classes": '["a","b","c"]'}, ("a", "b", "c")),
        ({"names": "{0: 'a', 1: 'b', 2: 'c'}"}, ("a", "b", "c")),
        ({"names": "no table"}, None),
        ({"classes": "a,b"}, None),
        ({}, None),
    ],
)
def test_class_names_in_the_file(meta: dict[str, str], classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", meta=meta))
    assert make_target(path).classes == classes
    assert make_target(path, TargetOptions(classes=("x", "y", "z"))).classes == ("x", "y", "z")
    with pytest.raises(InputError, match="3 scores"):
        make_target(path, TargetOptions(classes=("x", "y")))


def test_free_sizes(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", side="S"))
    assert make_target(path).image_size is None
    assert make_target(path, TargetOptions(size=(16, 16))).image_size == (16, 16)
    assert make_target(path).scores(np.zeros((2, 20, 30, 3), np.uint8)).shape == (2, 3)


def test_outputs_that_are_not_rows_of_scores(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    for keep, axes in ((True, [2, 3]), (False, [3])):
        nodes = [helper.make_node("ReduceMean", ["image"], ["scores"], axes=axes, keepdims=int(keep))]
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "g", [image], [scores])
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx"
        )
        target = make_target(str(tmp_path / "m.onnx"))
        if keep:  # (N, 3, 1, 1) is one row of scores an image
            np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
        else:  # (N, 3, 8) is not
            with pytest.raises(TargetError, match=r"shape \(7, 3, 8\).*only a classifier"):
                target.scores(IMAGES)


def test_scores_without_an_axis_of_images(tmp_path: Path) -> None:
    """As a model gives them that was squeezed at batch 1."""
    end = [helper.make_node("Squeeze", ["p", "first"], ["y"])]
    given = {"path": tmp_path / "m.onnx", "end": end, "constants": {"first": np.array([0])}}
    path = with_end(outputs=[out("y", sides=[3])], sides=(1, 3, 8, 8), meta={"classes": "a,b,c"}, **given)
    target = make_target(str(path), TargetOptions(provider="cpu"))
    np.testing.assert_allclose(target.scores(brightness_model.IMAGES), SCORES, rtol=1e-4, atol=1e-5)
    assert target.classes == ("a", "b", "c")
    with pytest.raises(InputError, match="names 2 classes"):
        make_target(str(path), TargetOptions(classes=("a", "b")))
    path = with_end(outputs=[out("y")], **given)
    with pytest.raises(TargetError, match="--batch 1"):
        make_target(str(path)).scores(brightness_model.IMAGES)
    scores = make_target(str(path), TargetOptions(batch=1)).scores(brightness_model.IMAGES)
    np.testing.assert_allclose(scores, SCORES, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [[1, -1], [1, 3], [-1]])
def test_a_model_for_one_image_at_a_time_says_so(shape: list[int], tmp_path: Path) -> None:
    end = [helper.make_node("Reshape", ["p", "shape"], ["y"])]
    path = str(with_end(tmp_path / "m.onnx", end, [out("y")], {"shape": np.array(shape)}))
    with pytest.raises(TargetError, match=r"one image at a time.*give --batch 1") as raised:
        make_target(path).scores(brightness_model.IMAGES)
    assert "--output" not in str(raised.value)
    scores = make_target(path, TargetOptions(batch=1)).scores(brightness_model.IMAGES)
    np.testing.assert_allclose(scores, SCORES, rtol=1e-4, atol=1e-5)


def test_a_size_that_is_free_by_name_alone(tmp_path: Path) -> None:
    path = str(with_end(tmp_path / "m.onnx", [], [out("p")], sides=("N", 3, "H", "W")))
    with pytest.raises(TargetError, match=r"give the size that it takes, --size HEIGHTxWIDTH .*Input shape"):
        make_target(path).scores(np.zeros((2, 9, 9, 3), np.uint8))
    with pytest.raises(TargetError, match="give another size that it takes"):
        make_target(path, TargetOptions(size=(9, 9))).scores(np.zeros((2, 9, 9, 3), np.uint8))
    scores = make_target(path, TargetOptions(size=(8, 8))).scores(brightness_model.IMAGES)
    np.testing.assert_allclose(scores, SCORES, rtol=1e-4, atol=1e-5)


def test_another_output_is_advised_only_if_there_is_one(tmp_path: Path) -> None:
    end = [helper.make_node("Unsqueeze", ["p", "last"], ["q"]), helper.make_node("Concat", ["q", "q"], ["map"], axis=2)]
    constants = {"last": np.array([2])}
    path = str(with_end(tmp_path / "one.onnx", end, [out("map")], constants))
    with pytest.raises(TargetError, match=r"'map' of shape \(9, 3, 2\) for 9 images: only a classifier"):
        make_target(path).scores(brightness_model.IMAGES)
    path = str(with_end(tmp_path / "two.onnx", end, [out("map"), out("p")], constants))
    with pytest.raises(TargetError, match="give another --output, p"):
        make_target(path, TargetOptions(output="map")).scores(brightness_model.IMAGES)


def test_weights_that_are_missing_beside_the_file(tmp_path: Path) -> None:
    model = onnx.load(build(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "large.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    with pytest.raises(InputError, match=r"weights in .*weights, which does not exist: copy it beside the model"):
        make_target(str(tmp_path / "large.onnx"))


def test_operators_of_other_packages(tmp_path: Path) -> None:
    end = [helper.make_node("Special", ["p"], ["y"], domain="acme")]
    path = with_end(tmp_path / "m.onnx", end, [out("y")])
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("acme", 1))
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"acme:Special.*without operators of other packages"):
        make_target(str(path))


@pytest.mark.parametrize(("fixed", "batch"), [("N", 8), (1, 8), (3, 6), (8, 8), (64, 64)])
def test_a_call_fills_fixed_batches(fixed: int | str, batch: int, tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", batch=fixed))
    assert make_target(path, TargetOptions(provider="cpu")).batch == batch
    assert make_target(path, TargetOptions(batch=5)).batch == 5


def test_threads_get_the_same_bits(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx")))
    parts = [IMAGES[i % 7 : i % 7 + 1] for i in range(60)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(target.scores, parts))
    np.testing.assert_array_equal(np.concatenate(together), np.concatenate([target.scores(part) for part in parts]))


def test_fingerprints_differ_between_models_and_options(tmp_path: Path) -> None:
    one, two = build(tmp_path / "1.onnx"), build(tmp_path / "2.onnx", meta={"classes": "a,b,c"})
    prints = {
        make_target(str(one)).fingerprint,
        make_target(str(two)).fingerprint,
        make_target(str(one), TargetOptions(channels="bgr")).fingerprint,
        make_target(str(one), TargetOptions(mean=(0.5,))).fingerprint,
    }
    assert len(prints) == 4
    assert make_target(str(one), TargetOptions(batch=3)).fingerprint in prints


def test_real_models(shared: Path) -> None:
    target = make_target(str(shared / "models/age_gender_faceapi.onnx"))
    assert target.classes == ("male", "female")
    assert target.image_size == (112, 112)
    assert isinstance(target, OnnxTarget)
    assert target.output.name == "gender"
    scores = target.scores(np.zeros((3, 112, 112, 3), np.uint8))
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_call_plan_is_open_unless_something_fixes_it(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx")
    assert OnnxTarget(path, TargetOptions(provider="cpu")).call_plan_is_open
    for fixed in ({"batch": 4}, {"workers": 2}, {"cluster": "local"}):
        assert not OnnxTarget(path, TargetOptions(provider="cpu", **fixed)).call_plan_is_open
    assert not OnnxTarget(build(tmp_path / "n.onnx", batch=2), TargetOptions(provider="cpu")).call_plan_is_open


def test_a_call_plan_changes_no_score(tmp_path: Path) -> None:
    target = OnnxTarget(build(tmp_path / "m.onnx"), TargetOptions(provider="cpu"))
    before = target.scores(IMAGES)
    target.set_call_plan(1, 2)
    assert target.workers == 1
    np.testing.assert_allclose(target.scores(IMAGES), before, atol=1e-6)
