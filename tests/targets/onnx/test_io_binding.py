"""BoundSession: constants are bound once; calls at once from several threads do not mix their inputs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from blackbox_dft.targets.onnx.io_binding import BoundSession, on_device


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
