"""What a run is judged by, as reports show it: the metric before and after, its gain, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
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
class MetricWords:
    """How reports say levels and gains of a metric.

    >>> words = MetricWords("f1:smile", "F1 of smile", less_is_better=False)
    >>> words.level(0.75), f"{words.change(0.0125)} {words.unit}", words.interval((-0.01, 0.035))
    ('0.750', '+1.2 points', '-1.0 to +3.5')
    """

    name: str
    title: str
    """In words: ``balanced accuracy``."""
    less_is_better: bool
    """Whether it is a cost: a gain is a fall."""

    @classmethod
    def of_comparison(cls, results: Mapping[str, Any]) -> MetricWords:
        """Of a comparison of this version or an earlier one, whose metric is accuracy."""
        found = results.get("metric")
        return cls(found["name"], found["title"], found["less_is_better"]) if found else cls(ACCURACY, ACCURACY, False)

    @property
    def is_accuracy(self) -> bool:
        """Whether nothing but accuracy is shown."""
        return self.name == ACCURACY

    @property
    def heading(self) -> str:
        """Its level on test images, for the head of a chart or table."""
        return f"Test {self.title}"

    @property
    def unit(self) -> str:
        """Of a gain."""
        return "saved an image" if self.less_is_better else "points"

    @property
    def factor(self) -> float:
        """From a gain to its unit."""
        return 1.0 if self.less_is_better else 100.0

    @property
    def meaning(self) -> str:
        """What the metric is, in a sentence."""
        return MEANINGS[self.name.partition(":")[0]]

    @property
    def unit_meaning(self) -> str:
        """What the unit of a gain is, in a sentence."""
        if self.less_is_better:
            return "What a decision costs less than before, on the average over the images; below 0 it costs more."
        return f"Hundredths of the {self.title}: from .740 to .750 is one point."

    def level(self, value: float) -> str:
        """A level of the metric, for a terminal."""
        return f"{value:.3g}" if self.less_is_better else f"{value:.3f}"

    def shown(self, value: float) -> str:
        """A level of the metric, for a page: shares in percent."""
        return percent(value) if self.name in (ACCURACY, "balanced-accuracy") else self.level(value)

    def change(self, gain: float) -> str:
        """A gain with its sign, in ``unit``."""
        return f"{gain:+.3g}" if self.less_is_better else f"{100 * gain:+.1f}"

    def amount(self, gain: float) -> str:
        """A gain without its sign, in ``unit``."""
        return f"{abs(gain):.3g}" if self.less_is_better else f"{abs(100 * gain):.1f}"

    def interval(self, ci95: Sequence[float]) -> str:
        """The interval of a gain, in ``unit``."""
        return f"{self.change(ci95[0])} to {self.change(ci95[1])}"


@dataclass(frozen=True)
class Outcome(MetricWords):
    """The metric of a run on its test images; its fields are those of a summary's ``metric``.

    >>> test = {"before": 0.5, "after": 0.75, "n": 1200, "ci95": [0.2, 0.3]}
    >>> shown = Outcome.of({"accuracy": {"test": test}, "threshold": {"test": 0.625, "ci95": [0.05, 0.2]}})
    >>> shown.level(shown.after), f"{shown.change(shown.gain)} {shown.unit}", shown.interval(shown.ci95)
    ('0.750', '+25.0 points', '+20.0 to +30.0')
    """

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

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Outcome:
        """Of a summary, of this version or an earlier one, whose metric is accuracy."""
        metric = summary.get("metric")
        if metric and metric["name"] != ACCURACY:
            return cls(**{field.name: metric[field.name] for field in fields(cls)})
        test, threshold, parts = summary["accuracy"]["test"], summary["threshold"], summary.get("parts")
        return cls(
            name=ACCURACY,
            title=ACCURACY,
            less_is_better=False,
            before=test["before"],
            after=test["after"],
            n=test["n"],
            gain=test["after"] - test["before"],
            ci95=test["ci95"],
            threshold=threshold["test"],
            threshold_ci95=threshold["ci95"],
            # Summaries of earlier versions have none, or others under that name.
            parts=parts if isinstance(parts, Mapping) else None,
            scored=summary.get("scored"),
        )

    @property
    def over_threshold(self) -> float:
        """The gain over the free threshold."""
        return self.gain_from(self.threshold)

    def gain_from(self, level: float) -> float:
        """What the result gains over a ``level`` of the metric."""
        return level - self.after if self.less_is_better else self.after - level

    def worse_than_before(self, level: float) -> bool:
        """Whether a ``level`` is worse than the model as it was."""
        return level > self.before if self.less_is_better else level < self.before


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
