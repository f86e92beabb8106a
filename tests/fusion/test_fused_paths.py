"""Fused paths of several spaces over one pool: one copy of the images on the device, one session a space."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from blackbox_dft import Config
from blackbox_dft._utils.types import Array
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.fusion.fused_paths import KEPT, FusedPaths
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.spaces import make_space
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.models import SHAPE, form, photos, small_model


class Counted(OnnxTarget):
    """A target that counts the images it is asked to place, and the graphs it opens."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.placed, self.opened = [], 0  # type: ignore[var-annotated]

    def place(self, array: Array) -> Any:
        self.placed.append(len(array))
        return super().place(array)

    def open_graph(
        self, model: bytes, *, keep_quantizers: bool, constants: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Array], int], Array]:
        self.opened += 1
        return super().open_graph(model, keep_quantizers=keep_quantizers, constants=constants)


@pytest.fixture
def target(tmp_path: Path) -> Counted:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    return Counted(tmp_path / "m.onnx")


def test_all_spaces_share_the_images(target: Counted) -> None:
    pool = photos(30)
    paths = FusedPaths(pool, target, Encoding())
    specs = ["dct:4", "pixel", "grid:3"]
    z = np.random.default_rng(0).normal(size=(30, 20 * 24 * 3))
    for spec in [*specs, *specs]:
        space = make_space(spec, SHAPE)
        path = paths.of(space)
        assert isinstance(path, FusedPath), path
        alone = FusedPath(pool, space, target, Encoding())
        np.testing.assert_array_equal(path(np.arange(30), z[:, : space.size]), alone(np.arange(30), z[:, : space.size]))
    # Once for all spaces, and once for each path that was made without them.
    assert target.placed == [30] * (1 + 6)
    assert target.opened == len(specs) + 6


def test_paths_out_of_use_are_closed(target: Counted) -> None:
    paths = FusedPaths(photos(8), target, Encoding())
    spaces = [make_space(f"dct:{number}", SHAPE) for number in range(2, 4 + KEPT)]
    held = paths.of(spaces[0])
    for space in spaces:
        paths.of(space)
    opened = target.opened
    # Held by its user, so still open; the second one is not.
    assert paths.of(spaces[0]) is held
    assert target.opened == opened
    paths.of(spaces[1])
    assert target.opened == opened + 1


def test_reasons_are_kept_too(target: Counted) -> None:
    paths = FusedPaths(photos(8), target, Encoding.parse("jpeg:90"))
    assert "JPEG" in str(paths.of(make_space("dct:4", SHAPE)))
    assert target.placed == []


def test_experiments_on_one_model_share_their_graphs(tiny: Path) -> None:
    base = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv")))
    made = [
        base.varied(space=space, estimator="nes", seed=seed, budget=500)
        for seed in (0, 1)
        for space in ("dct:4", "color")
    ]
    assert [one.path is made[0].path for one in made] == [True, False, True, False]
    assert made[1].path is made[3].path
