"""Sessions with constants: bound once, not mixed up by threads, and with calls of a few sizes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from blackbox_dft.targets.onnx.io_binding import BoundSession, SizedSessions, on_device


def test_threads_do_not_mix_their_inputs(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 2])
    scale = helper.make_tensor_value_info("scale", TensorProto.FLOAT, [2])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph([helper.make_node("Mul", ["image", "scale"], ["scores"])], "g", [image, scale], [scores])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    bound = BoundSession(session, "scores", {"scale": on_device(np.array([1, -2], np.float32), "cpu")})
    inputs = [np.full((1 + n % 5, 2), n, np.float32) for n in range(100)]
    with ThreadPoolExecutor(4) as threads:
        outputs = list(threads.map(lambda images: bound({"image": images}), inputs))
    for images, output in zip(inputs, outputs, strict=True):
        np.testing.assert_array_equal(output, images * np.float32([1, -2]))


def test_calls_are_filled_up_to_a_few_sizes() -> None:
    """The model adds the size of its call to every image, so that it shows."""
    image, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("image", "z"))
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])
    nodes = [
        helper.make_node("Shape", ["image"], ["size"], start=0, end=1),
        helper.make_node("Cast", ["size"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["image", "z"], ["changed"]),
        helper.make_node("Add", ["changed", "number"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "g", [image, z], [scores])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    opened = []

    def bound() -> BoundSession:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        opened.append(BoundSession(session, "scores", {}))
        return opened[-1]

    sized = SizedSessions(bound, (4, 8))
    for count, size in ((1, 4), (3, 4), (4, 4), (5, 8), (8, 8), (11, 11), (2, 4)):
        images = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
        for rows in {1, count}:
            own = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2) / 10
            np.testing.assert_array_equal(sized({"image": images, "z": own}), images + own + size)
    # One session for each size; larger calls, which the target never makes by itself, take the last one.
    assert len(opened) == 2
