"""What a run is judged by, as reports show it: the metric before and after, its gain, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blackbox_dft._utils.text import percent

ACCURACY = "accuracy"
MEANINGS = {
    "accuracy": "Share of the test images that are classified rightly.",
    "balanced-accuracy": "Share of right decisions for each label, and the mean over the labels: all labels count the "
    "same, however many images they have.",
    "f1": "Twice the right decisions for a label over those decided for it and those of it; macro: the mean "
    "over labels.",
    "auc": "Chance that an image of the label has a greater probability of it than another image; macro: the mean over "
    "labels.",
    "cost": "What a decision costs on the average, by the table of costs: less is better, and a gain is a fall.",
}
"""Of the metrics, by the first word of their name."""


@dataclass(frozen=True)
class Outcome:
    """The metric of a run on its test images.

    >>> test = {"before": 0.5, "after": 0.75, "n": 1200, "ci95": [0.2, 0.3]}
    >>> shown = Outcome.of({"accuracy": {"test": test}, "threshold": {"test": 0.625, "ci95": [0.05, 0.2]}})
    >>> shown.level(shown.after), f"{shown.change(shown.gain)} {shown.unit}", shown.interval(shown.ci95)
    ('0.750', '+25.0 points', '+20.0 to +30.0')
    """

    name: str
    title: str
    """In words: ``balanced accuracy``."""
    before: float
    after: float
    n: int
    """Images."""
    gain: float
    ci95: Sequence[float]
    """Of the gain."""
    threshold: float
    """With the free threshold."""
    threshold_ci95: Sequence[float]
    """Of the gain over it."""
    parts: Mapping[str, float] | None
    """With the image change alone, the output map alone, and both; None in files of earlier versions."""
    scored: Mapping[str, Any] | None
    """Of the images with a score before and after, if there are others."""
    is_cost: bool = False

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Outcome:
        """Of a summary, of this version or an earlier one, whose metric is accuracy."""
        metric = summary.get("metric")
        if metric and metric["name"] != ACCURACY:
            return cls(
                metric["name"],
                metric["title"],
                metric["before"],
                metric["after"],
                metric["n"],
                metric["gain"],
                metric["ci95"],
                metric["threshold"],
                metric["threshold_ci95"],
                metric["parts"],
                metric["scored"],
                metric["less_is_better"],
            )
        test, threshold, parts = summary["accuracy"]["test"], summary["threshold"], summary.get("parts")
        return cls(
            ACCURACY,
            ACCURACY,
            test["before"],
            test["after"],
            test["n"],
            test["after"] - test["before"],
            test["ci95"],
            threshold["test"],
            threshold["ci95"],
            # Summaries of earlier versions have none, or others under that name.
            parts if isinstance(parts, Mapping) else None,
            summary.get("scored"),
        )

    @property
    def is_accuracy(self) -> bool:
        """Whether nothing but accuracy is shown."""
        return self.name == ACCURACY

    @property
    def unit(self) -> str:
        """Of a gain."""
        return "saved an image" if self.is_cost else "points"

    @property
    def factor(self) -> float:
        """From a gain to its unit."""
        return 1.0 if self.is_cost else 100.0

    @property
    def meaning(self) -> str:
        """What the metric is, in a sentence."""
        return MEANINGS[self.name.partition(":")[0]]

    @property
    def over_threshold(self) -> float:
        """The gain over the free threshold."""
        return self.gain_from(self.threshold)

    def gain_from(self, level: float) -> float:
        """What the result gains over a ``level`` of the metric."""
        return level - self.after if self.is_cost else self.after - level

    def worse_than_before(self, level: float) -> bool:
        """Whether a ``level`` is worse than the model as it was."""
        return level > self.before if self.is_cost else level < self.before

    def level(self, value: float) -> str:
        """A level of the metric, for a terminal."""
        return f"{value:.3g}" if self.is_cost else f"{value:.3f}"

    def shown(self, value: float) -> str:
        """A level of the metric, for a page: shares in percent."""
        return percent(value) if self.name in (ACCURACY, "balanced-accuracy") else self.level(value)

    def change(self, gain: float) -> str:
        """A gain with its sign, in ``unit``."""
        return f"{gain:+.3g}" if self.is_cost else f"{100 * gain:+.1f}"

    def amount(self, gain: float) -> str:
        """A gain without its sign, in ``unit``."""
        return f"{abs(gain):.3g}" if self.is_cost else f"{abs(100 * gain):.1f}"

    def interval(self, ci95: Sequence[float]) -> str:
        """The interval of a gain, in ``unit``."""
        return f"{self.change(ci95[0])} to {self.change(ci95[1])}"


def gain_of(summary: Mapping[str, Any]) -> float:
    """The gain of the metric that a summary's verdict is about."""
    if metric := summary.get("metric"):
        return float(metric["gain"])
    test = summary["accuracy"]["test"]
    return float(test["after"] - test["before"])


def accuracy_beside(summary: Mapping[str, Any]) -> str:
    """Accuracy before and after, for runs that are judged by another metric; else empty."""
    if Outcome.of(summary).is_accuracy:
        return ""
    test = summary["accuracy"]["test"]
    return f"accuracy {test['before']:.3f} -> {test['after']:.3f}"
