"""Selection on validation images: the tuned z is kept if loss and accuracy speak for it, and not by chance."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import sigmoid_margin
from blackbox_dft.objectives.outputs import OutputDecoder
from blackbox_dft.run.runner import optimize
from blackbox_dft.search.loop import Task, Trajectory
from blackbox_dft.search.selection import IDENTITY, LAST_QUARTER, Selection, better_than_chance, part_gains, select
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.composed import Composed


class TableScorer:
    """Scores by a table for each z: the probability of the true label, image by image."""

    def __init__(self, labels: Ints, tables: dict[float, Floats]) -> None:
        self.labels, self.tables = labels, tables

    def score(self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None) -> Floats:
        true = self.tables[float(candidates[0])][indices]
        return np.where(np.eye(2)[self.labels[indices]] == 1, true[:, None], 1 - true[:, None])


def selection(before: list[float], after: list[float]) -> Selection:
    """Between probabilities of the true label under the identity, 0, and under the last iterate, 1."""
    labels = np.arange(len(before)) % 2
    scorer = TableScorer(labels, {0.0: np.array(before), 1.0: np.array(after)})
    task = Task(scorer, OutputDecoder("probabilities", np.eye(2)), sigmoid_margin, labels)  # type: ignore[arg-type]
    return select(task, Trajectory(np.ones(1)), np.arange(len(labels)), np.zeros(1))


# With two labels the sigmoid loss is 1 - p, so that the gain of loss is the gain of p.
@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        # Loss +.38 with deviation .098, 39 standard errors of 100 images; accuracy -.04 / .196, -2.04: more than one.
        ([0.55] * 100, [0.95] * 96 + [0.45] * 4, False),
        # Two lost and one gained: accuracy -.01 with deviation .173, -.58.
        ([0.55] * 99 + [0.45], [0.95] * 97 + [0.45] * 2 + [0.95], True),
        # The other way round: accuracy +.1 / .3, +3.33; loss -.008 / .036, -2.22. Their sum alone would do.
        ([0.9] * 90 + [0.45] * 10, [0.88] * 90 + [0.55] * 10, False),
        # The same with a loss of -.0026 / .0342, -.76.
        ([0.9] * 90 + [0.45] * 10, [0.886] * 90 + [0.55] * 10, True),
        # No decision changes. The gain of loss is .001 with deviation .01: .8 of 64 images, less than one.
        ([0.7] * 64, [0.7 + 0.001 - 0.01, 0.7 + 0.001 + 0.01] * 32, False),
        # .002 with the same deviation: 1.6.
        ([0.7] * 64, [0.7 + 0.002 - 0.01, 0.7 + 0.002 + 0.01] * 32, True),
        # Nothing changed.
        ([0.7] * 8, [0.7] * 8, False),
    ],
)
def test_gains_in_standard_errors_decide(before: list[float], after: list[float], kept: bool) -> None:
    chosen = selection(before, after)
    assert (chosen.name, float(chosen.z[0])) == ((LAST_QUARTER, 1.0) if kept else (IDENTITY, 0.0))
    assert chosen.losses == pytest.approx({IDENTITY: 1 - np.mean(before), LAST_QUARTER: 1 - np.mean(after)})
    right = [np.mean(np.array(p) > 0.5) for p in (before, after)]
    assert chosen.accuracies == pytest.approx({IDENTITY: right[0], LAST_QUARTER: right[1]})


@pytest.mark.parametrize(("gain", "kept"), [(0.002, False), (0.004, True)])
def test_more_gain_is_needed_if_the_model_is_no_better_than_chance(gain: float, kept: bool) -> None:
    # Every second pair of images has .3 or .7 for its true label: mean .5, as by chance. The gain is 1.6 or 3.2
    # standard errors of 64 images of deviation .01; from 3 on it counts.
    level = np.tile([0.3, 0.3, 0.7, 0.7], 16)
    spread = np.tile([-0.01, 0.01, 0.01, -0.01], 16)
    assert not better_than_chance(np.stack([level, 1 - level], 1), np.arange(64) % 2)
    chosen = selection(level.tolist(), (level + gain + spread).tolist())
    assert chosen.name == (LAST_QUARTER if kept else IDENTITY)


def test_better_than_chance_by_two_standard_errors() -> None:
    labels = np.repeat([0, 1], 50)
    wiggle = np.tile([-0.1, 0.1], 50)
    # Mean p of each label .5 + a; the variance of the sum of both means is 2 * .01 / 50 = .02^2: 2 a > 2 * .02.
    for above, better in ((0.019, False), (0.021, True)):
        true = 0.5 + above + wiggle
        probabilities = np.where(np.eye(2)[labels] == 1, true[:, None], 1 - true[:, None])
        assert better_than_chance(probabilities, labels) == better
    # A model that always says the same is at chance, whatever it prefers.
    assert not better_than_chance(np.tile([0.9, 0.1], (100, 1)), labels)


def test_one_image_a_label_proves_nothing_by_itself() -> None:
    # Of 43 labels with an image each, a model that guesses finds three: 2 above chance, which is 1.2 standard
    # errors, the deviation .255 (the root of 3/43 40/43) times the root of 43; with six, 5 are 2.2.
    labels, found = np.arange(43), np.zeros((2, 43))
    found[0, :3], found[1, :6] = 1, 1
    for hits, better in zip(found, (False, True), strict=True):
        probabilities = np.roll(np.eye(43), 1, axis=1)
        probabilities[hits == 1] = np.eye(43)[hits == 1]
        above = (hits.sum() - 1) / (hits.std() * np.sqrt(43))
        assert (above > 2) == better
        assert better_than_chance(probabilities, labels) == better


def test_part_gains_set_one_part_at_a_time_to_the_identity() -> None:
    space = make_space("affine+color", (8, 8, 3))
    assert isinstance(space, Composed)
    z = np.ones(space.size)
    without = [space.rest(z, [1]), space.rest(z, [0])]
    labels = np.zeros(4, np.int64)

    class Scorer:
        def score_under(self, phase: str, indices: Ints, candidates: Sequence[Floats]) -> list[Floats]:
            assert all(map(np.array_equal, candidates, [z, *without]))
            right = [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
            return [np.eye(2)[1 - np.array(one)] for one in right]

    task = Task(Scorer(), OutputDecoder("probabilities", np.eye(2)), sigmoid_margin, labels)  # type: ignore[arg-type]
    affine, color = part_gains(task, space, z, np.arange(4))
    assert (affine.name, color.name) == ("affine", "color")
    np.testing.assert_array_equal(affine.gains, [0, 1, 1, 0])
    np.testing.assert_array_equal(color.gains, [0, 0, 0, -1])


@pytest.mark.slow
def test_random_labels_keep_few_changes(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "images", tmp_path / "images")
    images = sorted(image.name for image in (tmp_path / "images").iterdir())
    runs, kept = 25, 0
    for seed in range(runs):
        bright = np.random.default_rng(seed).permutation(len(images)) < 0.5 * len(images)
        lines = [f"images/{image},{'bright' if one else 'dark'}" for image, one in zip(images, bright, strict=True)]
        (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
        what = Config(str(tiny / "model.onnx"), str(tmp_path / "labels.csv"), space="color", budget=600, seed=seed)
        kept += optimize(what, tmp_path / str(seed)).summary.chosen != "identity"
    # With the same demand as on labels that the model can tell apart, four to five are kept.
    assert kept <= 1
