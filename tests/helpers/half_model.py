"""A model that sees the left half of an image only, where both halves tell the label: a mirrored view halves its noise.

``folder`` writes it as ``model.onnx`` with ``labels.csv``; ``scores`` is the same model as a Python function.
"""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
SHAPE = (SIDE, SIDE, 3)
STEEPNESS = 60.0
"""Of the logits, in mean brightness."""


def model(batch: int | str = "N") -> onnx.ModelProto:
    weights = {
        "start": np.array([0]),
        "stop": np.array([SIDE // 2]),
        "axis": np.array([3]),
        "last": np.array([1]),
        "w": np.array([[-STEEPNESS / 2, STEEPNESS / 2]], np.float32),
        "b": np.array([STEEPNESS / 4, -STEEPNESS / 4], np.float32),
    }
    nodes = [
        helper.make_node("Slice", ["image", "start", "stop", "axis"], ["half"]),
        helper.make_node("ReduceMean", ["half"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Gemm", ["column", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["tone"], axis=-1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])
    tone = helper.make_tensor_value_info("tone", TensorProto.FLOAT, [batch, 2])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "half", [image], [tone], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {"classes": "dark,bright"})
    return made


def scores(images: np.ndarray) -> np.ndarray:
    """uint8 images ``(N, H, W, 3)`` to probabilities ``(N, 2)``."""
    logits = STEEPNESS * (images[:, :, : SIDE // 2].mean(axis=(1, 2, 3)) / 255 - 0.5)
    bright = 1 / (1 + np.exp(-logits))
    return np.stack([1 - bright, bright], axis=1).astype(np.float32)


def images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels, dark (0) and bright (1) in turn; each half is off by an error of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    halves = 0.47 + 0.06 * labels[:, None] + rng.normal(0, 0.03, (count, 2))
    levels = np.repeat(halves, SIDE // 2, axis=1)[:, None, :, None] + rng.normal(0, 0.01, (count, *SHAPE))
    return (255 * levels).round().clip(0, 255).astype(np.uint8), labels


def folder(path: Path, count: int = 400) -> Path:
    """Writes model and data into ``path``."""
    (path / "images").mkdir(parents=True)
    onnx.save(model(), path / "model.onnx")
    lines = ["file,label"]
    for number, (image, label) in enumerate(zip(*images(count), strict=True)):
        cv2.imwrite(str(path / f"images/{number:03d}.png"), image)
        lines.append(f"images/{number:03d}.png,{('dark', 'bright')[label]}")
    (path / "labels.csv").write_text("\n".join(lines) + "\n")
    return path
