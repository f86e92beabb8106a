"""Spaces: the identity, the bounds, batches as single images, and the same change as an ONNX graph."""

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from blackbox_dft.errors import InputError
from blackbox_dft.fusion.export import export_onnx, fuse_onnx
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.affine import Affine
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

SHARED = Path(__file__).parents[2].parent / "shared"
SHAPE = (20, 24, 3)
PARTS = ["pixel", "tanh", "dct:4", "grid:3", "color", "affine"]
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


@pytest.mark.parametrize("spec", [*SPECS, " affine + dct:04 "])
@pytest.mark.parametrize("shape", [SHAPE, (20, 24, 1)])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
def test_a_space_describes_itself_and_is_read_back(spec: str, shape: tuple[int, int, int], channels: str) -> None:
    space = make_space(spec, shape, channels=channels)
    assert len(space.names) == len(set(space.names)) == space.size
    assert space.lower.shape == space.upper.shape == space.initial().shape == (space.size,)
    assert (space.lower < space.initial()).all()
    assert (space.initial() < space.upper).all()
    again = make_space(space.spec, shape, channels=channels)
    assert (again.spec, again.names) == (space.spec, space.names)
    rng = np.random.default_rng(0)
    batch = to_floats(rng.integers(0, 256, (2, *shape), dtype=np.uint8))
    np.testing.assert_array_equal(space.apply(batch, space.initial()), batch)
    z = rng.normal(size=(2, space.size))
    np.testing.assert_array_equal(again.apply(batch, z), space.apply(batch, z))


def test_a_composition_bounds_its_additive_part_by_what_that_part_is_given() -> None:
    space = make_space("affine+color+dct:4", SHAPE, epsilon=4 / 255, channels="luma")
    assert (space.epsilon, space.channels) == (4 / 255, "luma")
    assert make_space("affine+color", SHAPE).epsilon is None
    z = np.random.default_rng(0).normal(size=(3, space.size)) * 5
    batch = to_floats(photos(3))
    before = make_space("affine+color", SHAPE).apply(batch, z[:, :10])
    assert np.abs(space.apply(batch, z) - before).max() == pytest.approx(4 / 255, abs=1e-6)


@pytest.mark.parametrize("spec", ["pixel", "tanh", "dct:4", "grid:3"])
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
    if channels == "luma" and spec != "tanh":
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


@pytest.mark.parametrize("shape", [(24, 24, 3), (16, 64, 3), (60, 12, 3), (2, 9, 1)])
def test_affine_mirrors_images_of_any_proportion_over_its_whole_range(shape: tuple[int, int, int]) -> None:
    height, width, _ = shape
    rng = np.random.default_rng(0)
    image = rng.random(shape, np.float32)
    space = Affine(shape)
    # Mirrored copies side by side, bilinear between them: what the border is said to be.
    tiles = 16
    pad = [(tiles * height, tiles * height), (tiles * width, tiles * width), (0, 0)]
    plane = np.pad(image, pad, mode="reflect")
    y, x = np.mgrid[:height, :width].astype(float)
    for z in [*(np.array(list(product([-1, 1], repeat=4))) * space.upper), *rng.normal(size=(8, 4))]:
        zoom, angle = np.exp(0.1 * z[0]), np.deg2rad(5 * z[3])
        dx = x - (width - 1) / 2 - 0.05 * z[1] * width
        dy = y - (height - 1) / 2 - 0.05 * z[2] * height
        across = (np.cos(angle) * dx - np.sin(angle) * dy) / zoom + (width - 1) / 2 + tiles * width
        down = (np.sin(angle) * dx + np.cos(angle) * dy) / zoom + (height - 1) / 2 + tiles * height
        i, j = np.floor(down).astype(int), np.floor(across).astype(int)
        fu, fv = (across - j)[..., None], (down - i)[..., None]
        top = plane[i, j] * (1 - fu) + plane[i, j + 1] * fu
        below = plane[i + 1, j] * (1 - fu) + plane[i + 1, j + 1] * fu
        np.testing.assert_allclose(space.apply(image[None], z)[0], top * (1 - fv) + below * fv, atol=0.1 / 255)


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
    np.testing.assert_allclose(out.transpose(0, 2, 3, 1), space.apply(batch, z), atol=0.1 / 255)
    export_onnx(space, z, SHAPE, tmp_path / "levels.onnx")
    (out,) = ort.InferenceSession(tmp_path / "levels.onnx").run(None, {"image": batch.transpose(0, 3, 1, 2)})
    sent = to_bytes(space.apply(batch, z)) / 255
    assert np.abs(out.transpose(0, 2, 3, 1) - sent).max() <= 1 / 255 + 1e-6


