"""Views: an image mirrored or moved before its change."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.affine import Affine
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.viewed import GEOMETRY, Viewed
from tests.helpers.models import SHAPE, photos

CLOSER = np.array([1.0, 0, 0, 0])


def test_a_view_is_mirrored_and_moved_first_then_changed() -> None:
    base, images = make_space("color", SHAPE), to_floats(photos(3))
    space, z = Viewed(base, SHAPE), np.array([0.5, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(space.apply(images, space.view(z)), base.apply(images, z))
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    np.testing.assert_array_equal(space.apply(images, space.view(z, mirror=True)), base.apply(mirrored, z))
    moved = Affine(SHAPE).apply(mirrored, CLOSER)
    view = space.view(z, mirror=True, move=CLOSER)
    np.testing.assert_array_equal(space.apply(images, view), base.apply(moved, z))
    # Each image under a view of its own.
    rows = np.stack([space.view(z), space.view(z, mirror=True), view])
    each = np.concatenate([space.apply(images[[n]], row) for n, row in enumerate(rows)])
    np.testing.assert_array_equal(space.apply(images, rows), each)
    np.testing.assert_array_equal(space.apply(images, space.initial()), images)


def test_geometry_of_the_base_takes_the_movement() -> None:
    space = Viewed(make_space("color+affine", SHAPE), SHAPE)
    z = np.full(10, 0.25)
    closer, mirrored = space.view(z, move=CLOSER), space.view(z, mirror=True)
    np.testing.assert_array_equal(closer[:GEOMETRY], 0)
    np.testing.assert_array_equal(space.shortest(closer), z + np.eye(10)[6])
    np.testing.assert_array_equal(space.shortest(mirrored), mirrored)
    # Within the bounds, at which the change would end anyway.
    assert space.view(np.full(10, 7.0), move=CLOSER)[GEOMETRY + 6] == 7.0


@pytest.mark.parametrize("spec", ["color", "affine+dct:4"])
@pytest.mark.parametrize("constant", [False, True])
def test_the_graph_equals_the_view(spec: str, constant: bool, tmp_path: Path) -> None:
    base, images = make_space(spec, SHAPE), to_floats(photos(3))
    space = Viewed(base, SHAPE)
    z = np.random.default_rng(0).normal(size=base.size) / 2
    for view in (space.view(z), space.view(z, mirror=True), space.view(z, mirror=True, move=CLOSER)):
        graph = OnnxBuilder("v")
        if constant:
            found = space.constant_graph(graph, "x", view)
        else:
            found = space.graph(graph, "x", graph.constant(np.float32(view[None])))
        sides = ["N", 3, *SHAPE[:2]]
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("x", found))
        body = helper.make_graph(graph.nodes, "g", [x], [y], graph.constants)
        made = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (out,) = ort.InferenceSession(made.SerializeToString()).run(None, {"x": images.transpose(0, 3, 1, 2)})
        np.testing.assert_allclose(out.transpose(0, 2, 3, 1), space.apply(images, view), atol=0.1 / 255)
