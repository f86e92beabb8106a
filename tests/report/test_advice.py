"""What to do with a finished run."""

from typing import Any

import pytest

from blackbox_dft.report.advice import advice
from blackbox_dft.run.config import Config


def summary(verdict: str, target: str = "model.onnx", gain: float = 0.0, **more: Any) -> dict[str, Any]:
    test = {"before": 0.5, "after": 0.5 + gain}
    return {"verdict": verdict, "target": target, "accuracy": {"test": test}, "budget": 1000, **more}


URL = "https://me:secret@host/score?key=1234"


@pytest.mark.parametrize(
    ("found", "config", "command"),
    [
        (summary("improved"), None, "bbdft export 'a run' tuned.onnx --fuse model.onnx"),
        # What the fused path could not do, a fused file cannot either.
        (
            summary("improved"),
            Config("model.onnx", "labels.csv", path="array"),
            "bbdft predict 'a run' IMAGES --out labels.csv",
        ),
        (summary("improved", URL), None, "bbdft predict 'a run' IMAGES --out labels.csv"),
        (
            summary("no significant change") | {"accuracy": {"test": {"before": 1.0, "after": 1.0}}},
            None,
            "bbdft evaluate 'a run' --data DATA --split all",
        ),
        (summary("no significant change", gain=0.01), None, "bbdft resume 'a run' --budget 2000"),
        (
            summary("no significant change", URL, proof={"method": "betting", "decided_at": None}),
            None,
            "bbdft resume 'a run' --budget 2000",
        ),
        (
            summary("worse", gain=-0.01),
            Config("model.onnx", "labels.csv", label="Male"),
            "bbdft inspect model.onnx --data labels.csv --find-input --label Male",
        ),
        (
            summary("no significant change", "job:score"),
            Config("job:score", "labels.csv", space="color", budget=1000),
            "bbdft optimize job:score --data labels.csv --budget 2000 --out 'a run-2'",
        ),
    ],
)
def test_every_verdict_has_its_command(found: dict[str, Any], config: Config | None, command: str) -> None:
    assert advice(found, "a run", config).command == command


def test_no_secret_is_shown() -> None:
    found = advice(summary("worse", URL), "run", Config(URL, "labels.csv"))
    assert "secret" not in str(found)
    assert "1234" not in str(found)
    assert "--data labels.csv" in found.command
