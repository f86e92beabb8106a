"""Fused path on CUDA: the same scores as on the CPU, with images that stay on the device or are sent."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison
from blackbox_dft.fusion.fused_path import FusedPath, fused_path
from blackbox_dft.images.encoding import Encoding, to_floats
from blackbox_dft.run.config import Config
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.affine import BORDERS
from blackbox_dft.targets import TargetOptions, make_target
from blackbox_dft.targets.onnx.providers import unavailable_reason
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.models import SHAPE, form, photos, small_model

REASON = unavailable_reason("cuda")
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no CUDA here: {REASON}")


SPECS = [
    *("dct:4", "pixel", "color", "contrast", "sharpness", "affine+color+dct:4"),
    *(f"affine:{border}" for border in BORDERS),
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("opset", [17, 22])
def test_a_gpu_scores_as_the_cpu_does(spec: str, opset: int, tmp_path: Path) -> None:
    onnx.save(small_model(form(), opset=opset), tmp_path / "m.onnx")
    cpu, gpu = (make_target(str(tmp_path / "m.onnx"), TargetOptions(provider=name)) for name in ("cpu", "cuda"))
    pool, code = photos(40), Encoding()
    space = make_space(spec, SHAPE)
    path = fused_path(pool, space, gpu, code)
    assert isinstance(path, FusedPath), path
    indices = np.arange(40)[::-1].copy()
    # Calls of any number of images are filled up to one of a few sizes.
    for count in (1, 7, 16, 39):
        np.testing.assert_allclose(path(indices[:count], space.initial()), cpu.scores(pool[indices[:count]]), atol=5e-4)
    for rows in (1, 40):
        z = np.random.default_rng(rows).normal(size=(rows, space.size))
        wanted = cpu.scores(code.encode(space.apply(to_floats(pool[indices]), z)))
        # Some pixels are rounded to the next level, and TF32 rounds products.
        np.testing.assert_allclose(path(indices, z), wanted, atol=5e-4)


def test_images_that_do_not_fit_are_sent_and_score_the_same(tmp_path: Path) -> None:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    gpu = make_target(str(tmp_path / "m.onnx"), TargetOptions(provider="cuda"))
    assert isinstance(gpu, OnnxTarget)
    pool, space = photos(40), make_space("affine+color+dct:4", SHAPE)
    whole = FusedPath(pool, space, gpu, Encoding())
    some = FusedPath(pool, space, gpu, Encoding(), memory=13 * pool[0].nbytes)
    assert (whole.resident, some.resident) == (40, 13)
    z = np.random.default_rng(0).normal(size=(40, space.size))
    np.testing.assert_allclose(some(np.arange(40), z), whole(np.arange(40), z), atol=5e-4)


def test_runs_side_by_side_end_as_one_after_the_other(tiny: Path, tmp_path: Path) -> None:
    options = TargetOptions(provider="cuda")
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), target_options=options)
    grid = Grid(("color", "dct:4"), ("nes:pairs=8",), (100,), (0, 1, 2))
    tables = []
    for threads in (1, 6):
        Comparison(config, grid, tmp_path / str(threads)).execute(threads=threads)
        tables.append((tmp_path / str(threads) / "compare.csv").read_text())
    assert tables[0] == tables[1]


def test_several_threads_get_their_own_scores(tmp_path: Path) -> None:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    gpu = OnnxTarget(tmp_path / "m.onnx", TargetOptions(provider="cuda"))
    pool, space = photos(64), make_space("affine+color", SHAPE)
    path = FusedPath(pool, space, gpu, Encoding())
    z = np.random.default_rng(0).normal(size=(64, space.size))
    parts = [np.arange(start, start + 8) for start in range(0, 64, 8)] * 10
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda at: path(at, z[at]), parts))
    for at, scores in zip(parts, together, strict=True):
        np.testing.assert_array_equal(scores, path(at, z[at]))
