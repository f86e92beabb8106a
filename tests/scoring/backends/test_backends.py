"""Backends: chosen in one place, all score alike."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.backends import make_backend
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.fused import FusedBackend


@pytest.fixture
def experiment(tiny: Path) -> Experiment:
    return Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="dct:4"))


def test_the_fused_backend_is_taken_if_there_is_a_fused_path(experiment: Experiment) -> None:
    parts = experiment.data.images, experiment.space, experiment.target, experiment.encoding
    assert isinstance(make_backend(*parts), ArrayBackend)
    assert isinstance(make_backend(*parts, path=experiment.fused), FusedBackend)


def test_unchanged_images_score_the_same_to_the_bit_on_both_paths(experiment: Experiment) -> None:
    parts = experiment.data.images, experiment.space, experiment.target, experiment.encoding
    array, identity = ArrayBackend(*parts), experiment.space.initial()
    assert experiment.fused
    fused = FusedBackend(array, experiment.fused)
    indices = np.arange(7)
    assert np.array_equal(array.scores(indices, identity), fused.scores(indices, identity))
    z = np.linspace(-1, 1, len(identity))
    np.testing.assert_allclose(array.scores(indices, z), fused.scores(indices, z), atol=1e-4)
    assert not np.array_equal(array.scores(indices, z), array.scores(indices, identity))


def test_a_prepared_request_is_sent_when_it_is_called_and_not_before(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = experiment.target.scores

    def counted(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return real(images)

    monkeypatch.setattr(experiment.target, "scores", counted)
    backend = make_backend(experiment.data.images, experiment.space, experiment.target, experiment.encoding)
    send = backend.prepare(np.arange(3), experiment.space.initial()).result()
    assert calls == []
    assert send().result().shape == (3, 2)
    assert calls == [3]
    backend.close()
