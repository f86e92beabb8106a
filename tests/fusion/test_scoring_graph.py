"""Scoring graph: on a GPU all of the change is inside, and images without place in the pool are sent."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from blackbox_dft.fusion.scoring_graph import IMAGES, INDICES, POOL, Z, fuse_scorer
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions, make_target
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.mirror_model import SHAPE, mirror, seen
from tests.helpers.models import form, photos, runs_opset, small_model

SPECS = [
    "pixel",
    "dct:4",
    "grid:3",
    "color",
    "affine",
    "affine+color",
    "affine+color+dct:4",
    "dct:4+grid:2+affine",
    "affine:black",
    "affine:mean",
    "affine:white",
    "affine:mirror",
    "contrast",
    "sharpness",
]
OPSETS = 17, 18, 20, 22, 24
"""Each has other versions of operators: ReduceMean takes its axes another way from 18 on."""


@pytest.fixture(scope="module")
def mirror_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mirror") / "mirror.onnx"
    onnx.save(mirror(), path)
    return path


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("levels", [True, False])
def test_all_of_the_change_can_be_inside_as_a_gpu_needs_it(
    spec: str, rows: int, levels: bool, mirror_file: Path
) -> None:
    pool = photos(4)
    space = make_space(spec, SHAPE, levels=levels)
    graph = fuse_scorer(space, SHAPE, mirror(), mirror_file, form(), levels=levels, cpu=False)
    assert graph.outer is None
    assert graph.inner_size == space.size
    z = np.random.default_rng(0).normal(size=(rows, space.size))
    session = ort.InferenceSession(graph.model)
    scored = seen(session.run(None, {POOL: pool, INDICES: np.array([3, 0, 1, 1]), Z: z.astype(np.float32)})[0])
    wanted = space.apply(to_floats(pool[[3, 0, 1, 1]]), z)
    wanted = to_bytes(wanted) / 255 if levels else wanted
    assert np.abs(scored - wanted).max() <= (1 / 255 + 1e-6 if levels else 0.1 / 255)


@pytest.mark.parametrize("opset", OPSETS)
def test_models_of_every_opset_can_be_joined(opset: int, tmp_path: Path) -> None:
    if not runs_opset(opset):
        pytest.skip("newer than this ONNX Runtime")
    file, pool = tmp_path / "m.onnx", photos(4)
    onnx.save(small_model(form(), opset=opset), file)
    target = make_target(str(file), TargetOptions(provider="cpu"))
    assert isinstance(target, OnnxTarget)
    shape = pool.shape[1:]
    space = make_space("affine:mean+contrast+sharpness+color+dct:4", shape)
    graph = fuse_scorer(space, shape, target.graph(), file, target.input_format, levels=True, cpu=False)
    assert onnx.load_from_string(graph.model).opset_import[0].version == opset
    z = np.random.default_rng(0).normal(size=(4, space.size)).astype(np.float32)
    scored = ort.InferenceSession(graph.model).run(None, {POOL: pool, INDICES: np.arange(4), Z: z})[0]
    np.testing.assert_allclose(scored, target.scores(to_bytes(space.apply(to_floats(pool), z))), atol=2e-3)


@pytest.mark.parametrize(
    ("spec", "outer", "inner_size"),
    [("affine+dct:2", "affine", 12), ("affine+color+dct:2", "affine+color", 12), ("dct:2+color", None, 18)],
)
def test_leading_geometry_and_tone_stay_outside_on_a_cpu(
    spec: str, outer: str | None, inner_size: int, mirror_file: Path
) -> None:
    graph = fuse_scorer(make_space(spec, SHAPE), SHAPE, mirror(), mirror_file, form(), levels=True, cpu=True)
    assert (graph.outer.spec if graph.outer else None) == outer
    assert (graph.inner_size, graph.keep_quantizers) == (inner_size, True)
    taken = {value.name for value in ort.InferenceSession(graph.model).get_inputs()}
    images = {IMAGES} if outer else {POOL, INDICES}
    assert taken == images | ({Z} if inner_size else set())
