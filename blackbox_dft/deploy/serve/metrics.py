"""Metrics of a service in the text format of Prometheus; each worker process has a row of the same shared numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from blackbox_dft._utils.types import Floats

PATHS = ("predict", "infer", "other")
STATUSES = ("200", "400", "401", "404", "405", "408", "413", "429", "500", "502", "503", "504", "other")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the buckets of times."""


def _line(name: str, labels: Mapping[str, str]) -> str:
    if not labels:
        return name
    return f"{name}{{{','.join(f'{key}=' + _quoted(value) for key, value in labels.items())}}}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True)
class Family:
    """A metric, and the values that its labels take."""

    name: str
    kind: str
    """``counter``, ``gauge`` or ``histogram``."""
    help: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def series(self) -> Iterator[str]:
        """Every line that it has, without the number."""
        for values in product(*(values for _, values in self.labels)):
            given = dict(zip((name for name, _ in self.labels), values, strict=True))
            if self.kind == "histogram":
                yield from (_line(f"{self.name}_bucket", given | {"le": end}) for end in (*map(str, SECONDS), "+Inf"))
                yield from (_line(f"{self.name}_{part}", given) for part in ("sum", "count"))
            else:
                yield _line(self.name, given)


FAMILIES = (
    Family("bbdft_requests_total", "counter", "Requests of clients.", (("path", PATHS), ("status", STATUSES))),
    Family("bbdft_request_seconds", "histogram", "From a request to the end of its response.", (("path", PATHS),)),
    Family("bbdft_requests_in_progress", "gauge", "Requests that are being worked on."),
    Family("bbdft_predictions_total", "counter", "Images that clients got a result for."),
    Family("bbdft_no_score_total", "counter", "Of them, those for which the target returned no usable score."),
    Family(
        "bbdft_upstream_images_total",
        "counter",
        "Images sent to the target: scored, or lost (sent without a usable response, and perhaps charged).",
        (("result", ("scored", "lost")),),
    ),
    Family("bbdft_upstream_seconds", "histogram", "From a request to the target to the end of its response."),
    Family(
        "bbdft_upstream_errors_total",
        "counter",
        "Requests to the target that failed.",
        (("kind", ("limited", "unserved", "late", "unreadable", "refused")),),
    ),
    Family("bbdft_upstream_retries_total", "counter", "Requests to the target that were sent again."),
)
LINES = tuple(line for family in FAMILIES for line in family.series())
"""One for each number of a row."""


class Metrics:
    """Counters of one worker, and the sums over all; not for several threads.

    >>> import numpy as np
    >>> metrics = Metrics(np.zeros((2, len(LINES))), worker=1, price=0.5)
    >>> metrics.add("bbdft_upstream_images_total", 3, result="scored")
    >>> [line for line in metrics.text().splitlines() if line.startswith("bbdft_cost")]
    ['bbdft_cost_total 1.5']

    Args:
        rows: ``(W, M)``, shared by W workers; M is the number of ``LINES``.
        worker: whose row is written to.
        price: of an image sent to the target.
        about: what the service is, as labels of ``bbdft_info``.
    """

    def __init__(
        self, rows: Floats, worker: int = 0, *, price: float | None = None, about: Mapping[str, str] | None = None
    ) -> None:
        self._rows, self._own, self._price, self._about = rows, rows[worker], price, dict(about or {})
        # What a worker before had in progress ended with it.
        self._own[_PLACES["bbdft_requests_in_progress"]] = 0

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Adds to a counter or a gauge."""
        self._own[_PLACES[_line(name, labels)]] += amount

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Adds a time to a histogram."""
        place = _PLACES[_line(f"{name}_bucket", labels | {"le": str(SECONDS[0])})]
        # Buckets of the format hold all that is at most as great.
        self._own[place + bisect_left(SECONDS, seconds) : place + len(SECONDS) + 1] += 1
        self._own[place + len(SECONDS) + 1 : place + len(SECONDS) + 3] += (seconds, 1)

    def total(self, name: str, **labels: str) -> float:
        """The sum of a series over all workers."""
        return float(self._rows[:, _PLACES[_line(name, labels)]].sum())

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request of a client."""
        known = str(status) if str(status) in STATUSES else "other"
        self.add("bbdft_requests_total", path=path, status=known)
        self.observe("bbdft_request_seconds", seconds, path=path)

    def text(self) -> str:
        """All metrics, of all workers; series that are zero in a family of many are left out."""
        sums = self._rows.sum(axis=0).tolist()
        lines, place = [], 0
        for family in FAMILIES:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            for line in family.series():
                if sums[place] or family.name != "bbdft_requests_total":
                    lines.append(f"{line} {_number(sums[place])}")
                place += 1
        scored = self.total("bbdft_predictions_total")
        share = self.total("bbdft_no_score_total") / scored if scored else 0.0
        lines += _gauge("bbdft_no_score_share", "Share of predictions without a score.", share)
        if self._price is not None:
            sent = sum(self.total("bbdft_upstream_images_total", result=result) for result in ("scored", "lost"))
            name = "bbdft_cost_total"
            lines += [f"# HELP {name} Price of all images sent.", f"# TYPE {name} counter"]
            lines.append(f"{name} {_number(self._price * sent)}")
        lines += _gauge(_line("bbdft_info", self._about), "What is served.", 1.0)
        return "\n".join(lines) + "\n"


def _gauge(series: str, about: str, value: float) -> Sequence[str]:
    name = series.partition("{")[0]
    return f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{series} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.9g}"


_PLACES = {line: place for place, line in enumerate(LINES)}
