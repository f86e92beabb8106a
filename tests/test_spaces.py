"""Spaces: the identity, the bounds, batches as single images, and the same change as an ONNX graph."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blackbox_dft.encoding import to_bytes, to_floats
from blackbox_dft.errors import InputError
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.affine import Affine
from blackbox_dft.spaces.export import export_onnx

SHAPE = (20, 24, 3)
PARTS = ["pixel", "dct:4", "grid:3", "color", "affine"]
SPECS = [*PARTS, "affine+color", "affine+color+dct:4", "dct:4+affine"]
images = arrays(np.uint8, st.tuples(st.integers(1, 5), *map(st.just, SHAPE)), elements=st.integers(0, 255))


def photos(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    coarse = rng.uniform(0, 255, (count, 5, 6, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_images_come_out_of_the_identity_to_the_bit(spec: str, data: st.DataObject) -> None:
    space = make_space(spec, SHAPE)
    given_images = to_floats(data.draw(images))
    np.testing.assert_array_equal(space.apply(given_images, space.initial()), given_images)
    # Also where other images of the batch are changed.
    z = np.random.default_rng(0).normal(size=(len(given_images), space.size))
    z[0] = space.initial()
    np.testing.assert_array_equal(space.apply(given_images, z)[0], given_images[0])


@pytest.mark.parametrize("spec", SPECS)
def test_a_batch_is_its_images_one_by_one_to_the_bit(spec: str) -> None:
    space = make_space(spec, SHAPE)
    batch = to_floats(photos(9))
    z = np.random.default_rng(1).normal(size=(9, space.size)) * 2
    together = space.apply(batch, z)
    assert together.dtype == np.float32
    assert together.min() >= 0
    assert together.max() <= 1
    for i in range(9):
        np.testing.assert_array_equal(space.apply(batch[i : i + 1], z[i])[0], together[i])
    np.testing.assert_array_equal(space.apply(batch, z[3])[3], together[3])
    assert np.abs(together - batch).max() > 0.01


@pytest.mark.parametrize("spec", ["pixel", "dct:4", "grid:3"])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
@settings(max_examples=25, deadline=None)
@given(given_images=images, scale=st.floats(0, 100), levels=st.floats(1, 60), seed=st.integers(0, 99))
def test_epsilon_holds_after_rounding(
    spec: str, channels: str, given_images: np.ndarray, scale: float, levels: float, seed: int
) -> None:
    epsilon = levels / 255
    space = make_space(spec, SHAPE, epsilon=epsilon, channels=channels)
    z = np.random.default_rng(seed).normal(size=(len(given_images), space.size)) * scale
    sent = to_bytes(space.apply(to_floats(given_images), z))
    moved = np.abs(sent.astype(int) - given_images)
    assert moved.max() <= np.floor(levels + 1e-6)
    if channels == "luma":
        field = sent.astype(int) - given_images
        inside = ((given_images > 60) & (given_images < 195)).all(axis=3)
        assert (np.ptp(field[inside], axis=-1) == 0).all()


def test_additive_changes_reach_epsilon_and_are_about_it_for_ordinary_z() -> None:
    grey = np.full((64, 32, 32, 3), 0.5, np.float32)
    for spec in ("pixel", "dct:8", "grid:8"):
        space = make_space(spec, (32, 32, 3), epsilon=8 / 255, channels="luma", levels=False)
        z = np.random.default_rng(0).normal(size=(64, space.size))
        assert np.abs(space.apply(grey, 50 * z) - grey).max() == pytest.approx(8 / 255, abs=1e-6)
        small = (space.apply(grey, 0.05 * z) - grey) / 0.05
        assert np.sqrt((small**2).mean()) == pytest.approx(8 / 255, rel=0.25)


def test_dct_holds_cosines_and_grid_holds_tiles() -> None:
    grey = np.full((1, 16, 16, 3), 0.5, np.float32)
    dct = make_space("dct:4", (16, 16, 3), channels="luma", levels=False)
    z = np.zeros(dct.size)
    z[dct.names.index("luma 0,1")] = 0.1
    field = (dct.apply(grey, z) - grey)[0, :, :, 0]
    cosine = np.cos(np.pi * (np.arange(16) + 0.5) / 16)
    np.testing.assert_allclose(field, np.tile(field[:, :1] / cosine[0], 16) * cosine, atol=1e-7)
    grid = make_space("grid:2", (16, 16, 3), channels="luma", levels=False)
    z = np.array([1.0, 0, 0, 0])
    field = (grid.apply(grey, z) - grey)[0, :, :, 0]
    assert field[0, 0] == pytest.approx(8 / 255, abs=1e-6)
    assert field[15, 15] == 0
    assert (np.diff(field[0]) <= 0).all()


def test_affine_moves_as_it_says() -> None:
    dot = np.zeros((1, 41, 41, 3), np.float32)
    dot[0, 20, 30] = 1
    space = Affine((41, 41, 3))

    def place(z: list[float]) -> tuple[float, float]:
        out = space.apply(dot, np.array(z))[0, :, :, 0]
        y, x = np.mgrid[:41, :41]
        return float((out * y).sum() / out.sum()), float((out * x).sum() / out.sum())

    assert place([0, 1, 0, 0]) == pytest.approx((20, 30 + 0.05 * 41), abs=0.02)
    assert place([0, 0, 1, 0]) == pytest.approx((20 + 0.05 * 41, 30), abs=0.02)
    assert place([1, 0, 0, 0]) == pytest.approx((20, 20 + 10 * np.exp(0.1)), abs=0.1)
    turned = place([0, 0, 0, 3])
    assert turned == pytest.approx((20 - 10 * np.sin(np.pi / 12), 20 + 10 * np.cos(np.pi / 12)), abs=0.1)


def test_affine_reflects_at_the_border_and_never_shows_a_neighbour() -> None:
    batch = np.zeros((3, 16, 16, 3), np.float32)
    batch[1] = 1
    space = Affine((16, 16, 3))
    z = np.random.default_rng(0).uniform(space.lower, space.upper, (3, 4))
    out = space.apply(batch, z)
    assert (out[0] == 0).all()
    assert (out[1] == 1).all()
    assert (out[2] == 0).all()
    ramp = np.tile(np.arange(16, dtype=np.float32)[None, None, :, None] / 15, (1, 16, 1, 3))
    shifted = space.apply(ramp, np.array([0, 2 / (0.05 * 16), 0, 0]))[0, 0, :, 0] * 15
    np.testing.assert_allclose(shifted, [2, 1, *range(14)], atol=1e-4)


def test_large_batches_are_cut_where_opencv_needs_it() -> None:
    space = make_space("affine", (64, 64, 3))
    batch = np.random.default_rng(0).random((600, 64, 64, 3), np.float32)
    z = np.random.default_rng(1).normal(size=(600, 4))
    np.testing.assert_array_equal(space.apply(batch, z)[599], space.apply(batch[599:], z[599:])[0])


def test_color_does_what_its_names_say() -> None:
    space = make_space("color", (4, 4, 3))
    image = np.full((1, 4, 4, 3), (0.6, 0.4, 0.2), np.float32)

    def changed(name: str, z: float) -> np.ndarray:
        vector = np.zeros(space.size)
        vector[space.names.index(name)] = z
        return space.apply(image, vector)[0, 0, 0]

    np.testing.assert_allclose(changed("gain", 1), [0.66, 0.44, 0.22], atol=1e-6)
    np.testing.assert_allclose(changed("bias", 1), [0.65, 0.45, 0.25], atol=1e-6)
    np.testing.assert_allclose(changed("gamma", 1), np.array([0.6, 0.4, 0.2]) ** np.exp(0.1), atol=1e-6)
    luma = np.dot([0.6, 0.4, 0.2], [0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed("saturation", -5), [luma] * 3, atol=1e-6)
    assert changed("temperature", 1)[0] > 0.6 > 0.2 > changed("temperature", 1)[2]
    assert changed("tint", 1)[1] < 0.4


def test_vectors_of_a_composition_are_its_parts_in_order() -> None:
    space = make_space("affine+color+dct:4", SHAPE)
    assert space.size == 4 + 6 + 48 == len(space.names) == len(space.lower) == len(space.upper)
    assert space.spec == "affine+color+dct:4"
    assert space.names[0] == "affine zoom"
    assert np.isinf(space.upper[10:]).all()
    assert np.isfinite(space.upper[:10]).all()
    batch = to_floats(photos(2))
    z = np.random.default_rng(0).normal(size=space.size)
    steps = make_space("affine", SHAPE).apply(batch, z[:4])
    steps = make_space("color", SHAPE).apply(steps, z[4:10])
    steps = make_space("dct:4", SHAPE).apply(steps, z[10:])
    np.testing.assert_array_equal(space.apply(batch, z), steps)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_exported_graph_does_the_same(spec: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    space = make_space(spec, SHAPE, channels=("rgb", "luma")[seed])
    batch = to_floats(photos(3))
    z = rng.normal(size=space.size)
    export_onnx(space, z, SHAPE, tmp_path / "change.onnx", levels=False)
    session = ort.InferenceSession(tmp_path / "change.onnx")
    (out,) = session.run(None, {"image": batch.transpose(0, 3, 1, 2)})
    # Positions are rounded to 1/256 pixel, where float32 may fall to the other side.
    np.testing.assert_allclose(
        out.transpose(0, 2, 3, 1), space.apply(batch, z), atol=0.25 / 255 + 2e-3 * ("aff" in spec)
    )
    export_onnx(space, z, SHAPE, tmp_path / "levels.onnx")
    (out,) = ort.InferenceSession(tmp_path / "levels.onnx").run(None, {"image": batch.transpose(0, 3, 1, 2)})
    sent = to_bytes(space.apply(batch, z)) / 255
    assert np.abs(out.transpose(0, 2, 3, 1) - sent).max() <= 1 / 255 + 1e-6


@pytest.mark.parametrize(
    ("spec", "epsilon", "sentence"),
    [
        ("dct", None, "from 1 to 20"),
        ("dct:0", None, "from 1 to 20"),
        ("dct:21", None, "from 1 to 20"),
        ("grid:x", None, "from 1 to 20"),
        ("affine:3", None, "takes no number"),
        ("color:3", None, "takes no number"),
        ("pixel:3", None, "takes no number"),
        ("affine+", None, "empty part"),
        ("affine+affine", None, "twice"),
        ("afine", None, "did you mean 'affine'"),
        ("pixel", 0.001, "below one 8-bit level"),
        ("pixel", 1.5, "outside"),
        ("pixel", 0.0, "outside"),
    ],
)
def test_specs_that_cannot_be(spec: str, epsilon: float | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_space(spec, SHAPE, epsilon=epsilon)