def run_graph(space: Space, batch: np.ndarray, z: np.ndarray) -> np.ndarray:
    graph = OnnxBuilder("g")
    out = space.graph(graph, "images", "z")
    batch = batch.transpose(0, 3, 1, 2)
    sides = ["N", *batch.shape[1:]]
    images_in, z_in, images_out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", sides), ("z", ["M", space.size]), (out, sides))
    )
    body = helper.make_graph(graph.nodes, "g", [images_in, z_in], [images_out], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    return session.run(None, {"images": batch, "z": z.astype(np.float32)})[0].transpose(0, 2, 3, 1)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [SHAPE, (20, 24, 1), (12, 48, 3)])
@pytest.mark.parametrize("rows", [1, 4])
def test_graphs_take_one_z_or_one_an_image(spec: str, shape: tuple[int, int, int], rows: int) -> None:
    space = make_space(spec, shape)
    y, x = np.mgrid[: shape[0], : shape[1]] / 6
    batch = np.stack([np.stack([np.sin(x + c + n) * np.cos(y) for c in range(shape[2])], -1) for n in range(4)])
    batch = (batch / 2 + 0.5).astype(np.float32)
    z = np.random.default_rng(rows).normal(size=(rows, space.size)) * 2
    np.testing.assert_allclose(run_graph(space, batch, z), space.apply(batch, z), atol=0.25 / 255)
    if np.isfinite(space.upper).all():
        np.testing.assert_allclose(
            run_graph(space, batch, space.upper[None]), space.apply(batch, space.upper), atol=0.5 / 255
        )


def test_exports_of_many_numbers_stay_small(tmp_path: Path) -> None:
    space = make_space("dct:64", (64, 64, 3))
    export_onnx(space, space.initial() + 0.01, (64, 64, 3), tmp_path / "change.onnx")
    assert (tmp_path / "change.onnx").stat().st_size < 1_000_000
    with pytest.raises(InputError, match="has 12288 numbers"):
        export_onnx(space, np.zeros(3), (64, 64, 3), tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def form(**given: object) -> SimpleNamespace:
    usual = {"layout": "nchw", "channels": "rgb", "range": "0..1", "mean": None, "std": None, "dtype": "float32"}
    return SimpleNamespace(**usual | given)


def small_model(
    image: SimpleNamespace,
    *,
    name: str = "x",
    inner: str = "floats",
    batch: int | str | None = "N",
    opset: int = 17,
    branches: bool = False,
) -> onnx.ModelProto:
    """Two weighted sums of all pixels; with ``branches``, the input is read within an If alone."""
    height, width, _ = SHAPE
    depth = 1 if image.channels == "grey" else 3
    size = height * width * depth
    sides = [depth, height, width] if image.layout == "nchw" else [height, width, depth]
    sides = sides if batch is None else [batch, *sides]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(image.dtype))
    weights = np.random.default_rng(1).normal(size=(size, 2)) / size
    lines = batch if isinstance(batch, int) else -1
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "w"),
        numpy_helper.from_array(np.array([lines, size]), "flat_shape"),
    ]
    nodes, read = [], name
    if branches:
        read = "chosen"
        both = {}
        for branch in ("then_branch", "else_branch"):
            out = helper.make_tensor_value_info(branch, kind, sides)
            both[branch] = helper.make_graph([helper.make_node("Identity", [name], [branch])], branch, [], [out])
        constants.append(numpy_helper.from_array(np.array(True), "yes"))
        nodes.append(helper.make_node("If", ["yes"], [read], **both))
    nodes += [
        helper.make_node("Cast", [read], [inner], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [inner, "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    taken = helper.make_tensor_value_info(name, kind, sides)
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch or 1, 2])
    known = [helper.make_tensor_value_info(inner, TensorProto.FLOAT, sides)]
    body = helper.make_graph(nodes, "small", [taken], [given], constants, value_info=known)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="me")
    helper.set_model_props(model, {"classes": "no,yes"})
    onnx.checker.check_model(model, full_check=True)
    return model


