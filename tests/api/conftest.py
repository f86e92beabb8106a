"""A finished run of arrays and a function, in memory; its tests leave it as it is."""

import pytest

from blackbox_dft import Result, optimize
from tests.helpers.tone_arrays import Bright, tone_arrays

OPTIONS = {"budget": 600, "space": "color", "evaluate": "enough", "progress": False}
"""Of a run that takes less than a second."""


@pytest.fixture(scope="session")
def tuned() -> Result:
    return optimize(Bright(), tone_arrays(), **OPTIONS)  # type: ignore[call-overload, no-any-return]
