"""Input forms: their pixels, their names, and that the options they give make the same format."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest

from blackbox_dft.cli.common_options import options, take
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.config import Config
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.input_forms import (
    VALUES,
    Form,
    changed_forms,
    filter_forms,
    fit_forms,
    near_fit_forms,
    value_forms,
    with_values,
)
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions
from tests.helpers import mean_model

PLAIN = InputFormat("nchw", "rgb", "0..1", None, None, "float32", (8, 8), None)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)


def test_the_given_form_comes_first_and_no_form_comes_twice() -> None:
    form = Form(PLAIN)
    values = value_forms(form)
    assert values[0] == form
    assert len(values) == len(set(values)) == 2 * len(VALUES)
    odd = Form(replace(PLAIN, mean=(0.498,), std=(0.502,)))
    assert len(value_forms(odd)) == 2 * len(VALUES) + 1
    assert len(value_forms(Form(replace(PLAIN, channels="grey")))) == len(VALUES)
    assert len(value_forms(Form(replace(PLAIN, dtype="uint8", range="0..255")))) == 2
    assert [one.fitting.fit for one in fit_forms(form)] == [
        "stretch",
        "crop",
        "crop:0.875",
        "pad",
        "pad:grey",
        "pad:edge",
    ]
    assert near_fit_forms(form) == [form]
    assert [one.fitting.filter for one in filter_forms(form)] == ["auto", "bilinear", "bicubic", "area"]
    assert len(changed_forms(form)) == 7


def test_means_are_in_the_order_of_the_channels() -> None:
    caffe = with_values(replace(PLAIN, channels="bgr"), VALUES[-1])
    assert caffe.prepare(np.array([[[[130, 120, 110]]]], np.uint8)).ravel() == pytest.approx(
        [110 - 103.939, 120 - 116.779, 130 - 123.68], abs=1e-3
    )
    assert with_values(replace(PLAIN, channels="grey"), VALUES[3]).mean == (0.449,)


def test_pixels_are_turned_mirrored_inverted_and_made_grey() -> None:
    form, size = Form(PLAIN), (6, 8)
    np.testing.assert_array_equal(form.pixels(IMAGE, size), IMAGE)
    np.testing.assert_array_equal(replace(form, turn=180).pixels(IMAGE, size), IMAGE[::-1, ::-1])
    np.testing.assert_array_equal(replace(form, turn=90).pixels(IMAGE, (8, 6)), np.rot90(IMAGE, 3))
    np.testing.assert_array_equal(replace(form, mirrored=True).pixels(IMAGE, size), IMAGE[:, ::-1])
    np.testing.assert_array_equal(replace(form, inverted=True).pixels(IMAGE, size), 255 - IMAGE)
    grey = replace(form, grey=True).pixels(IMAGE, size)
    assert (grey == grey[..., :1]).all()
    changed = replace(form, turn=90, inverted=True)
    assert changed.name == "RGB, 0..1, stretched, turned by 90 degrees clockwise, inverted"


def given(words: list[str]) -> tuple[TargetOptions, Fitting]:
    """What a command makes of the words."""

    @options(Config, "fit", "filter")
    @options(TargetOptions)
    @click.command()
    def command() -> None:
        pass

    with command.make_context("command", list(words)) as context:
        return take(TargetOptions, context.params), Fitting(context.params["fit"], context.params["filter"])


def test_the_options_to_paste_make_the_same_format(tmp_path: Path) -> None:
    path = mean_model.build(tmp_path / "model.onnx")
    target = OnnxTarget(path, TargetOptions(provider="cpu"))
    shown = mean_model.IMAGES
    for form in value_forms(Form(target.input_format, Fitting("crop:.875", "bicubic"))):
        target_options, fitting = given(form.options())
        assert fitting == form.fitting
        again = OnnxTarget(path, replace(target_options, provider="cpu"))
        np.testing.assert_allclose(again.scores(shown), target.with_format(form.format).scores(shown), atol=1e-4)
        assert again.input_format.channels == form.format.channels
        assert Form(again.input_format).values == form.values


def test_another_format_has_another_fingerprint(tmp_path: Path) -> None:
    target = OnnxTarget(mean_model.build(tmp_path / "model.onnx"), TargetOptions(provider="cpu"))
    other = target.with_format(replace(target.input_format, channels="bgr"))
    assert other.fingerprint != target.fingerprint
    np.testing.assert_array_equal(other.scores(mean_model.IMAGES)[:, ::-1], target.scores(mean_model.IMAGES))
    assert target.input_format.channels == "rgb"
