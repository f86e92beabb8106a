"""Scores of images in one input form after another, through a ledger: what is recorded is paid for once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import blake2b

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Bools, Floats, ImageBytes, Ints, Scores
from blackbox_dft.data.originals import Originals
from blackbox_dft.errors import BudgetError
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import Kind, OutputDecoder, class_count, infer_kind, label_matrix
from blackbox_dft.run.input_race import Scoring
from blackbox_dft.run.label_order import LabelOrder, assumed_names, better_order
from blackbox_dft.scoring.backends.base import Send
from blackbox_dft.scoring.dispatcher import Dispatcher, FixedConcurrency, Request
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.base import ConcurrentTarget, Target
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.onnx.target import OnnxTarget

PHASE = "input"
"""Of the ledger."""
BATCH = 16
"""Images that are held at once,"""
MAX_AHEAD = 256
"""or so many if they are scored in several forms side by side."""
MIN_SHARE = 0.01
"""Probabilities below this share of chance are raised to it."""


class FormScoring(Scoring):
    """Scores labelled images in any form; the same pixels in the same format count once.

    Args:
        target: an ``OnnxTarget``, which takes any format, or another target, to which it means nothing.
        originals: the images.
        size: (height, width) of forms that have none of their own.
        ledger: of the run; in memory if there is none.
        budget: images that may be scored here.
        map: the model's classes for each label, as from ``parse_map``.
        recorded: scores ``(K,)`` by key that need not be computed again, though they count.
        scored: called with the number of images of every response.
    """

    def __init__(
        self,
        target: Target,
        originals: Originals,
        size: tuple[int, int],
        ledger: Ledger,
        *,
        budget: int,
        map: Mapping[str, tuple[str, ...]] | None = None,
        recorded: MutableMapping[bytes, Scores] | None = None,
        scored: Callable[[int], None] = lambda images: None,
    ) -> None:
        self.target, self.originals, self.size, self.ledger = target, originals, size, ledger
        self.budget, self.map, self.recorded = budget, map or {}, {} if recorded is None else recorded
        self.order: LabelOrder | None = None
        """Another order of the outputs than is assumed; the next scores are read by it."""
        self._used: set[bytes] = set()
        self._keys: dict[tuple[Form, int], bytes] = {}
        """Of images that were scored ahead, by form and number."""
        self._kind: Kind | None = None
        self._names: tuple[str, ...] | None = target.classes
        self._threads = ThreadPoolExecutor(target.workers, "score")
        self._dispatcher = Dispatcher(ledger, scored, FixedConcurrency(target.workers))

    @property
    def queries(self) -> int:
        """Images scored, those whose scores were recorded included."""
        return len(self._used)

    @override
    def __call__(self, form: Form, images: Ints) -> tuple[Floats, Bools]:
        raw, truth = self.raw(form, images), self.originals.labels[images]
        probabilities = self._decoder(raw)(raw)
        least = MIN_SHARE / probabilities.shape[1]
        of_label = np.nan_to_num(probabilities[np.arange(len(truth)), truth], nan=0.0)
        return -np.log(np.clip(of_label, least, 1)), np.asarray(decide(probabilities) == truth, np.bool_)

    @override
    def ahead(self, wanted: Sequence[tuple[Form, Ints]]) -> None:
        if sum(len(images) for _, images in wanted) > MAX_AHEAD:
            return
        new: dict[str, tuple[Target, dict[bytes, ImageBytes]]] = {}
        for form, images in wanted:
            target, keys, pixels = self._sent(form, images)
            _, own = new.setdefault(target.fingerprint, (target, {}))
            own.update((key, one) for key, one in zip(keys, pixels, strict=True) if key not in self._used)
            self._keys.update(((form, number), key) for number, key in zip(images.tolist(), keys, strict=True))
        if self.queries + sum(len(own) for _, own in new.values()) <= self.budget:
            self._score(list(new.values()))

    def look_at_order(self, seen: Mapping[Form, Ints]) -> bool:
        """Whether the answers show another order of the outputs, which is taken from now on.

        ``seen`` are images of forms: in a wrong form, the answers show nothing.
        """
        for form, images in seen.items():
            raw = self.raw(form, images)
            names = self._order_names(raw)
            found = better_order(
                raw, self.originals.labels[images], self.originals.classes, names, self._kind_of(raw), self.map
            )
            if found and (self.order is None or found.after > self.order.after):
                self.order = found
        if self.order:
            self._names = self.order.classes
        return self.order is not None

    def raw(self, form: Form, images: Ints) -> Scores:
        """Raw scores ``(N, K)`` of images by number.

        Raises:
            BudgetError: the budget does not cover them; none of a part of ``BATCH`` was scored.
            TargetError: the target failed; the scores it gave before are recorded.
        """
        parts = [self._part(form, images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        return np.concatenate(parts)

    def close(self) -> None:
        """Records what is under way."""
        self._dispatcher.drain()
        self._threads.shutdown()

    def _part(self, form: Form, images: Ints) -> Scores:
        known = [self._keys.get((form, number), b"") for number in images.tolist()]
        within = self.queries + len(set(known) - self._used) <= self.budget
        if within and all(key in self.ledger for key in known):
            self._used.update(known)
            return self.ledger.scores(known)
        target, keys, pixels = self._sent(form, images)
        new = {key: one for key, one in zip(keys, pixels, strict=True) if key not in self._used}
        if self.queries + len(new) > self.budget:
            raise BudgetError(f"the budget of {self.budget} queries is spent: give a larger --budget.")
        self._score([(target, new)])
        self._used.update(new)
        return self.ledger.scores(keys)

    def _sent(self, form: Form, images: Ints) -> tuple[Target, list[bytes], list[ImageBytes]]:
        """What scores the images in a form, and their keys and pixels there."""
        target = self.target
        if isinstance(target, OnnxTarget) and form.format:
            target = target.with_format(form.format)
        pixels = [form.pixels(self.originals.image(number), self.size) for number in images.tolist()]
        return target, [_key(target, one) for one in pixels], pixels

    def _score(self, wanted: Sequence[tuple[Target, Mapping[bytes, ImageBytes]]]) -> None:
        """Scores the pixels by key that are not in the ledger yet, those of all targets side by side."""
        requests, scored = [], []
        for target, new in wanted:
            if elsewhere := [key for key in new if key not in self.ledger and key in self.recorded]:
                self.ledger.enter(elsewhere, np.stack([self.recorded[key] for key in elsewhere]))
            missing = {key: one for key, one in new.items() if key not in self.ledger}
            scored += list(missing)
            requests += [
                Request(PHASE, list(some), partial(self._prepare, target, np.stack([missing[key] for key in some])))
                for some in _requests(missing, target.batch)
            ]
        if requests:
            self._dispatcher.run(self._dispatcher.add(requests))
            self.recorded.update(zip(scored, self.ledger.scores(scored), strict=True))

    def _prepare(self, target: Target, pixels: ImageBytes) -> Future[Send]:
        if isinstance(target, ConcurrentTarget):
            prepared: Future[Send] = Future()
            prepared.set_result(target.prepare(pixels))
            return prepared
        send: Future[Send] = Future()
        send.set_result(partial(self._threads.submit, target.scores, pixels))
        return send

    def _kind_of(self, raw: Scores) -> Kind:
        if self._kind is None:
            self._kind = infer_kind(raw, len(self._names) if self._names else None)
        return self._kind

    def _order_names(self, raw: Scores) -> tuple[str, ...]:
        count = self._count(raw)
        if self._names is None:
            self._names = assumed_names(self.originals.classes, None, count)
        return self._names or tuple(map(str, range(count)))

    def _count(self, raw: Scores) -> int:
        kind = self._kind_of(raw)
        count = class_count(raw, kind, self._names)
        if kind == "index" and not self._names:
            return max(count, len(self.originals.classes))
        return count

    def _decoder(self, raw: Scores) -> OutputDecoder:
        names = self._order_names(raw)
        return OutputDecoder(self._kind_of(raw), label_matrix(self.originals.classes, names, len(names), self.map))


def _key(target: Target, pixels: ImageBytes) -> bytes:
    height, width = pixels.shape[:2]
    name = blake2b(f"{target.fingerprint} {height}x{width}".encode(), digest_size=32).digest()
    return blake2b(np.ascontiguousarray(pixels).tobytes(), key=name, digest_size=16).digest()


def _requests(missing: Mapping[bytes, ImageBytes], batch: int) -> list[Sequence[bytes]]:
    """Keys cut into requests, each of images of one size."""
    by_size: dict[tuple[int, ...], list[bytes]] = {}
    for key, pixels in missing.items():
        by_size.setdefault(pixels.shape, []).append(key)
    return [keys[start : start + batch] for keys in by_size.values() for start in range(0, len(keys), batch)]
