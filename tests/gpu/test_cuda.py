"""Fused path on CUDA: the same scores as on the CPU, with images that stay on the device or are sent."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from blackbox_dft.fusion.fused_path import FusedPath, fused_path
from blackbox_dft.images.encoding import Encoding, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions, make_target
from blackbox_dft.targets.onnx.providers import unavailable_reason
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.models import SHAPE, form, photos, small_model

REASON = unavailable_reason("cuda")
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no CUDA here: {REASON}")


@pytest.mark.parametrize("spec", ["dct:4", "color", "affine+color+dct:4", "pixel"])
def test_a_gpu_scores_as_the_cpu_does(spec: str, tmp_path: Path) -> None:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    cpu, gpu = (make_target(str(tmp_path / "m.onnx"), TargetOptions(provider=name)) for name in ("cpu", "cuda"))
    pool, code = photos(40), Encoding()
    space = make_space(spec, SHAPE)
    path = fused_path(pool, space, gpu, code)
    assert isinstance(path, FusedPath), path
    indices = np.arange(40)[::-1].copy()
    for rows in (1, 40):
        z = np.random.default_rng(rows).normal(size=(rows, space.size))
        wanted = cpu.scores(code.encode(space.apply(to_floats(pool[indices]), z)))
        # Some pixels are rounded to the next level, and TF32 rounds products.
        np.testing.assert_allclose(path(indices, z), wanted, atol=5e-3)


def test_images_that_do_not_fit_are_sent_and_score_the_same(tmp_path: Path) -> None:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    gpu = make_target(str(tmp_path / "m.onnx"), TargetOptions(provider="cuda"))
    assert isinstance(gpu, OnnxTarget)
    pool, space = photos(40), make_space("affine+color+dct:4", SHAPE)
    whole = FusedPath(pool, space, gpu, Encoding())
    some = FusedPath(pool, space, gpu, Encoding(), memory=13 * pool[0].nbytes)
    assert (whole.resident, some.resident) == (40, 13)
    z = np.random.default_rng(0).normal(size=(40, space.size))
    np.testing.assert_allclose(some(np.arange(40), z), whole(np.arange(40), z), atol=5e-3)
