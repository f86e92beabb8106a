"""Every space, and batches of images for hypothesis."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.helpers.models import SHAPE

PARTS = ["pixel", "tanh", "dct:4", "grid:3", "color", "affine", "affine:black", "affine:mean", "affine:mirror"]
PARTS += ["contrast", "sharpness"]
SPECS = [*PARTS, "sharpness+contrast+affine+color", "affine+color", "affine+color+dct:4", "dct:4+affine"]
images = arrays(np.uint8, st.tuples(st.integers(1, 5), *map(st.just, SHAPE)), elements=st.integers(0, 255))
