"""Finding a model's input form on a small model and images: wrong orders, turns, queries, what is kept."""

import json
import re
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
from blackbox_dft.run.find_input import find_input
from blackbox_dft.targets import make_target
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions
from tests.conftest import Bbdft
from tests.helpers.colours import CLASSES, SIDE, write_colours
from tests.helpers.images import save
from tests.helpers.recording_server import RecordingServer, Reply, decoded


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours"))


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


def test_digits_that_are_inverted_turned_or_mirrored_are_found(tmp_path: Path) -> None:
    digits = OnnxTarget(assets() / "digits.onnx", TargetOptions(provider="cpu"))
    form = Form(digits.input_format)
    rows = (assets() / "labels.csv").read_text().splitlines()
    head, chosen = rows[0], rows[1::3]
    changes = {"inverted": {"inverted": True}, "turned": {"turn": 90}, "mirrored": {"mirrored": True}}
    for name, change in ((name, replace(form, **values)) for name, values in changes.items()):  # type: ignore[arg-type]
        for row in chosen:
            file = row.split(",")[0]
            save(tmp_path / name / file, change.pixels(read_image(assets() / file), (32, 32)))
        (tmp_path / name / "labels.csv").write_text("\n".join([head, *chosen]) + "\n")
    inverted = find_input(digits, str(tmp_path / "inverted/labels.csv"))
    assert inverted.form.inverted
    assert "images have to be inverted before" in inverted.sentence
    turned = find_input(digits, str(tmp_path / "turned/labels.csv"))
    assert turned.form.turn == 270
    mirrored = find_input(digits, str(tmp_path / "mirrored/labels.csv"))
    assert mirrored.form.mirrored
    assert not mirrored.form.turn


def test_grey_images_show_no_order_and_values_alone_are_not_called_what_a_model_wants() -> None:
    # These digits are faint: other values of pixels mend that, and the model was trained with 0..1.
    digits = OnnxTarget(assets() / "digits.onnx", TargetOptions(provider="cpu"))
    found = find_input(digits, str(assets() / "labels.csv"))
    assert found.race.found
    assert found.sentence.startswith("on these images, this model does better with RGB, ")
    assert any("faint, dark or bright images" in line for line in found.lines())
    assert not any(row["form"].startswith("BGR") for row in found.to_json()["hypotheses"])


