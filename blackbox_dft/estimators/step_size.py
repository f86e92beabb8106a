"""Normalised step of the gradient estimators: Adam with one scale for all coordinates."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.validation import check_decay_rates, check_positive


class NormalisedStep:
    """Adam's direction with one scale for all coordinates (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1).

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) |g|^2 / k``, step ``- a_t m^ / sqrt(v^)`` with both moments
    corrected for their start at zero. So the scale of a task's losses needs no tuning. Adam keeps ``v`` for each
    coordinate; here noise exceeds the gradient by far and is alike in all coordinates, so that the mean over them is
    the better estimate. If a gradient is mostly noise, ``m`` is short beside ``sqrt(v)`` and the step shrinks.

    A gradient averaged over fewer slopes than it has coordinates is mostly noise, and its steps add up to a random walk
    in all coordinates; the length is therefore scaled by ``sqrt(min(1, 2 slopes / k))``, which keeps the walk as long.

    The length falls as ``a_t = step / sqrt(1 + t / decay)``, a function of the step number alone, so that a longer
    run begins as a shorter one does.

    >>> step = NormalisedStep(2, slopes=8, step=0.5, momentum=0.9, memory=0.99, decay=0)
    >>> step(np.array([3.0, -3.0]))
    array([-0.5,  0.5])

    Args:
        size: k, length of the gradients.
        slopes: how many slopes each gradient is the mean of.
        step: a, in units of z.
        momentum: b1.
        memory: b2.
        decay: steps until a has fallen to 0.7 of its start; 0 for never.

    Raises:
        InputError: a step or a weight that no search can run with.
    """

    def __init__(self, size: int, slopes: int, *, step: float, momentum: float, memory: float, decay: float) -> None:
        check_positive(step=step)
        check_decay_rates(momentum=momentum, memory=memory)
        step *= min(1.0, 2 * slopes / size) ** 0.5
        self.step, self.momentum, self.memory, self.decay = step, momentum, memory, decay
        self._mean = np.zeros(size)
        self._square = 0.0
        self._count = 0

    def __call__(self, gradient: Floats) -> Floats:
        """The change of z ``(k,)`` for a gradient estimate ``(k,)``."""
        self._count += 1
        self._mean = self.momentum * self._mean + (1 - self.momentum) * gradient
        self._square = self.memory * self._square + (1 - self.memory) * float(np.mean(gradient**2))
        if self._square == 0:
            return np.zeros_like(gradient)
        mean = self._mean / (1 - self.momentum**self._count)
        square = self._square / (1 - self.memory**self._count)
        length = self.step / np.sqrt(1 + (self._count - 1) / self.decay) if self.decay else self.step
        return np.asarray(-length * mean / np.sqrt(square))
