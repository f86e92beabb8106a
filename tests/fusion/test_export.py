"""Exported changes and fused models score as the space and the model do."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.fusion.export import export_onnx, fuse_onnx
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed
from tests.helpers.models import SHAPE, form, photos, small_model
from tests.helpers.spaces import SPECS

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_exported_graph_equals_the_space(spec: str, seed: int, tmp_path: Path) -> None:
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


def test_exports_of_many_coordinates_stay_small(tmp_path: Path) -> None:
    space = make_space("dct:64", (64, 64, 3))
    export_onnx(space, space.initial() + 0.01, (64, 64, 3), tmp_path / "change.onnx")
    assert (tmp_path / "change.onnx").stat().st_size < 1_000_000
    with pytest.raises(InputError, match="has 12288 numbers"):
        export_onnx(space, np.zeros(3), (64, 64, 3), tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


class Plain(Space):
    """A space of another package that has no graph."""

    spec, size, names = "plain", 1, ("a",)
    lower, upper = np.array([-1.0]), np.array([1.0])

    def initial(self) -> np.ndarray:
        return np.zeros(1)

    def apply(self, images: np.ndarray, z: np.ndarray) -> np.ndarray:
        return images.copy()


class Other:
    """The same, not a subclass of the Protocol."""

    spec, size, names = Plain.spec, Plain.size, Plain.names
    lower, upper, initial, apply = Plain.lower, Plain.upper, Plain.initial, Plain.apply


@pytest.mark.parametrize("kind", [Plain, Other])
@pytest.mark.parametrize("with_others", [False, True])
def test_a_space_without_a_graph_says_so(kind: type, with_others: bool, tmp_path: Path) -> None:
    space = Composed((kind(), make_space("color", SHAPE))) if with_others else kind()
    with pytest.raises(InputError, match=r"the space plain cannot be written as ONNX nodes.*no method 'graph'"):
        export_onnx(space, np.zeros(space.size), SHAPE, tmp_path / "change.onnx")
    assert not (tmp_path / "change.onnx").exists()


def test_the_metadata_of_a_fused_file_describes_its_own_input(tmp_path: Path) -> None:
    model = small_model(form(channels="bgr", range="0..255"))
    for key, value in {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5], "image_std": [0.5]}')
    space = make_space("color", SHAPE)
    target = make_target(str(tmp_path / "model.onnx"), TargetOptions(provider="cpu"))
    given = {"input_format": target.input_format}
    fuse_onnx(space, space.initial(), SHAPE, tmp_path / "model.onnx", tmp_path / "fused.onnx", **given)
    fused = make_target(str(tmp_path / "fused.onnx"), TargetOptions(provider="cpu"))
    np.testing.assert_allclose(fused.scores(photos(3)), target.scores(photos(3)), rtol=1e-3, atol=1e-3)


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
def test_a_fused_model_scores_unchanged_images_as_the_model_scores_changed_ones(
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
    assert {entry.key: entry.value for entry in kept.metadata_props} == {
        "classes": "no,yes",
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.NominalPixelRange": "Normalized_0_1",
    }
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


def test_unsuitable_models_are_refused(tmp_path: Path) -> None:
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
