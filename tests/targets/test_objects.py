"""Targets given as objects: functions, sessions, targets; what a run's record calls them."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.targets.objects import target_again, target_of
from tests.helpers.tone_arrays import Bright, bright, model_bytes, tone_arrays

IMAGES = tone_arrays(5)[0]


def session(model: bytes | Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def test_a_function_of_a_module_has_a_name_to_import() -> None:
    found = target_of(bright)
    assert found.name == "tests.helpers.tone_arrays:bright"
    assert found.target.fingerprint == make_target(found.name).fingerprint
    assert np.allclose(found.target.scores(IMAGES), bright(IMAGES))


def test_other_functions_are_named_as_objects() -> None:
    assert target_of(Bright()).name == "<callable Bright>"
    assert target_of(lambda images: images.mean(axis=(1, 2, 3))).name == "<callable lambda>"
    assert target_of(Bright().__call__).name == "<callable __call__>"


def test_a_functions_fingerprint_is_its_source_or_what_it_says() -> None:
    class Model:
        def __call__(self, images: np.ndarray) -> np.ndarray:
            return images.mean(axis=(1, 2, 3))

    class Other(Model):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            return images.max(axis=(1, 2, 3))

    Other.__name__ = Model.__name__
    one, other = Model(), Model()
    assert target_of(one).target.fingerprint == target_of(other).target.fingerprint
    assert target_of(one).target.fingerprint != target_of(Other()).target.fingerprint
    other.fingerprint = "version 2"  # type: ignore[attr-defined]
    assert target_of(one).target.fingerprint != target_of(other).target.fingerprint


def test_options_say_what_a_function_does_not() -> None:
    options = TargetOptions(classes=("dark", "bright"), size=(8, 8), batch=3, workers=2)
    target = target_of(Bright(), options).target
    assert (target.classes, target.image_size, target.batch, target.workers) == (("dark", "bright"), (8, 8), 3, 2)


def test_a_session_stands_for_its_file_and_provider(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_bytes())
    found = target_of(session(tmp_path / "model.onnx"))
    assert (found.name, found.options.provider) == (str(tmp_path / "model.onnx"), "cpu")
    assert found.target.fingerprint == make_target(found.name).fingerprint
    (tmp_path / "model.onnx").rename(tmp_path / "other.onnx")
    gone = session(tmp_path / "other.onnx")
    (tmp_path / "other.onnx").unlink()
    with pytest.raises(InputError, match=r"other\.onnx, is gone"):
        target_of(gone)


def test_a_session_of_bytes_needs_no_file() -> None:
    found = target_of(session(model_bytes()))
    assert found.name == "<onnxruntime session>"
    assert np.allclose(found.target.scores(IMAGES), bright(IMAGES), atol=1e-3)
    assert found.target.fingerprint == target_of(session(model_bytes())).target.fingerprint


def test_a_target_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_bytes())
    made = make_target(tmp_path / "model.onnx", TargetOptions(channels="bgr"))
    found = target_of(made)
    assert found.target is made
    assert (found.name, found.options.channels) == (str(tmp_path / "model.onnx"), "bgr")
    assert make_target(found.name, found.options).fingerprint == made.fingerprint
    with pytest.raises(InputError, match="is a target already: give its options to make_target"):
        target_of(made, TargetOptions(batch=2))
    assert target_again(made, TargetOptions(batch=2)) is made


def test_a_torch_module_is_given_as_a_function_around_it() -> None:
    class Module:
        def __call__(self, images: object) -> object: ...
        def state_dict(self) -> None: ...
        def parameters(self) -> None: ...

    with pytest.raises(InputError, match="a torch module takes tensors: give a function around it"):
        target_of(Module())


def test_other_objects_are_refused() -> None:
    with pytest.raises(InputError, match="int is no target: give a path, a URL, module:function, a function"):
        make_target(3)