def fed(sent: np.ndarray, image: SimpleNamespace) -> np.ndarray:
    """8-bit images as a model of this form wants them, written out plainly."""
    x = sent / 255.0
    x = x[..., ::-1] if image.channels == "bgr" else x
    x = x @ np.array([[0.299], [0.587], [0.114]]) if image.channels == "grey" else x
    x = {"0..1": x, "0..255": x * 255, "-1..1": x * 2 - 1}[image.range]
    x = x if image.mean is None else (x - image.mean) / image.std
    x = np.floor(x + 0.5) if image.dtype == "uint8" else x
    return (x.transpose(0, 3, 1, 2) if image.layout == "nchw" else x).astype(image.dtype)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (form(), {}),
        (form(layout="nhwc", channels="bgr", range="0..255"), {}),
        (form(range="-1..1"), {}),
        (form(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)), {}),
        (form(layout="nhwc", range="0..255", dtype="uint8"), {}),
        (form(dtype="float16"), {}),
        (form(channels="grey"), {}),
        (form(), {"opset": 11}),
        (form(), {"opset": 21}),
        (form(), {"name": "image"}),
        (form(), {"inner": "image"}),
        (form(), {"branches": True}),
        (form(), {"branches": True, "name": "image"}),
        (form(), {"batch": 3}),
        (form(), {"batch": None}),
        (form(layout="nhwc"), {"batch": None}),
    ],
    ids=str,
)
def test_a_fused_model_answers_unchanged_images_as_it_answered_changed_ones(
    image: SimpleNamespace, options: dict, tmp_path: Path
) -> None:
    plain, fused = tmp_path / "model.onnx", tmp_path / "fused.onnx"
    onnx.save(small_model(image, **options), plain)
    space = make_space("color+dct:4", SHAPE)
    z = np.random.default_rng(0).normal(size=space.size)
    fuse_onnx(space, z, SHAPE, plain, fused, input_format=image)

    single = "batch" in options and options["batch"] is None
    batch = photos(1 if single else 3)
    session = ort.InferenceSession(fused)
    (taken,) = session.get_inputs()
    sides = [1 if single else options.get("batch", "N"), 3, *SHAPE[:2]]
    assert (taken.name, taken.shape, taken.type) == ("image", sides, "tensor(float)")
    (answer,) = session.run(["scores"], {"image": to_floats(batch).transpose(0, 3, 1, 2)})

    sent = fed(to_bytes(space.apply(to_floats(batch), z)), image)
    (wanted,) = ort.InferenceSession(plain).run(None, {options.get("name", "x"): sent[0] if single else sent})
    # Room for a few pixels that fall to the next level; the change itself is well above it, as asserted below.
    np.testing.assert_allclose(answer, wanted, atol=2e-5 * np.abs(sent.astype(float)).max())
    before = fed(batch, image)
    (unchanged,) = ort.InferenceSession(plain).run(None, {options.get("name", "x"): before[0] if single else before})
    assert np.abs(unchanged - wanted).max() > 1e-4 * np.abs(sent.astype(float)).max()
    kept = onnx.load(fused)
    assert {entry.key: entry.value for entry in kept.metadata_props} == {"classes": "no,yes"}
    assert kept.producer_name == "me"


