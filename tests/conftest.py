"""What several test files need: the command line as a real process, small models, the shared data where it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests import forked

settings.register_profile("default", deadline=None)
settings.load_profile("default")

SHARED = Path(__file__).parents[1].parent / "shared"

# They run in Pythons of their own, which have what they import.
collect_ignore = ["servers/kserve_server.py", "servers/mlserver_runtime.py", "servers/pytriton_server.py"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real models and images; the test is skipped where it is not there."""
    if not (SHARED / "models").is_dir():
        pytest.skip("the shared models and images are not beside the project")
    return SHARED


Bbdft = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def bbdft() -> Bbdft:
    """Runs ``bbdft`` with the given words in a process of its own: a fork, or a ``fresh`` Python as users start one."""

    def run(
        *words: object, cwd: Path | None = None, code: int | None = None, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        if fresh:
            command = [sys.executable, "-m", "blackbox_dft", *map(str, words)]
            path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
            environment = {**os.environ, "PYTHONPATH": path}
            done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)
        else:
            done = forked.run(words, cwd)
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``model.onnx`` and ``labels.csv``: images whose brightness decides, all a little too dark.

    The model calls an image bright from a mean of 0.5 on; the images labelled bright have a mean of about 0.47.
    """
    import cv2
    from onnx import TensorProto, helper, numpy_helper, save

    folder = tmp_path_factory.mktemp("tiny")
    weights = [
        numpy_helper.from_array(np.array([[-40.0, 40.0]], np.float32), "w"),
        numpy_helper.from_array(np.array([20.0, -20.0], np.float32), "b"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Gemm", ["column", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["tone"], axis=-1),
    ]
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "last"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])
    tone = helper.make_tensor_value_info("tone", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "tone", [image], [tone], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"classes": "dark,bright"})
    save(model, folder / "model.onnx")

    rng = np.random.default_rng(0)
    lines = ["file,label"]
    (folder / "images").mkdir()
    for number in range(200):
        bright = number % 2
        level = 0.40 + 0.07 * bright + rng.normal(0, 0.012)
        pixels = (255 * level + rng.normal(0, 8, (16, 16, 3))).clip(0, 255).astype(np.uint8)
        name = f"images/{number:03d}.png"
        cv2.imwrite(str(folder / name), pixels)
        lines.append(f"{name},{'bright' if bright else 'dark'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder
