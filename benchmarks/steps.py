"""Processor time of each step of a change: OpenCV and numpy outside, or ONNX Runtime inside the graph; one thread.

python benchmarks/steps.py [--side 112] [--batch 16] [--rounds 40]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
import onnxruntime as ort
from onnx import helper

sys.path.insert(0, str(Path(__file__).parents[1]))
from blackbox_dft._utils.types import Array
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.blocks import changed_images
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.inspection import smooth_images


def inside(write: Callable[[OnnxBuilder], str], feeds: dict[str, Array]) -> Callable[[], object]:
    """A session of a few nodes, called with these inputs."""
    graph = OnnxBuilder("step")
    out = write(graph)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), [None, *value.shape[1:]])
        for name, value in feeds.items()
    ]
    body = helper.make_graph(
        [*graph.nodes, helper.make_node("Identity", [out], ["out"])], "step", inputs, [], graph.constants
    )
    body.output.append(helper.make_empty_tensor_value_info("out"))
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.disable_quant_qdq", "1")
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), settings)
    return lambda: session.run(None, feeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    shape, count = (options.side, options.side, 3), options.batch
    images = smooth_images(count, shape[:2])
    floats = to_floats(images)
    planes = np.ascontiguousarray(floats.transpose(0, 3, 1, 2))
    rng = np.random.default_rng(0)
    made = {spec: make_space(spec, shape) for spec in ("affine", "color", "dct:8")}
    z = {spec: rng.normal(size=(count, space.size)) for spec, space in made.items()}
    single = {spec: value.astype(np.float32) for spec, value in z.items()}
    steps: dict[str, Callable[[], object]] = {}
    for spec, space in made.items():
        steps[f"{spec}, outside"] = lambda space=space, spec=spec: space.apply(floats, z[spec])
        write = lambda graph, space=space: space.graph(graph, "x", "z")  # noqa: E731
        steps[f"{spec}, inside"] = inside(write, {"x": planes, "z": single[spec]})
    exponent, one = np.float32(1.13), np.float32(1)
    flat = floats.reshape(-1, 3)
    steps["gamma, outside, OpenCV"] = lambda: cv2.exp(cv2.log(flat) * exponent)
    steps["gamma, outside, numpy"] = lambda: np.exp2(np.log2(np.maximum(floats, 1e-9)) * exponent)
    steps["gamma, inside, Pow"] = inside(lambda g: g.op("Pow", "x", g.constant(exponent)), {"x": planes})
    log = inside(lambda g: g.op("Exp", g.op("Mul", g.op("Log", "x"), g.constant(exponent))), {"x": planes})
    steps["gamma, inside, Log and Exp"] = log
    steps["round, outside"] = lambda: to_bytes(np.clip(floats, 0, 1))
    step, zero = np.float32(one / 255), np.uint8(0)
    quantize = inside(lambda g: g.op("QuantizeLinear", "x", g.constant(step), g.constant(zero)), {"x": planes})
    steps["round, inside"] = quantize
    steps["to floats, outside"] = lambda: to_floats(images)
    levels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    scale = inside(lambda g: g.op("DequantizeLinear", "x", g.constant(step), g.constant(zero)), {"x": levels})
    steps["to floats, inside"] = scale
    z["affine+color"] = np.concatenate([z["affine"], z["color"]], 1)
    both = make_space("affine+color", shape)
    steps["affine+color, bytes to bytes"] = lambda: changed_images(both, images, z["affine+color"], levels=True)
    image_format = InputFormat("nchw", "rgb", "0..1", None, None, "float32", None, None)
    steps["bytes to planes of floats"] = lambda: image_format.prepare(images)
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, call in steps.items():
            began = time.thread_time()
            call()
            took[name].append(time.thread_time() - began)
    for name, values in took.items():
        print(f"{name:<28}{1e6 * min(values) / count:9.1f} us an image (median {1e6 * np.median(values) / count:,.1f})")


if __name__ == "__main__":
    main()
