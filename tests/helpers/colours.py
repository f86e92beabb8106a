"""A model of colours and images of which the middle counts, to find out how it has to be fed."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.images import save

CLASSES = ("red", "green", "blue", "dark")
SIDE = 8


def write_colours(folder: Path) -> Path:
    """A model that names the brightest channel of the image's middle, or dark, and wide images."""
    columns = np.hstack([60 * np.eye(3), np.zeros((3, 1))]).astype(np.float32)
    weights = [
        numpy_helper.from_array(columns, "w"),
        numpy_helper.from_array(np.array([0, 0, 0, 24], np.float32), "b"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["colour"], axis=-1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    colour = helper.make_tensor_value_info("colour", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "colour", [image], [colour], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"classes": ",".join(CLASSES)})
    onnx.save(model, folder / "model.onnx")
    rng = np.random.default_rng(0)
    lines = ["file,label"]
    for number in range(160):
        kind = number % 4
        pixels = rng.uniform(0.2, 0.35, (10, 20, 3))
        # What is beside the middle has another colour: it has to be cropped.
        pixels[..., rng.integers(3)] += 0.2
        pixels[:, 5:15] = rng.uniform(0.2, 0.35, (10, 10, 3))
        if kind < 3:
            pixels[:, 5:15, kind] += rng.uniform(0.2, 0.3)
        save(folder / f"{number}.png", (255 * pixels).astype(np.uint8))
        lines.append(f"{number}.png,{CLASSES[kind]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
