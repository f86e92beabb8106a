"""Known scores of unchanged images: they are free, a few are checked, and what does not fit is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft import Config
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.known import CHECKED, read_known
from blackbox_dft.run.runner import optimize, resume


def config(tiny: Path, **options: Any) -> Config:
    options = {"space": "color", "evaluate": "enough", "budget": 500} | options
    return Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), **options)


@pytest.fixture
def known(tiny: Path, tmp_path: Path) -> Path:
    """Scores of all unchanged images to four digits, as a log would hold them."""
    opened = Experiment(config(tiny))
    scores = opened.target.scores(opened.data.images)
    assert opened.target.classes
    lines = [f"{file},{','.join(f'{x:.4f}' for x in row)}" for file, row in zip(opened.data.files, scores, strict=True)]
    path = tmp_path / "known.csv"
    path.write_text("\n".join([f"file,{','.join(opened.target.classes)}", *lines]) + "\n")
    return path


def test_known_scores_cost_nothing_but_the_few_that_are_checked(tiny: Path, known: Path, tmp_path: Path) -> None:
    paid = optimize(config(tiny), tmp_path / "paid").summary
    free = optimize(config(tiny, known=str(known)), tmp_path / "free").summary
    assert free.verdict == paid.verdict == "improved"
    assert free.queries.select == 0
    assert free.queries.watch == CHECKED
    assert free.queries.evaluate <= free.proof.n
    queries = free.queries
    assert queries.total == queries.tune + queries.select + queries.evaluate + queries.watch < paid.queries.total
    # Rounded to four digits, they decide as the target does.
    assert free.accuracy["test"].before == pytest.approx(paid.accuracy["test"].before, abs=0.1)


def test_they_count_in_a_run_that_scores_all_test_images_too(tiny: Path, known: Path, tmp_path: Path) -> None:
    found = optimize(config(tiny, known=str(known), evaluate="all", budget=700), tmp_path / "run").summary
    assert found.queries.evaluate == 80
    assert found.queries.total <= 700
    assert found.accuracy["test"].n == 80


def test_a_resumed_run_pays_for_nothing_again(tiny: Path, known: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = optimize(config(tiny, known=str(known)), run).summary
    (run / "summary.json").unlink()
    again = resume(run).summary
    assert again.queries == first.queries
    assert again.accuracy == first.accuracy
    assert json.loads((run / "config.json").read_text())["config"]["known"] == str(known)


def test_scores_that_no_longer_hold_stop_the_run_and_say_what_differs(tiny: Path, known: Path, tmp_path: Path) -> None:
    head, *lines = known.read_text().splitlines()
    swapped = [",".join((line.split(",")[0], *reversed(line.split(",")[1:]))) for line in lines]
    known.write_text("\n".join([head, *swapped]) + "\n")
    with pytest.raises(TargetError, match=r"no longer holds: images/.*png has 0\.\d+ for (dark|bright) there"):
        optimize(config(tiny, known=str(known)), tmp_path / "run")


def test_the_decision_and_its_score_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "console.csv"
    path.write_text("Image,Prediction,Confidence\na/1.png,Bright,87.5 %\n2.png,dark,0.75\n9.png,dark,0.5\n")
    found = read_known(str(path), ["a/1.png", "b/2.png"], ["dark", "bright"])
    assert found.images.tolist() == [0, 1]
    np.testing.assert_allclose(found.scores, [[0, 0.875], [0.75, 0]])
    assert found.decisions


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,dark\n1.png,0.5\n", "has no column for bright"),
        ("file,dark,bright\n1.png,0.5,high\n", "line 2: 'high' is no number"),
        ("file,dark,bright\n1.png,0.5,nan\n", "line 2: 'nan' is no score"),
        ("file,dark,bright\n7.png,0.5,0.5\n", "none of its files (7.png) is among the data's"),
        ("file,label,score\n1.png,grey,0.5\n", "line 2: 'grey' is none of the target's classes"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_known(str(path), ["1.png", "2.png"], ["dark", "bright"])
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_unknown_classes_and_repeats_are_refused(tiny: Path, known: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_known(str(tmp_path / "nowhere.csv"), [], ["a"])
    with pytest.raises(InputError, match="name them with --model-classes"):
        read_known(str(known), [], None)
    with pytest.raises(InputError, match="leave one of them out"):
        optimize(config(tiny, known=str(known), repeats=2, budget=900), tmp_path / "run")
    assert not (tmp_path / "run").exists()
