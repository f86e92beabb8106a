"""The text format of Prometheus, and sums over processes."""

import numpy as np

from blackbox_dft.deploy.serve.metrics import LINES, Metrics


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_histograms_are_cumulative_and_sums_are_over_all_workers() -> None:
    rows = np.zeros((2, len(LINES)))
    one, two = Metrics(rows, 0), Metrics(rows, 1, price=0.5, about={"model": 'a"b\\c\nd'})
    for metrics, seconds in ((one, 0.005), (two, 0.3), (two, 99.0)):
        metrics.request("predict", 200, seconds)
    one.request("other", 418, 0.1)
    one.add("bbdft_upstream_images_total", 3, result="scored")
    two.add("bbdft_upstream_images_total", result="lost")
    text = two.text()
    found = values(text)
    bucket = 'bbdft_request_seconds_bucket{path="predict",le="%s"}'
    assert [found[bucket % end] for end in ("0.005", "0.25", "0.5", "30.0", "+Inf")] == [1, 1, 2, 2, 3]
    assert found['bbdft_request_seconds_sum{path="predict"}'] == 99.305
    assert found['bbdft_requests_total{path="predict",status="200"}'] == 3
    assert found['bbdft_requests_total{path="other",status="other"}'] == 1
    assert found["bbdft_cost_total"] == 2
    assert 'bbdft_info{model="a\\"b\\\\c\\nd"} 1' in text
    assert text.count("# TYPE bbdft_request_seconds histogram") == 1


def test_what_a_dead_worker_had_in_progress_is_forgotten_and_its_counts_stay() -> None:
    rows = np.zeros((1, len(LINES)))
    dead = Metrics(rows)
    dead.add("bbdft_requests_in_progress", 3)
    dead.add("bbdft_predictions_total", 5)
    found = values(Metrics(rows).text())
    assert (found["bbdft_requests_in_progress"], found["bbdft_predictions_total"]) == (0, 5)
