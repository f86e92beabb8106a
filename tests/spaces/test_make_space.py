"""``make_space`` refuses invalid specs; ``distance_of`` adds up the additive parts."""

import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.spaces import distance_of, make_space
from tests.helpers.models import SHAPE


@pytest.mark.parametrize(
    ("spec", "epsilon", "sentence"),
    [
        ("dct", None, "from 1 to 20"),
        ("dct:²", None, "from 1 to 20"),
        ("dct:" + "9" * 5000, None, "from 1 to 20"),
        ("dct:0", None, "from 1 to 20"),
        ("dct:21", None, "from 1 to 20"),
        ("grid:x", None, "from 1 to 20"),
        ("affine:3", None, "no border '3': write affine, or after a colon edge, black, white, mean or mirror"),
        ("color:3", None, "takes no number"),
        ("pixel:3", None, "takes no number"),
        ("affine+", None, "empty part"),
        ("auto:red", None, "no border 'red'"),
        ("auto+color", None, "unknown space 'auto'"),
        ("", None, "empty part"),
        ("affine+affine", None, "twice"),
        ("affine+affine:", None, "twice"),
        ("dct:4+color+dct:8", None, "twice"),
        ("afine", None, "did you mean 'affine'"),
        ("pixel", 0.001, "below one 8-bit level"),
        ("pixel", 1.5, "outside"),
        ("pixel", 0.0, "outside"),
        ("pixel", float("nan"), "outside"),
    ],
)
def test_invalid_specs_are_refused(spec: str, epsilon: float | None, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_space(spec, SHAPE, epsilon=epsilon)


def test_auto_is_geometry_tone_and_a_pattern_with_any_border() -> None:
    assert make_space("auto", SHAPE).spec == "affine+color+dct:8"
    assert make_space(" auto : black", SHAPE).spec == "affine:black+color+dct:8"
    assert make_space("affine:edge", SHAPE).spec == "affine"


def test_the_distance_of_a_composition_is_that_of_its_additive_parts() -> None:
    whole = make_space("affine+dct:4+color+grid:2", SHAPE)
    found = distance_of(whole)
    assert found is not None
    z = np.random.default_rng(0).normal(size=(3, whole.size))
    parts = [make_space("dct:4", SHAPE), make_space("grid:2", SHAPE)]
    own = [z[:, 4 : 4 + parts[0].size], z[:, -parts[1].size :]]
    np.testing.assert_allclose(found(z), sum(distance_of(p)(o) for p, o in zip(parts, own, strict=True)))  # type: ignore[misc]
    assert distance_of(make_space("affine+color", SHAPE)) is None
