"""DataFineTuner: what scikit-learn does with its estimators, and its own checks that make sense for images."""

import pickle
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="needs pip install 'blackbox-dft[sklearn]'")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

from blackbox_dft import InputError  # noqa: E402
from blackbox_dft.sklearn import DataFineTuner  # noqa: E402
from tests.helpers.tone_arrays import SIDE, Bright, bright, tone_arrays  # noqa: E402

CHECKS = (
    "check_do_not_raise_errors_in_init_or_set_param", "check_estimator_cloneable", "check_estimator_repr",
    "check_estimator_sparse_array", "check_estimator_sparse_matrix", "check_estimator_sparse_tag",
    "check_estimator_tags_renamed", "check_estimators_unfitted", "check_fit1d", "check_get_params_invariance",
    "check_mixin_order", "check_no_attributes_set_in_init", "check_parameters_default_constructible",
    "check_set_params", "check_supervised_y_no_nan", "check_transformers_unfitted", "check_valid_tag_types",
)  # fmt: skip
"""Of ``check_estimator``: those that need no fit on random tables of a few columns, which are no images."""


def tuner(target: Any = bright, **parameters: Any) -> DataFineTuner:
    return DataFineTuner(target, **{"budget": 500, "space": "color", "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted() -> DataFineTuner:
    return tuner().fit(*tone_arrays())


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn(name: str) -> None:
    check = getattr(estimator_checks, name, None) or getattr(estimator_checks, f"{name}s", None)
    if check is None and name == "check_estimator_sparse_tag":
        pytest.skip("newer than this scikit-learn")
    assert check is not None
    check("DataFineTuner", tuner(lambda images: images.mean(axis=(1, 2, 3)), image_shape=(1, 10, 1)))


def test_it_gains_and_says_so(fitted: DataFineTuner) -> None:
    images, labels = tone_arrays(200, seed=1)
    before = float((bright(images).argmax(axis=1) == labels).mean())
    assert fitted.score(images, labels) > before + 0.1
    assert fitted.result_.verdict == "improved"
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.predict(images).dtype == labels.dtype
    assert np.allclose(fitted.predict_proba(images).sum(axis=1), 1)


def test_labels_come_back_as_they_were() -> None:
    images, labels = tone_arrays()
    names = np.array(["bright day", "a dark night"])[1 - labels]
    target = Bright()
    options = {"map": {"a dark night": "0", "bright day": "1"}}
    made = tuner(target, options=options).fit(images, names)
    assert made.classes_.tolist() == ["a dark night", "bright day"]
    assert (made.predict(images) == names).mean() > 0.9


def test_changed_images_have_the_form_of_those_given(fitted: DataFineTuner) -> None:
    images = tone_arrays(4)[0]
    changed = fitted.transform(images)
    assert (changed.dtype, changed.shape) == (np.uint8, images.shape)
    assert (changed == fitted.tuning_(images)).all()
    first = fitted.transform(images.transpose(0, 3, 1, 2) / 255)
    assert (first.dtype, first.shape) == (np.float32, (4, 3, SIDE, SIDE))
    assert np.allclose(first.transpose(0, 2, 3, 1) * 255, changed)


def test_rows_are_images_of_a_shape() -> None:
    images, labels = tone_arrays()
    rows = images.reshape(len(images), -1)
    with pytest.raises(ValueError, match=r"image_shape=\(H, W, 3\) for rows"):
        tuner().fit(rows, labels)
    made = tuner(image_shape=(SIDE, SIDE, 3)).fit(rows, labels)
    assert made.n_features_in_ == rows.shape[1]
    assert made.transform(rows[:3]).shape == (3, rows.shape[1])
    assert made.score(rows, labels) > 0.9
    with pytest.raises(ValueError, match="X has 5 features"):
        made.predict(np.zeros((2, 5)))


def test_it_is_a_step_of_a_pipeline_and_is_cross_validated() -> None:
    images, labels = tone_arrays()
    pipeline = Pipeline([("as is", FunctionTransformer()), ("tuned", tuner(Bright()))])
    scores = cross_val_score(pipeline, images, labels, cv=2)
    assert (scores > 0.85).all()
    flat = FunctionTransformer(lambda images: images.reshape(len(images), -1))
    before = Pipeline([("tuned", tuner()), ("flat", flat), ("tree", DecisionTreeClassifier(max_depth=1))])
    assert before.fit(images, labels).score(images, labels) > 0.8


def test_its_parameters_are_searched() -> None:
    found = GridSearchCV(tuner(output_map="none"), {"space": ["color", "affine"]}, cv=2).fit(*tone_arrays())
    assert found.best_params_ == {"space": "color"}


def test_a_clone_has_the_same_target_and_is_not_fitted(fitted: DataFineTuner) -> None:
    target = Bright()
    first = tuner(target, options={"early_stop": False})
    second = clone(first)
    assert second.target is target
    assert second.get_params() == first.get_params()
    with pytest.raises(NotFittedError, match=r"call fit\(X, y\) first"):
        clone(fitted).predict(tone_arrays(2)[0])


def test_the_same_seed_gives_the_same_change(fitted: DataFineTuner) -> None:
    again = tuner().fit(*tone_arrays())
    assert np.array_equal(again.tuning_.z, fitted.tuning_.z)
    other = tuner(random_state=np.random.RandomState(5)).fit(*tone_arrays())
    assert not np.array_equal(other.tuning_.z, fitted.tuning_.z)


def test_a_fitted_one_can_be_pickled(fitted: DataFineTuner) -> None:
    images = tone_arrays(4)[0]
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.transform(images), fitted.transform(images))


def test_what_is_refused_is_an_input_error_and_a_value_error() -> None:
    images, labels = tone_arrays(40)
    for made, said in (
        (DataFineTuner(), "has no target"),
        (tuner(options={"bugdet": 1}), "did you mean budget="),
        (tuner(budget=0), "budget=0: it must be at least 1"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            made.fit(images, labels)
        assert isinstance(caught.value, InputError)
