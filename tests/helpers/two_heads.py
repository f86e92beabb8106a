"""A job whose labels the second output of the model tells better than the first."""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from blackbox_dft._utils.types import ImageBytes, Ints

SIDE = 8
CLASSES = ("cold", "warm")


def images(count: int = 200) -> tuple[ImageBytes, Ints]:
    """RGB images, and whether each is warm: redder than it is blue. Their brightness says little of that."""
    rng = np.random.default_rng(0)
    warm = np.arange(count) % 2
    tint = np.where(warm, 12, -12) + rng.normal(0, 5, count)
    level = 110 + 0.5 * tint + rng.normal(0, 12, count)
    mean = np.stack([level + tint, level, level - tint], axis=1)
    noisy = mean[:, None, None] + rng.normal(0, 6, (count, SIDE, SIDE, 3))
    return noisy.clip(0, 255).astype(np.uint8), warm


def write(folder: Path) -> tuple[Path, Path]:
    """A model with the outputs ``tone`` (from the brightness) and ``tint`` (red minus blue), and a CSV of images."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "level", "shift"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["tone"], axis=-1),
        helper.make_node("MatMul", ["means", "difference"], ["tint"]),
    ]
    weights = [
        numpy_helper.from_array(np.array([[-5, 5]] * 3, np.float32), "level"),
        numpy_helper.from_array(np.array([6.5, -6.5], np.float32), "shift"),
        numpy_helper.from_array(np.array([[100], [0], [-100]], np.float32), "difference"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns])
        for name, columns in (("tone", 2), ("tint", 1))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], outputs, weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {"classes": ",".join(CLASSES)})
    onnx.save(model, folder / "model.onnx")
    lines = ["file,label"]
    for number, (pixels, warm) in enumerate(zip(*images(), strict=True)):
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels[..., ::-1])
        lines.append(f"{number:03d}.png,{CLASSES[warm]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "model.onnx", folder / "labels.csv"
