"""V2 labels: texts of Triton's classification extension, and names of classes."""

import numpy as np
import pytest

from blackbox_dft.targets.http.labels import LabelColumns
from blackbox_dft.targets.http.v2_labels import label_scores


@pytest.mark.parametrize(
    ("texts", "scores"),
    [
        ([["0.75:1:dog", "0.25:0:cat"]], [[0.25, 0.75]]),
        ([["0.75:1", "0.25:0"]], [[0.25, 0.75]]),
        # The label counts, not its index, as the classes may be a few of many.
        ([["0.75:281:Dog", "0.2:0:tench"]], [[0, 0.75]]),
        ([["1e-3:0:cat:of:many"], ["2:0:"]], [[0, 0], [2, 0]]),
        ([["-1.5:7"]], [[0, 0]]),
        (["dog", "CAT", "bird"], [[0, 1], [1, 0], [0, 0]]),
        ([["nan:0:cat"]], [[0, 0]]),
    ],
)
def test_texts(texts: list[list[str]], scores: list[list[float]]) -> None:
    np.testing.assert_allclose(label_scores(np.array(texts), LabelColumns(["cat", "dog"])), scores)
