"""On ONNX Runtime's CUDA provider, opened without a card: what runs there, and what is copied there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from tests.helpers import fake_cuda

ROOT = Path(__file__).parents[2]
REASON = fake_cuda.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"not without a card: {REASON}")

SHAPES = {"Concat", "Shape"}
"""What computes with shapes of tensors runs on the processor by design: a shape is needed there."""
TABLES = 128
"""Bytes an image that ONNX Runtime copies for itself in a call: lists of pointers for products of many matrices."""


@pytest.fixture(scope="module")
def found(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        pytest.skip(f"ONNX Runtime {ort.__version__} does not say which provider runs an operator")
    folder = tmp_path_factory.mktemp("cuda")
    libraries = fake_cuda.build(folder / "lib")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.gpu.placement_script", folder, tiny / "labels.csv", tiny / "model.onnx"]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


OPENED = """
import onnxruntime
from blackbox_dft.demo import assets
from blackbox_dft.targets.onnx.providers import open_session, unavailable_reason
session, provider, note = open_session(assets() / "digits.onnx", "auto", onnxruntime.SessionOptions())
print(unavailable_reason("cuda"), provider, note)
"""


@pytest.mark.skipif(not hasattr(ort, "preload_dlls"), reason="ONNX Runtime before 1.21 cannot preload libraries")
def test_libraries_of_nvidias_packages_are_loaded_wherever_they_are(tmp_path: Path) -> None:
    built = fake_cuda.build(tmp_path / "lib")
    (tmp_path / "driver").mkdir()
    (built / "libcuda.so.1").rename(tmp_path / "driver/libcuda.so.1")
    # The driver is the system's; the rest is as the packages have it, in another folder than ONNX Runtime's.
    (tmp_path / "site/nvidia/cu13").mkdir(parents=True)
    built.rename(tmp_path / "site/nvidia/cu13/lib")
    path = os.pathsep.join([str(ROOT), str(tmp_path / "site")])
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path / "driver"), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", OPENED], env=environment, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    # Nothing else is printed: results go to standard output.
    assert done.stdout == "None cuda None\n", done.stdout + done.stderr


def test_every_operator_of_every_space_and_border_has_a_kernel(found: dict[str, Any]) -> None:
    placed = found["placed"]
    assert len(placed) == 5 * 2 * (13 + 2)
    assert {name: nodes for name, nodes in placed.items() if set(nodes) - SHAPES} == {}


def test_images_go_to_the_device_once_for_all_spaces(found: dict[str, Any]) -> None:
    traffic = found["traffic"]
    assert traffic["provider"] == "cuda"
    first, second = traffic["opened"]
    assert first >= traffic["pool"] > second


def test_a_call_sends_indices_and_z_and_gets_scores(found: dict[str, Any]) -> None:
    for to_device, to_host, expected in found["traffic"]["called"]:
        assert expected <= to_device <= expected + 64 * TABLES
        # Two scores of four bytes for each image of a call that is filled up.
        assert to_host == 64 * 2 * 4


def test_images_that_do_not_fit_are_sent_as_bytes(found: dict[str, Any]) -> None:
    traffic = found["traffic"]
    assert traffic["resident"] == [40, 13]
    image = traffic["pool"] / 40
    # 13 and 27 images, in calls of 16 and 32.
    assert 32 * image < traffic["sent"] < 32 * image + 48 * 400


def test_calls_from_several_threads_copy_no_more(found: dict[str, Any]) -> None:
    traffic = found["traffic"]
    assert traffic["together"] == 8 * traffic["called"][1][0]


def test_a_comparison_runs_side_by_side_in_one_process(found: dict[str, Any]) -> None:
    assert found["comparison"] == [1, 3, 1, 8]
