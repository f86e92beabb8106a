"""Which parts of a space an evaluation leaves at work, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config, InputError, evaluate, open_evaluation, open_prediction, optimize
from blackbox_dft.images.files import read_image
from blackbox_dft.run.evaluate import evaluate_parts, part_choices
from blackbox_dft.spaces import make_space
from tests.helpers.images import save


def test_each_part_alone_and_all_but_each() -> None:
    assert part_choices(make_space("color", (8, 8, 3))) == []
    # Of two parts, one alone is all but the other.
    assert part_choices(make_space("affine+color", (8, 8, 3))) == [("affine alone", (0,)), ("color alone", (1,))]
    assert part_choices(make_space("affine+color+dct:2", (8, 8, 3))) == [
        ("affine alone", (0,)), ("color alone", (1,)), ("dct:2 alone", (2,)),
        ("all but affine", (1, 2)), ("all but color", (0, 2)), ("all but dct:2", (0, 1)),
    ]  # fmt: skip


def test_a_run_is_evaluated_on_a_split_of_its_own_data(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    evaluation = open_evaluation("run", split="val")
    result = evaluate(evaluation)
    images = len(evaluation.indices)
    assert evaluation.queries == 2 * images == result.queries.total
    assert result.accuracy["val"].n == images
    assert list(result.to_json()) == [
        "run", "target", "data", "split", "queries", "accuracy", "threshold", "mcnemar_p", "verdict",
        "no_score", "scored", "metric",
    ]  # fmt: skip
    with pytest.raises(InputError, match="has one part only: leave out --parts"):
        evaluate_parts(evaluation)
    with pytest.raises(InputError, match="has no split 'tests': it has train, val, test"):
        open_evaluation("run", split="tests")


def test_other_data_may_lack_splits_and_labels(copied: Path) -> None:
    rows = (copied / "labels.csv").read_text().splitlines()
    dark = [row.replace(",dark", ",Dark") for row in rows if row.endswith("dark")]
    (copied / "few.csv").write_text("\n".join(["file,label", *dark[:3]]))
    result = evaluate(open_evaluation(copied / "run", str(copied / "few.csv")))
    assert result.accuracy["all"].n == 3
    # All of them are too dark to be called bright before.
    assert result.accuracy["all"].before == 1
    (copied / "test.csv").write_text("\n".join(["file,label,split", *(f"{row},test" for row in dark[:5])]))
    assert open_evaluation(copied / "run", str(copied / "test.csv"), "test").queries == 10
    with pytest.raises(InputError, match=r"test\.csv has no image in split 'train': give --split all, or none"):
        open_evaluation(copied / "run", str(copied / "test.csv"), "train")
    (copied / "few.csv").write_text("\n".join(["file,label", *dark[:3], rows[2].replace("bright", "shiny")]))
    with pytest.raises(InputError, match="the label 'shiny' is none of bright, dark: correct or drop it"):
        open_evaluation(copied / "run", str(copied / "few.csv"))


def test_other_images_do_not_decide_what_auto_stands_for(tiny: Path, tmp_path: Path) -> None:
    # The run's own are flat, so that its space has contrast; the others are not.
    optimize(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), budget=1000), tmp_path / "run")
    for number in range(4):
        image = np.array(read_image(tiny / f"images/00{number}.png"))
        image[::2] //= 4
        save(tmp_path / f"{number}.png", image)
    rows = [f"{number}.png,{('dark', 'bright')[number % 2]}" for number in range(4)]
    (tmp_path / "wide.csv").write_text("\n".join(["file,label", *rows]))
    result = evaluate(open_evaluation(tmp_path / "run", str(tmp_path / "wide.csv")))
    assert result.accuracy["all"].n == 4
    prediction = open_prediction(tmp_path / "run", [str(tmp_path / "0.png")])
    assert prediction.experiment.space.spec == "affine+contrast+color+dct:8"
