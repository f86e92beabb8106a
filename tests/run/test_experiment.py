"""Values that make no experiment are refused, with what to give instead."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft import Config, InputError, Tuning
from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import SupportsDelayedTell
from blackbox_dft.images.files import read_image, resize
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.fingerprint import changed, fingerprint


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"distance_weight": 1, "space": "color"}, "--distance-weight needs an additive space, and color is not one"),
        ({"estimator": "cma-es", "in_flight": 2}, "--estimator cma-es needs the losses of a proposal before the next"),
        ({"path": "fused", "encoding": "jpeg:90"}, "--path fused is impossible here"),
    ],
)
def test_values_that_cannot_be_are_refused(options: dict[str, Any], sentence: str, tiny: Path) -> None:
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), **{"space": "affine", **options})

    def open_all() -> None:
        experiment = Experiment(config)
        _ = experiment.estimator(), experiment.path

    with pytest.raises(InputError, match=sentence):
        open_all()


def test_only_a_start_that_is_raced_proposes_long_steps(tiny: Path) -> None:
    def first(**options: Any) -> Floats:
        here = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), **options))
        assert here.proposal == 16  # What the budget needs does not depend on the race.
        assert isinstance(here.estimator(), SupportsDelayedTell)
        return here.estimator().ask().candidates

    np.testing.assert_array_equal(first(space="color+affine")[:, 6], [0, 3.5, -3.5])
    assert len(first(space="color+affine", start="identity")) == len(first(space="color")) == 16


def test_a_search_may_begin_where_another_run_ended(tiny: Path, tmp_path: Path) -> None:
    z = np.array([0.5, 0.25, 0, 0, 0, -1])
    Tuning("color", z, (16, 16, 3)).save(tmp_path / "tuning.npz")

    def opened(start: str, space: str = "color") -> Experiment:
        return Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space=space, start=start))

    found = opened(str(tmp_path))
    np.testing.assert_array_equal(found.estimator().ask().candidates, [0 * z, z, -z])
    # The numbers are part of the run from now on.
    assert found.config.start == "0.5,0.25,0,0,0,-1"
    np.testing.assert_array_equal(opened(found.config.start).estimator().ask().candidates[1], z)
    with pytest.raises(InputError, match=r"was learned in the space color, and this run has affine\+color"):
        opened(str(tmp_path), "affine+color")
    with pytest.raises(InputError, match=r"--start nowhere: there is no such run: give raced, identity, or the folder"):
        opened("nowhere")
    with pytest.raises(InputError, match=r"--start holds 6 numbers, and the space dct:2"):
        opened(found.config.start, "dct:2").estimator()


def test_auto_has_contrast_too_if_images_are_dark_or_flat(tiny: Path, tmp_path: Path) -> None:
    # Those of the test set have one tone each, and noise.
    flat = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"))
    here = Experiment(flat)
    assert here.space.spec == "affine+contrast+color+dct:8"
    assert "dark or flat" in here.space_notes[0]
    # Zooms are raced first, then the whole stretch.
    assert [np.flatnonzero(step).tolist() for step in here.space.long_steps()] == [[0], [4]]  # type: ignore[attr-defined]
    for other in (replace(flat, flat="keep"), replace(flat, space="affine+color+dct:8")):
        kept = Experiment(other)
        assert (kept.space.spec, kept.space_notes) == ("affine+color+dct:8", [])
    images = np.array(here.data.images)
    images[:, :8] //= 8
    wide = Experiment(flat, data=replace(here.data, images=images))
    assert (wide.space.spec, wide.space_notes) == ("affine+color+dct:8", [])
    # Runs of versions that knew no such thing go on as they began.
    assert changed(fingerprint(replace(flat, flat="keep")), {"flat": "stretch"}) is not None
    assert changed({}, {"flat": "keep"}) is None


def test_the_border_of_auto_is_what_the_images_end_with(tiny: Path) -> None:
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), flat="keep")
    here = Experiment(config)
    assert (here.space.spec, here.space_notes) == ("affine+color+dct:8", [])
    for tone, border in ((0, "black"), (255, "white")):
        images = np.array(here.data.images)
        images[:, [0, -1]] = images[:, :, [0, -1]] = tone
        framed = replace(here.data, images=images)
        found = Experiment(config, data=framed)
        assert found.space.spec == f"affine:{border}+color+dct:8"
        assert f"the images end {border}" in found.space_notes[0]
        # Who names a border gets it; a comparison's other spaces are as they are written.
        assert Experiment(replace(config, space="auto:edge"), data=framed).space.spec == "affine+color+dct:8"
        other = Experiment(replace(config, space="affine"), data=framed)
        assert other.space.spec == "affine"
        assert other.varied(space="auto", estimator="auto", seed=0, budget=1000).space.spec == found.space.spec


def test_a_local_model_is_not_watched_and_may_count_images_in_doubt(tiny: Path) -> None:
    experiment = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color", in_doubt="count"))
    assert not experiment.watched
    assert experiment.counts_in_doubt
    # An eighth of the budget is kept back.
    assert (experiment.plan.reserve, experiment.plan.watch) == (2500, 0)


def test_images_and_tuning_are_fitted_as_the_options_say(tiny: Path) -> None:
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), fit="crop:.5", filter="bicubic")
    experiment = Experiment(config)
    centre = read_image(tiny / "images/000.png")[4:12, 4:12]
    number = experiment.data.files.index("images/000.png")
    np.testing.assert_array_equal(experiment.data.images[number], resize(centre, (16, 16), "bicubic"))
    assert experiment.tuning(experiment.space.initial()).fitting == Fitting("crop:.5", "bicubic")
    kept = fingerprint(config)
    assert (kept["fit"], kept["filter"]) == ("crop:0.5", "bicubic")
    before = {key: value for key, value in fingerprint(Config("", "")).items() if key not in ("fit", "filter")}
    assert changed(before, fingerprint(Config("", ""))) is None
    assert changed(before, fingerprint(Config("", "", fit="pad"))) is not None
