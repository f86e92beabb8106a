"""What a tuning is worth: paired statistics on held-out answers, the free threshold, and how far images moved.

Everything here is a function of answers already paid for; nothing asks the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, log_softmax

from blackbox_dft.arrays import Floats, ImageBytes, Ints
from blackbox_dft.objectives import decide

RESAMPLES = 10_000
PULL = 0.1
"""Weight of the squared biases and logarithmic slope of a threshold, against the log likelihood of all images."""

SMALLEST = 1e-9
"""Probabilities below this are taken for it, so that their logarithm is finite; a threshold may be that extreme."""


@dataclass(frozen=True)
class Comparison:
    """Two decisions on the same images: accuracies, the interval of their difference, and the sign test."""

    before: float
    after: float
    n: int
    ci95: tuple[float, float]
    mcnemar_p: float


def compare(before: Floats, after: Floats, labels: Ints, groups: Ints | None = None) -> Comparison:
    """Accuracy of probabilities ``after (N, L)`` against ``before (N, L)`` on the same images.

    The interval is the percentile bootstrap over images (Efron 1979), over whole groups where several images show one
    person, since their answers hang together. McNemar's test is exact (binomial on the images whose decision changed).
    """
    right_before, right_after = decide(before) == labels, decide(after) == labels
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    # Of a fair coin both tails weigh the same, and they share the middle.
    p = min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))
    low, high = bootstrap(right_after.astype(float) - right_before, groups)
    return Comparison(float(right_before.mean()), float(right_after.mean()), len(labels), (low, high), p)


def bootstrap(differences: Floats, groups: Ints | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``differences (N,)``, resampling whole groups."""
    _, member = np.unique(np.arange(len(differences)) if groups is None else groups, return_inverse=True)
    sums, counts = np.bincount(member, differences), np.bincount(member).astype(float)
    # Groups alike in sum and size are interchangeable: drawing how often each kind occurs is the same and far cheaper.
    kinds, how_many = np.unique(np.stack([sums, counts], 1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), how_many / len(sums), size=RESAMPLES)
    means = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A shift of the decision that costs no query: ``arg max (log p + bias)``."""

    bias: Floats

    def __call__(self, probabilities: Floats) -> Floats:
        """Shifted probabilities ``(N, L)``, rows summing to 1."""
        return np.exp(log_softmax(np.log(np.clip(probabilities, SMALLEST, 1)) + self.bias, axis=1))


def fit_threshold(probabilities: Floats, labels: Ints) -> Calibration:
    """The free baseline, fitted on ``probabilities (N, L)`` of unchanged images.

    One bias a label and one slope for all, by penalised maximum likelihood (Platt 1999). The most accurate cut itself
    would be a worse rival: what it gains by chance on a few dozen images it loses on others (``docs/research.md``).
    """
    # Takes longer to load than a small run takes, and much of what this module is read for has no threshold.
    from scipy.optimize import minimize

    logs = np.log(np.clip(probabilities, SMALLEST, 1))
    truth = np.eye(logs.shape[1])[labels]

    def loss(parameters: Floats) -> float:
        slope = np.exp(parameters[-1])
        likelihood = (log_softmax(logs * slope + parameters[:-1], axis=1) * truth).sum()
        # Less than one image says: it decides where a label never occurs.
        return float((PULL * (parameters**2).sum() - likelihood) / len(labels))

    found = minimize(loss, np.zeros(logs.shape[1] + 1), method="L-BFGS-B").x
    return Calibration(np.asarray(found[:-1] / np.exp(found[-1])))


def psnr(before: ImageBytes, after: ImageBytes) -> float | None:
    """Mean peak signal-to-noise ratio in dB of 8-bit images ``(N, H, W, C)``; ``None`` where none of them changed."""
    errors = ((before.astype(np.float32) - after) ** 2).mean(axis=(1, 2, 3))
    changed = errors[errors > 0]
    return float(np.mean(10 * np.log10(255**2 / changed))) if changed.size else None


def ssim(before: ImageBytes, after: ImageBytes) -> float:
    """Mean structural similarity of the luma of 8-bit images (Wang et al. 2004: Gaussian window of 1.5 px)."""
    import cv2

    values = []
    for pair in zip(before, after, strict=True):
        x, y = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in pair)
        mx, my, xx, yy, xy = (cv2.GaussianBlur(m, (11, 11), 1.5) for m in (x, y, x * x, y * y, x * y))
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        top = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
        values.append((top / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean())
    return float(np.mean(values))
