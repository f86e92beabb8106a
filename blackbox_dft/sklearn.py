"""A scikit-learn estimator: learns the change from images and labels, and classifies by the tuned target.

It needs scikit-learn: ``pip install 'blackbox-dft[sklearn]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np

from blackbox_dft._utils.types import Array, Floats
from blackbox_dft.api.messages import speaks_python
from blackbox_dft.api.options import find_option
from blackbox_dft.api.result import Result
from blackbox_dft.api.runs import optimize
from blackbox_dft.data.in_memory import ImageOptions, dataset_of
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.objectives.losses import decide
from blackbox_dft.targets.objects import target_again

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
    from sklearn.exceptions import NotFittedError
    from sklearn.utils import check_random_state
except ImportError as error:
    raise ImportError(
        "blackbox_dft.sklearn needs scikit-learn, which is not installed: pip install 'blackbox-dft[sklearn]'."
    ) from error

__all__ = ["DataFineTuner"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_SEED = 2**31 - 1


class InvalidInput(InputError, ValueError):  # noqa: N818 - an InputError by its name, too
    """An ``InputError`` that is a ``ValueError``, as scikit-learn expects."""


def _as_value_error(function: Callable[P, T]) -> Callable[P, T]:
    spoken = speaks_python(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return spoken(*args, **kwargs)
        except InputError as error:
            raise InvalidInput(str(error)) from error

    return call


class DataFineTuner(TransformerMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Data fine-tuning as a transformer of images, and with its target as a classifier.

    ``fit`` divides its images into those it searches on and those it proves the gain with, so a score on other images
    needs no further split. ``transform`` changes images for a later step; ``predict`` changes them, has the target
    score them, and maps the scores to labels.

    Args:
        target: as for ``optimize``: a file, a URL, a function from images to scores, a session, a ``Target``.
        budget: the most images that ``fit`` has scored. ``predict`` scores each image once more a view.
        space: what may change in an image.
        output_map: from the target's scores to labels: ``auto``, ``none``, ``bias`` or ``linear``.
        metric: what is chosen by and proven: ``accuracy``, ``balanced-accuracy``, ``f1``, ``auc``, or costs as
            ``{true: {decided: cost}}``; ``score`` is accuracy.
        image_shape: ``(H, W)`` or ``(H, W, 3)`` of images that are given as rows ``(N, features)``; None if X holds
            images.
        options: further options of ``optimize``, by name.
        random_state: a seed, a ``RandomState``, or None for another seed each time.
        progress: as for ``optimize``.

    Attributes:
        classes_: labels, sorted; columns of ``predict_proba``.
        result_: the ``Result`` of the run: its verdict, figures and tuning.
        tuning_: the learned change.
        n_features_in_: numbers of an image, if X holds rows.

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 2
    >>> levels = 110 + 30 * y + rng.normal(0, 7, 300)
    >>> X = np.broadcast_to(levels[:, None, None, None], (300, 8, 8, 3)).astype(np.uint8)
    >>> def bright(images):
    ...     light = images.mean(axis=(1, 2, 3))
    ...     return np.stack([140 - light, light - 140], axis=1) / 8
    >>> tuner = DataFineTuner(bright, budget=600, space="color", random_state=0).fit(X, y)
    >>> tuner.transform(X[:2]).shape, tuner.score(X, y) > 0.9
    ((2, 8, 8, 3), True)
    """

    def __init__(
        self,
        target: object = None,
        *,
        budget: int = 1000,
        space: str = "auto",
        output_map: str = "auto",
        metric: str | Mapping[str, Mapping[str, float]] = "accuracy",
        image_shape: Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.target = target
        self.budget = budget
        self.space = space
        self.output_map = output_map
        self.metric = metric
        self.image_shape = image_shape
        self.options = options
        self.random_state = random_state
        self.progress = progress

    @_as_value_error
    def fit(self, X: Any, y: Any) -> Self:
        """Learns the change from images and their labels.

        Args:
            X: images ``(N, H, W, 3)`` or ``(N, 3, H, W)``, uint8 or floats in [0, 1]; grey ones have one channel or
                none; rows ``(N, features)`` with ``image_shape``; or a list of images.
            y: labels ``(N,)``.

        Raises:
            InputError: the images, the labels or a parameter cannot be used.
            BudgetError: the budget cannot cover the job.
            TargetError: the target failed for good.
        """
        if self.target is None:
            raise InputError("DataFineTuner has no target: pass target=..., a model's file, URL or function.")
        extra = dict(self.options or {})
        for name in extra:
            find_option(name)
        images, labels = self._images(X, first=True), np.asarray(y)
        if labels.ndim != 1:
            raise InputError(f"y has shape {labels.shape}: pass one label an image, (N,).")
        self.classes_ = np.unique(labels)
        seed = int(check_random_state(self.random_state).randint(MAX_SEED))
        if isinstance(self.random_state, int | np.integer):
            seed = int(self.random_state)
        self.result_: Result = optimize(
            self.target,
            (images, [str(label) for label in labels.tolist()]),
            progress=self.progress,
            **{
                "budget": self.budget,
                "space": self.space,
                "output_map": self.output_map,
                "metric": self.metric,
                "seed": seed,
                **extra,
            },
        )
        self.tuning_: Tuning = self.result_.tuning
        return self

    @_as_value_error
    def transform(self, X: Any) -> Array:
        """Changed images in the form of X: uint8 or float32 in [0, 1], with its order of axes, at the tuning's size.

        Raises:
            InputError: the images cannot be used.
        """
        self._require_fitted()
        images = self._images(X)
        tuned = self.tuning_(_batch(images, self.tuning_))
        given: Array = np.asarray(X) if not isinstance(X, list | tuple) else images
        changed: Array = tuned if given.dtype == np.uint8 else to_floats(tuned)
        if given.ndim == 2:
            grey = given.shape[1] * 3 == changed[0].size
            return (changed.mean(axis=3).astype(changed.dtype) if grey else changed).reshape(len(changed), -1)
        first = given.ndim == 4 and given.shape[3] not in (1, 3) and given.shape[1] in (1, 3)
        return np.ascontiguousarray(changed.transpose(0, 3, 1, 2)) if first else changed

    @_as_value_error
    def predict_proba(self, X: Any) -> Floats:
        """Probabilities ``(N, L)`` of ``classes_``; NaN for images that the target has no score for.

        Raises:
            InputError: the images cannot be used.
            TargetError: the target failed.
        """
        self._require_fitted()
        target = target_again(self.target, self.result_.config.target_options)
        probabilities = self.tuning_.predict(_batch(self._images(X), self.tuning_), target)
        column = {name: number for number, name in enumerate(self.tuning_.labels)}
        return probabilities[:, [column[str(label)] for label in self.classes_.tolist()]]

    def predict(self, X: Any) -> Array:
        """The most probable label of each image ``(N,)``; the first if none is.

        Raises:
            InputError: the images cannot be used.
            TargetError: the target failed.
        """
        decided = decide(self.predict_proba(X))
        return np.asarray(self.classes_[np.maximum(decided, 0)])

    def _require_fitted(self) -> None:
        if not hasattr(self, "tuning_"):
            raise NotFittedError("this DataFineTuner is not fitted yet: call fit(X, y) first.")

    def _images(self, X: Any, *, first: bool = False) -> Any:
        """X as images; rows become ``(N, H, W, C)``."""
        if hasattr(X, "tocsr"):
            raise TypeError("X is a sparse matrix, and images are dense: pass X.toarray().")
        if isinstance(X, list | tuple):
            return list(X)
        array: Array = np.asarray(X)
        if array.ndim != 2:
            return array
        if self.image_shape is None:
            raise InputError(f"X has shape {array.shape}: pass images (N, H, W, 3), or image_shape=(H, W, 3) for rows.")
        shape = tuple(self.image_shape) if len(self.image_shape) == 3 else (*self.image_shape, 1)
        if array.shape[1] != int(np.prod(shape)):
            raise InputError(f"X has {array.shape[1]} features, and image_shape={shape} has {np.prod(shape)}.")
        if first:
            self.n_features_in_ = array.shape[1]
        return array.reshape(len(array), *shape)

    def __sklearn_clone__(self) -> Self:
        """A new one with the same parameters; the target is kept, as a black box is not to be copied."""
        parameters = {name: clone(value, safe=False) for name, value in self.get_params(deep=False).items()
                      if name != "target"}  # fmt: skip
        return type(self)(self.target, **parameters)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        tags.non_deterministic = self.random_state is None
        return tags


def _batch(images: Any, tuning: Tuning) -> Array:
    """Images as the tuning takes them: its size, three channels last."""
    pairs = (images, ["0"] * len(images))
    floats = not isinstance(images, list) and images.dtype.kind == "f"
    options = ImageOptions(tuning.shape[:2], fitting=tuning.fitting, splits=False)
    read = dataset_of(pairs, options).images
    assert isinstance(read, np.ndarray)
    return to_floats(read) if floats else read
