"""Several views in one ONNX file: its label probabilities are those of ``Tuning.decide`` on the scores of the views."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from blackbox_dft import TargetOptions, Tuning, make_target
from blackbox_dft.fusion.export import export_onnx, fuse_onnx
from blackbox_dft.fusion.label_output import LabelOutput
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import OutputMap
from tests.helpers.models import SHAPE, form, photos, small_model


def tuning_of(views: int, classes: int) -> Tuning:
    rng = np.random.default_rng(0)
    z = rng.normal(size=10) / 2
    plain = Tuning("affine+color", z, SHAPE, labels=("a", "b"), scores="logits")
    rows = [
        plain.view_space.view(z, mirror=mirror, move=np.array([zoom, 0, 0, 0]))
        for mirror, zoom in ((False, 0.0), (True, 0.0), (True, 1.0))
    ]
    matrix = np.eye(2)[np.arange(classes) % 2]
    each = OutputMap(matrix, "linear", 0.2, rng.normal(size=2), rng.normal(size=(2, classes)), 1.5)
    if views == 1:
        return Tuning("affine+color", z, SHAPE, labels=("a", "b"), scores="logits", output_map=each)
    joint = OutputMap(
        np.tile(np.eye(2), (views, 1)), "linear", -0.1, rng.normal(size=2), rng.normal(size=(2, 2 * views)), 2.0
    )
    found = JoinedMap(each, joint)
    return Tuning(
        "affine+color", z, SHAPE, labels=("a", "b"), scores="logits", output_map=found, views=np.stack(rows[:views])
    )


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("options", [{}, {"branches": True}, {"batch": 3}, {"name": "image"}], ids=str)
def test_the_labels_of_a_fused_file_are_those_of_decide(views: int, options: dict[str, Any], tmp_path: Path) -> None:
    model, change, fused = (tmp_path / f"{name}.onnx" for name in ("model", "change", "fused"))
    onnx.save(small_model(form(), **options), model)
    with make_target(str(model), TargetOptions(provider="cpu")) as target:
        classes = target.scores(photos(3)).shape[1]
        tuning, image_format = tuning_of(views, classes), target.input_format
    space, rows = tuning.make_space(), tuning.views if views > 1 else None
    labels = LabelOutput("scores", "logits", tuning.output_map, tuning.labels)
    fuse_onnx(space, tuning.z, SHAPE, model, fused, input_format=image_format, labels=labels, views=rows)
    export_onnx(space, tuning.z, SHAPE, change, views=rows)

    images = to_floats(photos(3)).transpose(0, 3, 1, 2)
    changed = ort.InferenceSession(change).run(None, {"image": images})
    plain = ort.InferenceSession(model)
    raw = [plain.run(["scores"], {options.get("name", "x"): one})[0] for one in changed]
    session = ort.InferenceSession(fused)
    scores, found = session.run(["scores", "labels"], {"image": images})
    np.testing.assert_allclose(found, tuning.decide(raw if views > 1 else raw[0]), atol=1e-5)
    np.testing.assert_allclose(scores, raw[0], rtol=1e-5, atol=1e-6)
    # One set of weights, and constants of each change.
    shared = sum(np.prod(tensor.dims) for tensor in onnx.load(model).graph.initializer)
    assert sum(np.prod(tensor.dims) for tensor in onnx.load(fused).graph.initializer) < 1.9 * shared + 50_000

    # The views of the file are those of the arrays, up to a level where a value is just between two.
    sent = tuning.each_view(photos(3)) / 255
    for number, one in enumerate(changed):
        assert np.abs(one.transpose(0, 2, 3, 1) - sent[:, number]).max() <= 1 / 255 + 1e-6
