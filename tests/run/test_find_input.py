"""Finding a model's input form on a small model and images: wrong orders, turns, queries, what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from blackbox_dft.demo import assets
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import read_image
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.find_input import find_input
from blackbox_dft.targets import make_target
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions
from tests.helpers.images import save

CLASSES = ("red", "green", "blue", "dark")
SIDE = 8


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that names the brightest channel of the image's middle, or dark, and wide images of 120 colours."""
    folder = tmp_path_factory.mktemp("colours")
    columns = np.hstack([60 * np.eye(3), np.zeros((3, 1))]).astype(np.float32)
    weights = [
        numpy_helper.from_array(columns, "w"),
        numpy_helper.from_array(np.array([0, 0, 0, 24], np.float32), "b"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["colour"], axis=-1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    colour = helper.make_tensor_value_info("colour", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "colour", [image], [colour], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"classes": ",".join(CLASSES)})
    onnx.save(model, folder / "model.onnx")
    rng = np.random.default_rng(0)
    lines = ["file,label"]
    for number in range(160):
        kind = number % 4
        pixels = rng.uniform(0.2, 0.35, (10, 20, 3))
        # What is beside the middle has another colour: it has to be cropped.
        pixels[..., rng.integers(3)] += 0.2
        pixels[:, 5:15] = rng.uniform(0.2, 0.35, (10, 10, 3))
        if kind < 3:
            pixels[:, 5:15, kind] += rng.uniform(0.2, 0.3)
        save(folder / f"{number}.png", (255 * pixels).astype(np.uint8))
        lines.append(f"{number}.png,{CLASSES[kind]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def target(folder: Path, **options: Any) -> OnnxTarget:
    return OnnxTarget(folder / "model.onnx", TargetOptions(provider="cpu", **options))


def test_order_and_crop_are_found_and_what_is_right_is_kept(colours: Path) -> None:
    found = find_input(target(colours, channels="bgr"), str(colours / "labels.csv"))
    assert found.form.format.channels == "rgb"
    assert found.form.fitting.fit.startswith("crop")
    assert found.options[:2] == ["--channel-order", "rgb"]
    assert found.sentence.startswith("this model wants RGB, ")
    document = found.to_json()
    assert document["accuracy"]["after"] > document["accuracy"]["before"] + 0.2
    assert document["ci95"][0] <= document["accuracy"]["after"] - document["accuracy"]["before"] <= document["ci95"][1]
    assert document["queries"] == found.queries <= 600
    again = find_input(target(colours), str(colours / "labels.csv"), fitting=found.form.fitting)
    assert not again.race.found
    assert again.options == []
    assert "nothing is better than what the model is given, RGB, 0..1" in again.sentence


class Counting(OnnxTarget):
    """Counts images, those of all formats together."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, TargetOptions(provider="cpu", channels="bgr"))
        self.seen: list[int] = []

    def scores(self, images: Any) -> Any:
        self.seen.append(len(images))
        return super().scores(images)


def test_queries_are_the_images_that_the_model_scored_and_the_same_seed_repeats(colours: Path) -> None:
    counting = Counting(colours / "model.onnx")
    found = find_input(counting, str(colours / "labels.csv"), budget=150)
    assert found.queries == sum(counting.seen) <= 150
    recorded: dict[bytes, Any] = {}
    for _ in range(2):
        counting.seen.clear()
        again = find_input(counting, str(colours / "labels.csv"), budget=150, recorded=recorded)
        # Scores that are known are not computed again, but the result is the same.
        assert again.to_json() == found.to_json()
    assert counting.seen == []


def test_digits_that_are_inverted_or_turned_are_found(tmp_path: Path) -> None:
    digits = OnnxTarget(assets() / "digits.onnx", TargetOptions(provider="cpu"))
    form = Form(digits.input_format)
    rows = (assets() / "labels.csv").read_text().splitlines()
    head, chosen = rows[0], rows[1::3]
    for name, change in (("inverted", replace(form, inverted=True)), ("turned", replace(form, turn=90))):
        for row in chosen:
            file = row.split(",")[0]
            save(tmp_path / name / file, change.pixels(read_image(assets() / file), (32, 32)))
        (tmp_path / name / "labels.csv").write_text("\n".join([head, *chosen]) + "\n")
    inverted = find_input(digits, str(tmp_path / "inverted/labels.csv"))
    assert inverted.form.inverted
    assert "images have to be inverted before" in inverted.sentence
    turned = find_input(digits, str(tmp_path / "turned/labels.csv"))
    assert turned.form.turn == 270


def test_errors_say_what_to_give(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scorer.py").write_text("def score(images):\n    return images.mean(axis=(1, 2))\n")
    (tmp_path / "one.csv").write_text(f"file,label\n{(colours / '0.png').as_posix()},red\n")
    with pytest.raises(InputError, match="one image only"):
        find_input(target(colours), str(tmp_path / "one.csv"))
    monkeypatch.syspath_prepend(tmp_path)
    function = make_target("scorer:score", TargetOptions())
    with pytest.raises(InputError, match="takes an ONNX file"):
        find_input(function, str(colours / "labels.csv"), fitting=Fitting("pad"))