@pytest.mark.parametrize("name", ["age_gender_faceapi", "expression_faceapi", "emotion_mini_xception"])
def test_real_models_fused(name: str, tmp_path: Path) -> None:
    model = SHARED / "models" / f"{name}.onnx"
    if not model.exists():
        pytest.skip(f"{model.name} is not beside this checkout")
    plain = ort.InferenceSession(model)
    side = plain.get_inputs()[0].shape[2]
    shape = (side, side, 3)
    space = make_space("affine+color+dct:8", shape)
    z = np.random.default_rng(0).normal(size=space.size) / 2
    fuse_onnx(space, z, shape, model, tmp_path / "fused.onnx", input_format=form())
    coarse = np.random.default_rng(1).integers(0, 256, (4, side // 8, side // 8, 3))
    batch = to_floats(np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8))
    sent = to_floats(to_bytes(space.apply(batch, z)))
    fused = ort.InferenceSession(tmp_path / "fused.onnx")
    assert [o.name for o in fused.get_outputs()] == [o.name for o in plain.get_outputs()]
    answers = fused.run(None, {"image": batch.transpose(0, 3, 1, 2)})
    for answer, wanted in zip(answers, plain.run(None, {"image": sent.transpose(0, 3, 1, 2)}), strict=True):
        # Single pixels may fall to the next level; ages are numbers up to a hundred.
        np.testing.assert_allclose(answer, wanted, atol=2e-3, rtol=2e-3)


def test_models_that_cannot_be_fused(tmp_path: Path) -> None:
    space, z = make_space("color", SHAPE), np.zeros(6)
    plain, fused = tmp_path / "model.onnx", tmp_path / "fused.onnx"

    def refused(sentence: str, shape: tuple[int, int, int] = SHAPE) -> None:
        with pytest.raises(InputError, match=sentence):
            fuse_onnx(make_space("color", shape), z, shape, plain, fused, input_format=form())
        assert not fused.exists()

    refused("does not exist")
    plain.write_bytes(b"nothing of the kind")
    refused("not an ONNX file")
    onnx.save(small_model(form()), plain)
    refused("takes images of 20x24, the change was learned on 32x32", (32, 32, 3))
    with pytest.raises(InputError, match="has 6 numbers"):
        fuse_onnx(space, z[:5], SHAPE, plain, fused, input_format=form())
    two = small_model(form())
    two.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    onnx.save(two, plain)
    refused("has 2 inputs")
    output = small_model(form())
    output.graph.node[-1].output[0] = output.graph.output[0].name = "image"
    onnx.save(output, plain)
    refused("rename the output")
    onnx.save(small_model(form()), plain)
    fuse_onnx(space, z, SHAPE, plain, fused, input_format=form())
    with pytest.raises(InputError, match="already contains a change"):
        fuse_onnx(space, z, SHAPE, fused, tmp_path / "twice.onnx", input_format=form())


@pytest.mark.parametrize(
    ("spec", "epsilon", "sentence"),
    [
        ("dct", None, "from 1 to 20"),
        ("dct:²", None, "from 1 to 20"),
        ("dct:" + "9" * 5000, None, "from 1 to 20"),
        ("dct:0", None, "from 1 to 20"),
        ("dct:21", None, "from 1 to 20"),
        ("grid:x", None, "from 1 to 20"),
        ("affine:3", None, "takes no number"),
        ("color:3", None, "takes no number"),
        ("pixel:3", None, "takes no number"),
        ("affine+", None, "empty part"),
        ("", None, "empty part"),
        ("affine+affine", None, "twice"),
        ("affine+affine:", None, "twice"),
        ("dct:4+color+dct:8", None, "twice"),
        ("afine", None, "did you mean 'affine'"),
        ("pixel", 0.001, "below one 8-bit level"),
        ("pixel", 1.5, "outside"),
        ("pixel", 0.0, "outside"),
        ("pixel", float("nan"), "outside"),
    ],
)
def test_specs_that_cannot_be(spec: str, epsilon: float | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_space(spec, SHAPE, epsilon=epsilon)
