"""Batcher: requests are joined up to the largest batch, and each gets its own rows or the error."""

import asyncio

import numpy as np

from blackbox_dft import TargetError
from blackbox_dft.deploy.serve.batching import Batcher


def test_requests_are_joined_up_to_the_largest_batch() -> None:
    sizes: list[int] = []

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(images))
        return {"doubled": 2 * images}

    async def serve() -> list[dict[str, np.ndarray]]:
        batcher = Batcher(run, max_batch=4, max_wait=0.2, workers=1)
        rows = [np.full((size, 1), float(number)) for number, size in enumerate((1, 2, 3, 1, 6))]
        results = await asyncio.gather(*map(batcher, rows))
        assert (batcher.images, batcher.batches) == (13, len(sizes))
        return results

    results = asyncio.run(serve())
    for number, (size, result) in enumerate(zip((1, 2, 3, 1, 6), results, strict=True)):
        np.testing.assert_array_equal(result["doubled"], np.full((size, 1), 2.0 * number))
    # A request larger than the largest batch goes alone.
    assert sizes == [3, 4, 6]


def test_an_error_goes_to_every_request_of_the_batch() -> None:
    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        raise TargetError("out of memory")

    async def serve() -> list[object]:
        batcher = Batcher(run, max_batch=4, max_wait=0.05, workers=1)
        return await asyncio.gather(*(batcher(np.zeros((1, 1))) for _ in range(3)), return_exceptions=True)

    assert [str(error) for error in asyncio.run(serve())] == ["out of memory"] * 3
