"""Make what ``bbdft demo`` uses: a small classifier of handwritten digits, and the digits a worse scanner delivers.

The model learns from clean digits. The images shipped beside it are other digits after one fixed change, the same for
all (the page shifted, turned and shrunk; ink faded, paper grey, light falling off to one side), and a little noise.
Everything is seeded: on one machine two runs write the same files.

    pip install 'blackbox-dft[train]'
    python examples/train_demo_model.py [--out blackbox_dft/demo/assets]

Data: the 1,797 digits of ``sklearn.datasets.load_digits``, which are the test part of *Optical Recognition of
Handwritten Digits* (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository 1998, https://doi.org/10.24432/C50P49),
licence CC BY 4.0; scikit-learn, which carries them, is BSD-3-Clause. The images written here are changed as said above.
"""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from blackbox_dft._utils.types import Array

SEED = 0
SIDE = 32
CLASSES = [str(digit) for digit in range(10)]
SPLITS = {"train": 240, "val": 160, "test": 400}
EPOCHS = 60

# The worse scanner.
SHIFT = (2.0, -1.5)
TURN = -9.0
ZOOM = 0.9
INK, PAPER, GAMMA = 0.18, 0.84, 0.8
SHADE = 0.22
NOISE = 0.015


def pages(digits: Array) -> Array:
    """Digits ``(N, 8, 8)`` in 0..16 as dark ink in the middle of white pages ``(N, 32, 32)``, float32 in [0, 1]."""
    margin = 4
    out = np.ones((len(digits), SIDE, SIDE), np.float32)
    for page, digit in zip(out, digits, strict=True):
        large = cv2.resize(digit.astype(np.float32) / 16, (SIDE - 2 * margin,) * 2, interpolation=cv2.INTER_CUBIC)
        page[margin:-margin, margin:-margin] = 1 - large.clip(0, 1)
    return out


def moved(page: Array, turn: float, zoom: float, shift: tuple[float, float]) -> Array:
    """The page turned (degrees) and scaled about its centre, then shifted (pixels right, down) on white."""
    middle = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn, zoom)
    matrix[:, 2] += shift
    return cv2.warpAffine(page, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderValue=1.0).clip(0, 1)


def scanned(clean: Array, rng: np.random.Generator) -> Array:
    """What the worse scanner delivers: the same change for every page, and noise of its own for each."""
    page = np.stack([moved(one, TURN, ZOOM, SHIFT) for one in clean])
    page = INK + (PAPER - INK) * page**GAMMA
    down, right = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    page *= 1 - SHADE * (0.7 * right + 0.3 * down)
    return (page + rng.normal(0, NOISE, page.shape)).clip(0, 1).astype(np.float32)


def rgb(grey: Array) -> Array:
    """Grey pages ``(N, H, W)`` as model input ``(N, 3, H, W)``."""
    return np.repeat(grey[:, None], 3, axis=1).astype(np.float32)


def network() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 10)),
    )


def train(clean: Array, labels: Array, rng: np.random.Generator) -> nn.Sequential:
    """Fit the network to clean pages, each moved a little, differently in every epoch."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        jitter = rng.normal(size=(len(clean), 4)) * [3.0, 0.03, 0.5, 0.5]
        images = np.stack([moved(p, t, 1 + z, (x, y)) for p, (t, z, x, y) in zip(clean, jitter, strict=True)])
        for rows in np.array_split(rng.permutation(len(images)), len(images) // 32):
            # The network sees ink as positive and paper as zero, like the zeros its convolutions pad with.
            loss = nn.functional.cross_entropy(
                model(1 - torch.from_numpy(rgb(images[rows]))), torch.from_numpy(labels[rows])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def as_onnx(model: nn.Sequential) -> onnx.ModelProto:
    """The trained network as ``image (N,3,32,32)`` RGB in [0, 1] -> ``digit (N,10)`` probabilities."""
    nodes = [helper.make_node("Sub", ["one", "image"], ["x0"])]
    weights = [numpy_helper.from_array(np.float32(1), "one")]
    for number, layer in enumerate(model):
        tensors = [f"x{number}"]
        for name, value in layer.named_parameters():
            weights.append(numpy_helper.from_array(value.detach().numpy(), f"{name}{number}"))
            tensors.append(f"{name}{number}")
        kind, attributes = {
            nn.Conv2d: ("Conv", {"pads": [1, 1, 1, 1]}),
            nn.ReLU: ("Relu", {}),
            nn.MaxPool2d: ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            nn.Flatten: ("Flatten", {}),
            nn.Linear: ("Gemm", {"transB": 1}),
        }[type(layer)]
        nodes.append(helper.make_node(kind, tensors, [f"x{number + 1}"], **attributes))
    nodes.append(helper.make_node("Softmax", [f"x{len(model)}"], ["digit"], axis=-1))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    digit = helper.make_tensor_value_info("digit", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "digits", [image], [digit], weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, {"classes": ",".join(CLASSES)})
    onnx.checker.check_model(proto, full_check=True)
    return proto


def write_images(folder: Path, images: Array, labels: Array) -> None:
    """PNGs of three equal channels, and ``labels.csv`` with the columns file, label and split."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for old in (folder / "images").glob("*.png"):
        old.unlink()
    splits = [split for split, count in SPLITS.items() for _ in range(count)]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "label", "split"])
        for number, (image, label, split) in enumerate(zip(images, labels, splits, strict=True)):
            name = f"images/{number:03d}.png"
            pixels = np.repeat(image[..., None], 3, axis=-1)
            ok, png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
            if not ok:
                raise SystemExit(f"{name}: could not be encoded as PNG.")
            (folder / name).write_bytes(png.tobytes())
            table.writerow([name, label, split])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo's model and write its images.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "blackbox_dft" / "demo" / "assets")
    folder: Path = parser.parse_args().out

    digits = load_digits()
    clean, labels = pages(digits.images), digits.target.astype(np.int64)
    known, shown = train_test_split(
        np.arange(len(labels)), test_size=sum(SPLITS.values()), stratify=labels, random_state=SEED
    )
    model = train(clean[known], labels[known], np.random.default_rng(SEED))
    images = np.rint(scanned(clean[shown], np.random.default_rng(SEED + 1)) * 255).astype(np.uint8)

    def accuracy(pages: Array) -> float:
        with torch.no_grad():
            return float((model(1 - torch.from_numpy(rgb(pages))).argmax(1).numpy() == labels[shown]).mean())

    print(f"{len(shown)} digits not used in training, share classified right: {accuracy(clean[shown]):.3f} clean,")
    print(f"{accuracy(images / np.float32(255)):.3f} as the worse scanner delivers them.")

    write_images(folder, images, labels[shown])
    onnx.save(as_onnx(model), folder / "digits.onnx")
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"{folder}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