def test_one_image_is_not_enough(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"file,label\n{(colours / '0.png').as_posix()},red\n")
    with pytest.raises(InputError, match="one image only"):
        find_input(target(colours), str(tmp_path / "one.csv"))


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 12 shades of grey, and a model that names them in the order of their labels as text."""
    folder = tmp_path_factory.mktemp("shades")
    names = sorted(map(str, range(12)))
    # The nearest of 12 levels: the largest of 2 m c - c ** 2, for a mean m and levels c.
    levels = np.array([(int(name) + 0.5) / 12 for name in names], np.float32)
    columns = np.repeat(levels[None] * 2 / 3, 3, axis=0) * 400
    weights = [numpy_helper.from_array(columns, "w"), numpy_helper.from_array(-400 * levels**2, "b")]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "w", "b"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 12])
    graph = helper.make_graph(nodes, "shade", [image], [logits], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    rng = np.random.default_rng(0)
    lines = ["file,label"]
    for number in range(240):
        level = (number % 12 + 0.5) / 12 + rng.normal(0, 0.01)
        pixels = (255 * level + rng.normal(0, 3, (SIDE, SIDE, 3))).clip(0, 255)
        save(folder / f"{number}.png", pixels.astype(np.uint8))
        lines.append(f"{number}.png,{number % 12}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


AS_TEXT = "0,1,10,11,2,3,4,5,6,7,8,9"


def test_labels_that_were_sorted_as_text_are_named(shades: Path) -> None:
    found = find_input(target(shades), str(shades / "labels.csv"))
    assert found.order
    assert found.order.name == "sorted as text"
    assert found.options == ["--model-classes", AS_TEXT]
    lines = found.lines()
    assert any(
        "outputs are in the order of its labels sorted as text (0, 1, 10, 11, ...): 0.1" in line for line in lines
    )
    assert any(re.search("images of ([2-9] are answered with output [4-9]|10 .* output 2)", line) for line in lines)
    assert lines[-1] == f"give: --model-classes {AS_TEXT}"
    document = found.to_json()
    assert document["labels"]["accuracy"]["after"] > 0.9 > 0.3 > document["labels"]["accuracy"]["before"]
    again = find_input(target(shades, classes=tuple(AS_TEXT.split(","))), str(shades / "labels.csv"))
    assert (again.order, again.options) == (None, [])


def test_names_in_the_order_of_numbers_of_a_model_in_that_of_text(shades: Path) -> None:
    found = find_input(target(shades, classes=tuple(map(str, range(12)))), str(shades / "labels.csv"))
    assert found.options == ["--model-classes", AS_TEXT]


def test_a_wrong_form_and_a_wrong_order_are_found_together(shades: Path) -> None:
    found = find_input(target(shades, range="-1..1"), str(shades / "labels.csv"), budget=1000)
    assert found.form.format
    assert found.form.format.range == "0..1"
    assert found.options[-2:] == ["--model-classes", AS_TEXT]


def test_a_function_is_asked_for_fit_size_and_encoding(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cropping.py").write_text(
        "import numpy as np\n"
        "def score(images):\n"
        "    means = images.astype(np.float32).mean(axis=(1, 2)) / 255\n"
        "    return np.hstack([60 * means, np.full((len(images), 1), 24, np.float32)])\n"
        f"score.classes = {CLASSES!r}\nscore.image_size = (8, 8)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    function = make_target("cropping:score", TargetOptions())
    found = find_input(function, str(colours / "labels.csv"))
    assert found.form.fitting.fit.startswith("crop")
    assert found.options[0] == "--fit"
    assert not any(form["form"].startswith(("BGR", "RGB")) for form in found.to_json()["hypotheses"])


def test_the_fit_of_a_service_is_found_and_an_interruption_costs_nothing(
    colours: Path, tmp_path: Path, bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    server, answered = RecordingServer(), 0

    def respond(body: bytes) -> Any:
        nonlocal answered
        if answered == 70:
            answered += 1
            return Reply(400, {"error": "out of order"})
        answered += 1
        image = decoded(json.loads(body)["image"]).astype(float) / 255
        means = [*image.mean(axis=(0, 1)), 0.4]
        scores = np.exp(60 * np.array(means)) / np.exp(60 * np.array(means)).sum()
        return {
            "predictions": [{"label": name, "score": float(score)} for name, score in zip(CLASSES, scores, strict=True)]
        }

    server.respond = respond
    words = ["inspect", server.url, "--profile", "image-json", "--model-classes", ",".join(CLASSES)]
    words += ["--data", str(colours / "labels.csv"), "--find-input", "--budget", "300", "--concurrency", "1"]
    refused = bbdft(*words, "--price", "0.01", "--confirm-above", "100", code=2, fresh=True)
    assert "up to 300 images would be sent" in refused.stderr
    assert server.requests == []
    failed = bbdft(*words, "--yes", code=4, fresh=True)
    assert "out of order" in failed.stderr
    again = bbdft(*words, "--yes", "--json", code=0, fresh=True)
    assert "images were scored before an interruption" in again.stderr
    found = json.loads(again.stdout)["input"]
    assert found["fit"].startswith("crop")
    assert (found["order"], found["range"]) == (None, None)
    assert "--fit" in found["options"]
    assert "--size" in found["options"]
    # The request that failed was sent, and counts nowhere.
    assert len(server.requests) - 1 == found["queries"] <= 300
    assert list((tmp_path / "cache/find-input").iterdir()) == []
    server.server.shutdown()
