"""The contract of every space: identity, batches, spec, and the same change as an ONNX graph."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from tests.helpers.models import SHAPE, photos
from tests.helpers.spaces import SPECS, images


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_identity_leaves_images_unchanged_to_the_bit(spec: str, data: st.DataObject) -> None:
    space = make_space(spec, SHAPE)
    given_images = to_floats(data.draw(images))
    np.testing.assert_array_equal(space.apply(given_images, space.initial()), given_images)
    # Also if other images of the batch are changed.
    z = np.random.default_rng(0).normal(size=(len(given_images), space.size))
    z[0] = space.initial()
    np.testing.assert_array_equal(space.apply(given_images, z)[0], given_images[0])


@pytest.mark.parametrize("spec", SPECS)
def test_results_do_not_depend_on_the_batch_to_the_bit(spec: str) -> None:
    space = make_space(spec, SHAPE)
    batch = to_floats(photos(9))
    z = np.random.default_rng(1).normal(size=(9, space.size)) * 2
    together = space.apply(batch, z)
    assert together.dtype == np.float32
    assert together.min() >= 0
    assert together.max() <= 1
    for i in range(9):
        np.testing.assert_array_equal(space.apply(batch[i : i + 1], z[i])[0], together[i])
    np.testing.assert_array_equal(space.apply(batch, z[3])[3], together[3])
    assert np.abs(together - batch).max() > 0.01


@pytest.mark.parametrize("spec", [*SPECS, " affine + dct:04 "])
@pytest.mark.parametrize("shape", [SHAPE, (20, 24, 1)])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
def test_make_space_reads_back_the_spec_of_a_space(spec: str, shape: tuple[int, int, int], channels: str) -> None:
    space = make_space(spec, shape, channels=channels)
    assert len(space.names) == len(set(space.names)) == space.size
    assert space.lower.shape == space.upper.shape == space.initial().shape == (space.size,)
    assert (space.lower < space.initial()).all()
    assert (space.initial() < space.upper).all()
    again = make_space(space.spec, shape, channels=channels)
    assert (again.spec, again.names) == (space.spec, space.names)
    rng = np.random.default_rng(0)
    batch = to_floats(rng.integers(0, 256, (2, *shape), dtype=np.uint8))
    np.testing.assert_array_equal(space.apply(batch, space.initial()), batch)
    z = rng.normal(size=(2, space.size))
    np.testing.assert_array_equal(again.apply(batch, z), space.apply(batch, z))


def run_graph(space: Space, batch: np.ndarray, z: np.ndarray) -> np.ndarray:
    graph = OnnxBuilder("g")
    out = space.graph(graph, "images", "z")
    batch = batch.transpose(0, 3, 1, 2)
    sides = ["N", *batch.shape[1:]]
    images_in, z_in, images_out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", sides), ("z", ["M", space.size]), (out, sides))
    )
    body = helper.make_graph(graph.nodes, "g", [images_in, z_in], [images_out], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {"images": batch, "z": z.astype(np.float32)})[0].transpose(0, 2, 3, 1)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [SHAPE, (20, 24, 1), (12, 48, 3)])
@pytest.mark.parametrize("rows", [1, 4])
def test_graphs_take_one_z_or_one_per_image(spec: str, shape: tuple[int, int, int], rows: int) -> None:
    space = make_space(spec, shape)
    y, x = np.mgrid[: shape[0], : shape[1]] / 6
    batch = np.stack([np.stack([np.sin(x + c + n) * np.cos(y) for c in range(shape[2])], -1) for n in range(4)])
    batch = (batch / 2 + 0.5).astype(np.float32)
    z = np.random.default_rng(rows).normal(size=(rows, space.size)) * 2
    np.testing.assert_allclose(run_graph(space, batch, z), space.apply(batch, z), atol=0.25 / 255)
    if np.isfinite(space.upper).all():
        np.testing.assert_allclose(
            run_graph(space, batch, space.upper[None]), space.apply(batch, space.upper), atol=0.5 / 255
        )
