"""The learning curve of one run."""

from pathlib import Path

import numpy as np

from blackbox_dft import Config
from blackbox_dft.comparison.grid import GridRun, Variant
from blackbox_dft.comparison.learning_curve import learning_curve, unchanged
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.run.experiment import Experiment


def measured(tiny: Path, out: Path, budgets: list[int]) -> tuple[RunResult, list[int]]:
    """The result at ``budgets``, and the images scored by the unchanged images and by the run."""
    experiment = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color"))
    run = GridRun(Variant("color", "spsa:pairs=8"), 0)
    (out / "runs").mkdir(parents=True)
    with experiment.opened():
        _, _, shared = unchanged(experiment, out / "shared.sqlite", 32, lambda images, paid: None)
        result = learning_curve(experiment, run, budgets, budgets, out, 32, lambda images, paid: None)
    assert (out / "runs" / f"{run.file_name}.npz").exists()
    return result, [shared, result.paid]


def test_a_smaller_budget_gives_what_it_gives_alone_and_its_search_is_free(tiny: Path, tmp_path: Path) -> None:
    both, paid = measured(tiny, tmp_path / "both", [100, 200])
    first, paid_alone = measured(tiny, tmp_path / "first", [100])
    second, _ = measured(tiny, tmp_path / "second", [200])
    np.testing.assert_array_equal(both.judged.right, [first.judged.right[0], second.judged.right[0]])
    for name in ("spent", "z"):
        expected = [getattr(first, name)[0], getattr(second, name)[0]]
        np.testing.assert_array_equal(getattr(both, name), expected)
    # 40 val and 80 test images; the search, the choice on 40 images and the test images at each budget.
    assert paid[0] == paid_alone[0] == 120
    assert paid[1] <= both.spent[1] + 2 * (40 + 80)
    assert paid_alone[1] <= first.spent[0] + 40 + 80
