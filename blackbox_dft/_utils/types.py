"""Array types used in signatures throughout the package."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
"""Vectors of the search: z ``(k,)``, candidates ``(M, k)``, losses ``(Q,)``."""
Scores: TypeAlias = NDArray[np.float32]
"""Output of a target: ``(N, K)``."""
Images: TypeAlias = NDArray[np.float32]
"""Images inside a space: ``(N, H, W, C)``, RGB (or one grey channel) in [0, 1]."""
ImageBytes: TypeAlias = NDArray[np.uint8]
"""Images at rest: ``(N, H, W, C)``, RGB (or one grey channel)."""
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
