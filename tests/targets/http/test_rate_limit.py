"""RateLimit: what it reads, and that requests are spaced."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from blackbox_dft import InputError
from blackbox_dft.targets.http.rate_limit import RateLimit
from tests.conftest import Bbdft
from tests.helpers.serving import serving


def test_a_rate_limit_holds_for_inspection(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        began = time.monotonic()
        found = json.loads(bbdft("inspect", url, "--rate", "10/s", "--json", code=0).stdout)
        assert time.monotonic() - began > 1
    assert found["profile"] == "v2"
    assert max(map(float, found["images_per_second"].values())) <= 10 * 64 * 1.1


@pytest.mark.parametrize(("text", "gap"), [("10/s", 0.1), ("600/m", 0.1), ("0.5/min", 120), ("5000/h", 0.72)])
def test_rates_that_are_read(text: str, gap: float) -> None:
    assert RateLimit.parse(text).gap == pytest.approx(gap)


@pytest.mark.parametrize("text", ["", "fast", "10", "10/d", "0/s", "-1/s", "inf/s", "nan/s", "/s"])
def test_rates_that_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="write 10/s, 600/m or 5000/h"):
        RateLimit.parse(text)


def test_requests_are_spaced() -> None:
    limit = RateLimit(100, 1)

    async def ten() -> float:
        began = time.monotonic()
        await asyncio.gather(*(limit.wait() for _ in range(10)))
        return time.monotonic() - began

    # The first of ten waits for nothing.
    assert 0.085 < asyncio.run(ten()) < 1
