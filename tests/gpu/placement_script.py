"""Opens fused graphs on the CUDA provider without a card; prints as JSON where nodes run and what is copied."""

import json
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.fusion.resident_images import ResidentImages
from blackbox_dft.fusion.scoring_graph import fuse_scorer
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.run.config import Config
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.fake_cuda import Traffic
from tests.helpers.models import SHAPE, form, photos, small_model

OPSETS = 17, 18, 20, 22, 24
SPECS = (
    *("affine:edge", "affine:black", "affine:white", "affine:mean", "affine:mirror", "color", "contrast", "sharpness"),
    *("dct:4", "grid:3", "pixel", "tanh", "affine:mean+contrast+sharpness+color+dct:4"),
)
FORMS = form(), form(channels="bgr", range="-1..1", layout="nhwc"), form(channels="grey", range="0..255")
COUNT, FILLED = 40, 64
"""Images of a call, and those of the size that it is filled up to."""


def on_cpu(model: bytes) -> list[str]:
    """Operators of a graph that CUDA has no kernel for."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(model, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    parts = session.get_provider_graph_assignment_info()
    return [node.op_type for part in parts if "CUDA" not in part.ep_name for node in part.get_nodes()]


def placements(folder: Path) -> dict[str, list[str]]:
    found = {}
    for opset in OPSETS:
        file = folder / f"{opset}.onnx"
        for image in (
            form(),
            form(channels="bgr", range="-1..1", layout="nhwc"),
            form(channels="grey", range="0..255"),
        ):
            onnx.save(small_model(image, opset=opset), file)
            options = TargetOptions(provider="cpu", channels=image.channels, range=image.range, layout=image.layout)
            target = OnnxTarget(file, options)
            for spec in SPECS if image.channels == "rgb" else SPECS[-1:]:
                for pooled in (True, False):
                    graph = fuse_scorer(
                        make_space(spec, SHAPE),
                        SHAPE,
                        target.graph(),
                        file,
                        target.input_format,
                        levels=True,
                        cpu=False,
                        pooled=pooled,
                    )
                    found[f"{opset} {image.channels} {spec} {'pool' if pooled else 'sent'}"] = on_cpu(graph.model)
    return found


def traffic(folder: Path) -> dict[str, object]:
    file = folder / "m.onnx"
    onnx.save(small_model(form()), file)
    target = OnnxTarget(file, TargetOptions(provider="cuda"))
    pool, moved = photos(COUNT), Traffic()
    images = ResidentImages(pool, target, memory=2**30)
    spaces = [make_space(spec, SHAPE) for spec in ("affine+color+dct:4", "pixel")]
    opened, called = [], []
    for space in spaces:
        moved()
        path = FusedPath(pool, space, target, Encoding(), images=images)
        opened.append(moved()[0])
        z = np.zeros((COUNT, space.size))
        path(np.arange(COUNT), z)
        moved()
        path(np.arange(COUNT), z)
        called.append([*moved(), FILLED * (8 + 4 * space.size)])
    some = FusedPath(pool, spaces[0], target, Encoding(), memory=13 * pool[0].nbytes)
    some(np.arange(COUNT), np.zeros((COUNT, spaces[0].size)))
    moved()
    some(np.arange(COUNT), np.zeros((COUNT, spaces[0].size)))
    calls = [threading.Thread(target=path, args=(np.arange(COUNT), z)) for _ in range(8)]
    sent = moved()[0]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    return {
        "provider": target.provider,
        "pool": pool.nbytes,
        "opened": opened,
        "called": called,
        "sent": sent,
        "together": moved()[0],
        "resident": [path.resident, some.resident],
    }


def side_by_side(labels: Path, model: Path, folder: Path) -> list[int]:
    config = Config(str(model), str(labels), target_options=TargetOptions(provider="cuda"))
    made = [
        Comparison(config, Grid(("dct:4",), ("nes",), (500,), tuple(range(seeds))), folder / "none")
        for seeds in (3, 20)
    ]
    return [number for one in made for number in (one.processes, one.threads)]


if __name__ == "__main__":
    here, labels, model = map(Path, sys.argv[1:])
    print(
        json.dumps(
            {"placed": placements(here), "traffic": traffic(here), "comparison": side_by_side(labels, model, here)}
        )
    )
