"""A finished run as it is used: its tuning, and its target as the options of today call it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.paths import require_files
from blackbox_dft.run.record import RunRecord, with_cluster


@dataclass(frozen=True, eq=False)
class RunInUse:
    """A finished run, opened by ``open_run``."""

    run: Path
    record: RunRecord
    """As the run was started."""
    config: Config
    """The same with the options of today."""
    tuning: Tuning


def open_run(
    run: str | Path,
    *,
    cluster: str | None = None,
    workers: int | None = None,
    rate: str | None = None,
    price: float | None = None,
) -> RunInUse:
    """Reads the finished ``run``; its target is not opened yet.

    Args:
        run: its folder.
        cluster: where the model runs now, as for ``with_cluster``.
        workers: calls, or actors, side by side.
        rate: of requests to a URL; by default as in the run.
        price: of one image scored; by default as in the run.

    Raises:
        InputError: there is no run, it is not finished, its model is gone, or it does not say what scores mean.
    """
    run = Path(run)
    record = RunRecord.read(run)
    tuning = _usable_tuning(run)
    require_files(record.config, run, ("target",))
    config = with_cluster(record.config, cluster, workers)
    if rate is not None:
        config = replace(config, target_options=replace(config.target_options, rate=rate))
    return RunInUse(run, record, config if price is None else replace(config, price=price), tuning)


def _usable_tuning(run: Path) -> Tuning:
    if not (run / "summary.json").exists():
        raise InputError(f"{run} is not finished: continue it with 'bbdft resume {run}'.")
    tuning = Tuning.load(run)
    if tuning.scores is None or tuning.output_map is None:
        raise InputError(f"{run} does not say what the scores mean: give 'bbdft resume {run}', which adds it.")
    return tuning
