"""Tuning: the learned change (z, its space and encoding) as a file that NumPy alone can read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.text import shortened
from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.images.batches import as_batch
from blackbox_dft.images.encoding import Encoding, to_bytes, to_floats
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.objectives.heads import Head
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.objectives.outputs import Kind, OutputDecoder
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.any_size import at_shape
from blackbox_dft.spaces.applying import sent_images
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.blocks import changed_images
from blackbox_dft.spaces.specs import from_file, to_file
from blackbox_dft.spaces.viewed import Viewed

if TYPE_CHECKING:
    from blackbox_dft.deploy.transform import ImageTransform

FORMAT, VIEWS_FORMAT = 2, 3
"""Of files with one view, which earlier versions read too, and with several."""
FORMATS = (1, FORMAT, VIEWS_FORMAT)
"""Of files that can be read; 1 has no output map."""
PREDICTED_AT_ONCE = 64
"""Images in a call of a function."""
MAP_PREFIXES = "output_map.", "joint_map."
"""Of the names of its arrays: of every view, and of what joins several."""


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """A learned change: ``z (k,)`` in a space, for images of one size, or of any if they kept their own.

    It may be called from several threads at once.

    >>> from tempfile import TemporaryDirectory
    >>> images = np.full((2, 8, 8, 3), 100, np.uint8)
    >>> tuning = Tuning("color", np.array([0.5, 0, 0, 0, 0, 0]), (8, 8, 3))
    >>> with TemporaryDirectory() as folder:
    ...     tuning.save(Path(folder, "tuning.npz"))
    ...     loaded = Tuning.load(folder)
    >>> loaded(images).shape, bool((loaded(images) == tuning(images)).all())
    ((2, 8, 8, 3), True)
    """

    space: str
    """Such as ``affine+color``; see ``make_space``."""
    z: Floats
    """``(k,)``."""
    shape: tuple[int, int, int]
    """Of the images, (H, W, 3); if they keep their own sizes, one that stands for all."""
    epsilon: float | None = None
    """Bound of additive changes, in [0, 1] pixels."""
    channels: Literal["rgb", "luma"] = "rgb"
    """Of additive changes."""
    encoding: str = "png"
    """How images were sent to the target: ``none``, ``png`` or ``jpeg:Q``."""
    labels: tuple[str, ...] = ()
    """The user's labels, L of them; none in files of format 1."""
    scores: Kind | None = None
    """What the target's raw scores are."""
    output_map: OutputMap | JoinedMap | None = None
    """From the target's scores to probabilities of the labels; the identity if the run kept none."""
    views: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """``(V, 5 + k)``: changes that an image is scored under, in the space ``Viewed``, the first by ``z`` alone; empty
    if there is only that one."""
    fitting: Fitting = field(default_factory=Fitting)
    """How images of other sizes are brought to ``shape`` before they are changed."""
    heads: tuple[Head, ...] = ()
    """Further outputs of the target that the output map reads, in the last columns of the scores."""
    made: Mapping[str, Any] = field(default_factory=dict)
    """How, when, on what data and target, and with which gain; empty in files of before, and if it was made by hand."""

    @property
    def queries_per_image(self) -> int:
        """Scores that the decision on an image needs, the number of views V."""
        return max(1, len(self.views))

    @property
    def scored_views(self) -> list[Floats]:
        """What ``score_views`` takes: ``z (k,)``, or each view of several, ``(k,)`` or ``(5 + k,)``."""
        return [self.view_space.shortest(row) for row in self.views] if len(self.views) else [self.z]

    def make_space(self) -> Space:
        """The space of ``z``."""
        levels = Encoding.parse(self.encoding).levels
        return make_space(self.space, self.shape, epsilon=self.epsilon, channels=self.channels, levels=levels)

    def __call__(self, images: object) -> ImageBytes:
        """Changes ``images (N, H, W, 3)``, RGB, to what the target received, before any JPEG compression.

        Args:
            images: uint8, or floats in [0, 1]; also one image, a list of them, or Pillow images (``as_batch``).

        Of several views, this is the first; ``each_view`` gives all.

        Raises:
            InputError: the images have another size than those the change was learned on, or numbers of unknown range.
        """
        batch = self._batch(images)
        return changed_images(self._spaces_of(batch)[0], batch, self.z, levels=True)

    def each_view(self, images: object) -> ImageBytes:
        """All views ``(N, V, H, W, 3)`` of ``images (N, H, W, 3)``: what the target is sent, and ``decide`` wants.

        >>> tuning = Tuning("color", np.zeros(6), (8, 8, 3), views=np.eye(2, 11, k=-1))  # as it is, and mirrored
        >>> images = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
        >>> views = tuning.each_view(images)
        >>> views.shape, bool((views[:, 1] == images[:, :, ::-1]).all())
        ((1, 2, 8, 8, 3), True)
        """
        batch = self._batch(images)
        first, further = self._spaces_of(batch)
        views = (changed_images(further, batch, view, levels=True) for view in self.views[1:])
        return np.stack([changed_images(first, batch, self.z, levels=True), *views], axis=1)

    def sent_views(self, images: object) -> list[ImageBytes | Images]:
        """Each view ``(N, H, W, 3)`` of ``images (N, H, W, 3)``, as a target receives it: JPEG compression included.

        Raises:
            InputError: as when it is called.
        """
        batch, encoding = self._batch(images), Encoding.parse(self.encoding)
        first, further = self._spaces_of(batch)
        views = (sent_images(further, encoding, batch, view) for view in self.views[1:])
        return [sent_images(first, encoding, batch, self.z), *views]

    @property
    def columns(self) -> int:
        """Scores K of an image that the target returned in the run; 0 if the file does not say."""
        if (decoder := self.decoder) is None:
            return 0
        own = 1 if self.scores in ("sigmoid", "logit", "index") else decoder.own_classes
        return own + sum(head.width for head in self.heads)

    def _spaces_of(self, images: ImageBytes | Images) -> tuple[Space, Viewed]:
        """The spaces of ``z`` and of the views for the size of these images ``(N, H, W, 3)``."""
        height, width, depth = images.shape[1:]
        shape = height, width, depth
        if shape == self.shape:
            return self._space, self.view_space
        space = at_shape(self._space, shape, levels=Encoding.parse(self.encoding).levels)
        return space, Viewed(space, shape)

    def _batch(self, images: object) -> ImageBytes | Images:
        batch = as_batch(images)
        if not batch.size and batch.ndim < 4:
            batch = np.empty((0, *self.shape), np.uint8)
        if batch.shape[1:] != self.shape and not (self.fitting.keeps_sizes and batch.shape[3:] == (3,)):
            raise InputError(
                f"images of {_size(batch.shape[1:])} do not fit a tuning for {_size(self.shape)}: "
                f"{_how_to_fit(batch.shape[1:], self.shape)}."
            )
        return batch

    def decide(self, outputs: Scores | Sequence[Scores]) -> Floats:
        """Probabilities ``(N, L)`` of the labels from the target's raw scores of changed images.

        Args:
            outputs: ``(N, K)``; of several views ``(N, V, K)``, or a list with ``(N, K)`` for each.

        Raises:
            InputError: the file is of an earlier version, which did not keep what the scores mean, or a view lacks.
        """
        if (decoder := self.decoder) is None:
            raise InputError("this tuning does not say what the scores mean: give 'bbdft resume RUN', which adds it.")
        count = self.queries_per_image
        for view in [outputs] if isinstance(outputs, np.ndarray) else outputs:
            self._require_columns(np.shape(view))
        if not isinstance(outputs, np.ndarray):
            outputs = np.stack(outputs, axis=1)
        if outputs.ndim == 3:
            if outputs.shape[1] != count:
                raise InputError(f"scores of {outputs.shape[1]} views are given, but this tuning has {count}.")
            outputs = outputs.reshape(len(outputs), count * outputs.shape[2])
        elif count > 1:
            raise InputError(
                f"this tuning has {count} views: give their scores as (N, {count}, K), or as a list of {count}."
            )
        return decoder(outputs)

    def _require_columns(self, shape: tuple[int, ...]) -> None:
        """Refuses scores that are neither ``(N, K)`` nor, of several views, ``(N, V, K)``, as the run's target gave."""
        if len(shape) in (2, 3) and (shape[-1] == self.columns or self.scores == "index"):
            return
        advice = "give those of the model that was tuned"
        if self.heads:
            advice += ", with all its outputs ('bbdft predict', or make_target with output='all')"
        raise InputError(
            f"scores of shape {shape} are given, and this tuning reads {self.columns} for each image, (N, "
            f"{self.columns}): {advice}."
        )

    @property
    def decoder(self) -> OutputDecoder | None:
        """What ``decide`` uses; ``None`` if the file is of an earlier version."""
        if self.scores is None or self.output_map is None:
            return None
        return OutputDecoder(self.scores, self.output_map.label_matrix, self.output_map, self.heads)

    def as_transform(self) -> ImageTransform:
        """The change of one image at a time, for pipelines of torchvision, albumentations, ``tf.data`` and the like.

        >>> transform = Tuning("color", np.zeros(6), (8, 8, 3)).as_transform()
        >>> transform(np.zeros((20, 10, 3), np.uint8)).shape
        (8, 8, 3)
        """
        from blackbox_dft.deploy.transform import ImageTransform

        return ImageTransform(self)

    def __repr__(self) -> str:
        size, views = "x".join(map(str, self.shape[:2])), self.queries_per_image
        several = f", {views} views" if views > 1 else ""
        labels = f", labels {shortened(self.labels)}" if self.labels else ""
        return f"Tuning({self.space}, {len(self.z)} numbers, images {size}{several}{labels})"

    def _repr_html_(self) -> str:
        from blackbox_dft.deploy.tuning_html import tuning_html

        return tuning_html(self)

    def predict(self, images: object, target: object) -> Floats:
        """Probabilities ``(N, L)`` of the labels for images, by a target that is called here and now.

        Images of another size are fitted as by ``apply``. Nothing is recorded, nor sent again if a response gets lost:
        ``bbdft predict`` and ``open_prediction`` do both.

        >>> from blackbox_dft.demo import assets
        >>> from blackbox_dft.objectives.output_map import OutputMap
        >>> digits = tuple("0123456789")
        >>> tuning = Tuning(
        ...     "color", np.zeros(6), (32, 32, 3), labels=digits, scores="logits", output_map=OutputMap(np.eye(10))
        ... )
        >>> tuning.predict(np.zeros((2, 40, 40, 3), np.uint8), str(assets() / "digits.onnx")).shape
        (2, 10)

        Args:
            images: ``(N, H, W, 3)``, RGB, uint8 or floats in [0, 1]; also one image, a list of them, or Pillow images.
            target: what ``make_target`` returns or takes, or a function from images ``(N, H, W, 3)`` to scores
                ``(N, K)``.

        Raises:
            InputError: the images or the target cannot be used, or the tuning does not say what scores mean.
            TargetError: the target failed.
        """
        from blackbox_dft.targets import make_target

        score = getattr(target, "scores", target)
        if isinstance(target, str | Path) or not callable(score):
            with make_target(target) as opened:
                self._warn_if_other(opened.name, opened.fingerprint)
                return self.predict(images, opened)
        if self.fitting.keeps_sizes and not isinstance(images, np.ndarray):
            # A batch cannot hold several sizes.
            singles = images if isinstance(images, list | tuple) else [images]
            each = [self.predict(one, target) for single in singles for one in as_batch(single)]
            return np.concatenate([np.zeros((0, len(self.labels))), *each])
        batch = self._resized(images)
        size = int(getattr(target, "batch", 0)) or PREDICTED_AT_ONCE
        found = [np.zeros((0, len(self.labels)))]
        for start in range(0, len(batch), size):
            some = batch[start : start + size]
            outputs = [np.asarray(score(view), np.float32) for view in self.sent_views(some)]
            if wrong := [one.shape for one in outputs if one.shape[:1] != (len(some),)]:
                raise InputError(f"the target returned {wrong[0]} for {len(some)} images: return a row for each.")
            found.append(self.decide(outputs if len(outputs) > 1 else outputs[0]))
        return np.concatenate(found)

    def _warn_if_other(self, name: str, fingerprint: str) -> None:
        """Warns of a target that is another than the run's, or is given its images otherwise."""
        learned = self.made.get("target_digest")
        if learned and learned != fingerprint and "://" not in name:
            warnings.warn(
                f"{name} is not what the tuning was learned on: another file, or read with other options. If it is the "
                "latter, pass make_target(path, TargetOptions(...)) with those of the run, which was: "
                f"{self.made.get('command')}",
                stacklevel=3,
            )

    def _resized(self, images: object) -> ImageBytes | Images:
        """Images of any sizes as a batch of the tuning's."""
        batches = [as_batch(one) for one in images] if isinstance(images, list | tuple) else [as_batch(images)]
        size, found = self.shape[:2], []
        for batch in batches:
            fits = batch.shape[1:3] == size and self.fitting.keeps_all and not self.fitting.keeps_sizes
            if not fits and batch.ndim == 4 and batch.shape[3] == 3:
                batch = np.stack([self.fitting(one, size) for one in to_bytes(to_floats(batch))])
            found.append(batch)
        if len({batch.dtype for batch in found}) > 1:
            found = [to_floats(batch) for batch in found]
        return self._batch(np.concatenate(found) if found else [])

    def map_to(self, labels: Sequence[str]) -> OutputMap | JoinedMap | None:
        """The output map to ``labels`` in their order; ``None`` if the run kept none.

        Raises:
            InputError: a label that the map was not fitted for.
        """
        if self.output_map is None or (isinstance(self.output_map, OutputMap) and self.output_map.family == "none"):
            return None
        if unknown := sorted(set(labels) - set(self.labels)):
            raise InputError(
                f"the output map was fitted for the labels {shortened(self.labels)}, and the data has {unknown[0]!r}: "
                "start a run with these labels, or one with --output-map none."
            )
        return self.output_map.for_labels([self.labels.index(label) for label in labels])

    def describe(self) -> dict[str, Any]:
        """What the file holds, and how it was made; JSON-ready."""
        joined = self.output_map
        each = joined.each if isinstance(joined, JoinedMap) else joined
        height, width, _ = self.shape
        return {
            "space": self.space,
            "numbers": len(self.z),
            "image_size": [height, width],
            "fit": self.fitting.fit,
            "encoding": self.encoding,
            "views": self.queries_per_image,
            "scores": self.scores,
            "labels": list(self.labels),
            "output_map": each.family if each else None,
            "digest": self.digest,
            **self.made,
        }

    @cached_property
    def _space(self) -> Space:
        # Kept for services, which pass one image at a time: to make a basis takes longer than to change an image.
        return self.make_space()

    @cached_property
    def view_space(self) -> Viewed:
        """The space of ``views``."""
        return Viewed(self._space, self.shape)

    def save(self, path: str | Path) -> None:
        """Writes a ``.npz`` file: the arrays ``z`` and ``shape``, and the rest as JSON in ``about``; no pickle.

        ``made`` is JSON of its own, which earlier versions do not look for.
        """
        arrays = self._arrays()
        if self.made:
            arrays["made"] = np.array(json.dumps(dict(self.made)))
        # Of 1,000 classes, the matrix of labels alone has 8 MB, nearly all of it zeros.
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """Of all that a result depends on; not of when and how the tuning was made."""
        arrays = sorted(self._arrays().items())
        return digest(*(part for name, array in arrays for part in (name, array.tobytes()))).hex()

    def _arrays(self) -> dict[str, Array]:
        about: dict[str, Any] = {
            "format": VIEWS_FORMAT if len(self.views) else FORMAT,
            "space": to_file(self.space),
            "epsilon": self.epsilon,
            "channels": self.channels,
            "encoding": self.encoding,
            "labels": self.labels,
            "scores": self.scores,
        }
        if self.fitting != Fitting():
            about["fitting"] = {name: value for name, value in asdict(self.fitting).items() if value is not None}
        if self.heads:
            about["heads"] = [asdict(head) for head in self.heads]
        arrays: dict[str, Array] = {"z": self.z, "shape": np.array(self.shape)}
        if len(self.views):
            arrays["views"] = self.views
        joined = self.output_map
        maps = (joined.each, joined.joint) if isinstance(joined, JoinedMap) else (joined,) if joined else ()
        for prefix, one in zip(MAP_PREFIXES, maps, strict=False):
            values = {f.name: getattr(one, f.name) for f in fields(OutputMap)}
            arrays |= {prefix + name: value for name, value in values.items() if isinstance(value, np.ndarray)}
            about[prefix[:-1]] = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        arrays["about"] = np.array(json.dumps(about))
        return arrays

    @classmethod
    def load(cls, path: str | Path) -> Tuning:
        """Reads a file that ``save`` wrote, or the ``tuning.npz`` of the run folder ``path``.

        Raises:
            InputError: the file does not exist, or is not a tuning.
        """
        path = Path(path)
        path = path / "tuning.npz" if path.is_dir() else path
        try:
            with np.load(path, allow_pickle=False) as file:
                about: dict[str, Any] = json.loads(str(file["about"]))
                z, shape = np.asarray(file["z"], np.float64), tuple(int(n) for n in file["shape"])
                arrays = {name: file[name] for name in file.files}
            made: dict[str, Any] = json.loads(str(arrays.pop("made", "{}")))
            if about.pop("format") not in FORMATS or len(shape) != 3:
                raise ValueError("written by another version")
            maps = [
                OutputMap(**parts, **{n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
                for prefix in MAP_PREFIXES
                if (parts := about.pop(prefix[:-1], None))
            ]
            if maps:
                about["output_map"] = JoinedMap(*maps) if len(maps) > 1 else maps[0]
            if "views" in arrays:
                about["views"] = np.asarray(arrays["views"], np.float64)
            about["labels"] = tuple(about.get("labels", ()))
            about["space"] = from_file(about["space"])
            about["fitting"] = Fitting(**about.get("fitting", {}))
            about["heads"] = tuple(
                Head(head["width"], tuple(head["centres"]), tuple(head["spreads"])) for head in about.get("heads", ())
            )
            return cls(z=z, shape=(shape[0], shape[1], shape[2]), made=made, **about)
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist: give the folder of a finished run, or its tuning.npz.") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(
                f"{path} is not a tuning of bbdft ({error}): give a run folder or its tuning.npz."
            ) from error


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _how_to_fit(shape: tuple[int, ...], wanted: tuple[int, int, int]) -> str:
    height, width, channels = wanted
    if shape == (channels, height, width):
        return "their channels come first: give images.transpose(0, 2, 3, 1)"
    if len(shape) == 3 and shape[-1] == channels:
        return "resize them first"
    return f"give (N, {height}, {width}, {channels}), RGB"
