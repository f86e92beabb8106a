"""Changes of batches by a few images at a time: the same bits as ``apply``, from bytes, in blocks of any size."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft._utils.types import Floats, Images
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import blocks, make_space
from blackbox_dft.spaces.base import Space, ZeroIdentity
from blackbox_dft.spaces.blocks import changed_images
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import KEPT_BYTES, Scratch, scratch_of_thread
from blackbox_dft.spaces.viewed import Viewed
from tests.helpers.models import SHAPE, photos
from tests.helpers.spaces import SPECS, images

BYTES_FIRST = ["color+affine", "color+affine:black+dct:4", "contrast+color", "color+contrast"]


@pytest.mark.parametrize("spec", [*SPECS, *BYTES_FIRST])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_bytes_and_floats_in_blocks_of_any_size_give_the_same_bits(spec: str, data: st.DataObject) -> None:
    batch = data.draw(images)
    paired = data.draw(st.booleans())
    seed = data.draw(st.integers(0, 2**16))
    space = make_space(spec, SHAPE)
    z = 3 * np.random.default_rng(seed).normal(size=(len(batch), space.size) if paired else space.size)
    if paired:
        z[0] = space.initial()
    # One image after the other, as floats.
    rows = z if paired else np.broadcast_to(z, (len(batch), space.size))
    wanted = np.concatenate([space.apply(one[None], own) for one, own in zip(to_floats(batch), rows, strict=True)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", data.draw(st.integers(1, 4)) * 4 * batch[0].size)
        np.testing.assert_array_equal(changed_images(space, batch, z, levels=False), wanted)
        np.testing.assert_array_equal(changed_images(space, to_floats(batch), z, levels=False), wanted)
        np.testing.assert_array_equal(changed_images(space, batch, z, levels=True), to_bytes(wanted))
        np.testing.assert_array_equal(space.apply(to_floats(batch), z), wanted)


def test_views_in_blocks_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    batch, space = photos(6), Viewed(make_space("color+affine", SHAPE), SHAPE)
    z = np.random.default_rng(0).normal(size=(6, space.size))
    z[:, 0] = [0, 1, 0, 1, 1, 0]
    moved = z.copy()
    moved[:, 1:5] = 0
    for views in (z, moved, z[3:4], moved[3:4]):
        wanted = [
            space.apply(to_floats(batch[n : n + 1]), view)
            for n, view in enumerate(np.broadcast_to(views, (6, space.size)))
        ]
        np.testing.assert_array_equal(changed_images(space, batch, views, levels=False), np.concatenate(wanted))
    mirrored = changed_images(space, batch, np.eye(1, space.size)[0], levels=True)
    np.testing.assert_array_equal(mirrored, batch[:, :, ::-1])


def test_images_given_stay_as_they_are_and_results_are_kept() -> None:
    batch = photos(5)
    floats = to_floats(batch)
    kept = floats.copy(), batch.copy()
    space = make_space("color+affine", SHAPE)
    z = np.random.default_rng(0).normal(size=(3, space.size))
    first = changed_images(space, floats, z[0], levels=False)
    before = first.copy()
    changed_images(space, floats, z[1], levels=False)
    changed_images(space, batch, z[2], levels=True)
    np.testing.assert_array_equal(first, before)
    np.testing.assert_array_equal(floats, kept[0])
    np.testing.assert_array_equal(batch, kept[1])
    assert changed_images(space, batch[:0], z[0], levels=True).shape == (0, *SHAPE)


@pytest.mark.parametrize("spec", ["affine", "affine:mean", "affine+color", "color+affine"])
def test_what_other_batches_left_in_memory_has_no_effect(spec: str) -> None:
    batch, space = photos(4), make_space(spec, SHAPE)
    z = np.random.default_rng(0).normal(size=(4, space.size))
    wanted = space.apply(to_floats(batch), z)
    for left in (np.nan, np.inf, -1e30):
        with scratch_of_thread() as scratch:
            for _ in range(8):
                scratch((4, *SHAPE)).fill(left)
        np.testing.assert_array_equal(changed_images(space, batch, z, levels=False), wanted)


def test_threads_do_not_share_arrays() -> None:
    batch, space = photos(12), make_space("color+affine", SHAPE)
    z = np.random.default_rng(0).normal(size=(40, space.size))
    wanted = [changed_images(space, batch, one, levels=True) for one in z]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: changed_images(space, batch, one, levels=True), z))
    np.testing.assert_array_equal(found, wanted)


class Twice(ZeroIdentity):
    """A third party's space, without blocks, which applies another one twice."""

    spec, size = "twice", 10
    names = tuple("abcdefghij")
    lower, upper = np.full(10, -9.0), np.full(10, 9.0)

    def __init__(self) -> None:
        self.inner = make_space("color+affine", SHAPE)

    def apply(self, images: Images, z: Floats) -> Images:
        return self.inner.apply(self.inner.apply(images, z), z)

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        return planes


def test_a_batch_within_a_batch_gets_arrays_of_its_own() -> None:
    from blackbox_dft.spaces.composed import Composed

    color = make_space("color", SHAPE)
    space: Space = Composed((color, Twice()))
    z = np.random.default_rng(0).normal(size=(4, space.size))
    batch = photos(4)
    wanted = Twice().apply(color.apply(to_floats(batch), z[:, :6]), z[:, 6:])
    np.testing.assert_array_equal(changed_images(space, batch, z, levels=False), wanted)


def test_a_thread_keeps_arrays_for_its_next_batch_but_no_large_ones() -> None:
    with scratch_of_thread() as scratch:
        small, large = scratch((4, 4)), scratch((KEPT_BYTES,), np.uint8)
        assert scratch.owns(small[:2].reshape(-1))
        assert scratch.owns(large)
        assert not scratch.owns(np.zeros((4, 4), np.float32))
        with scratch_of_thread() as inner:
            assert not np.shares_memory(inner((4, 4)), small)
    with scratch_of_thread() as scratch:
        again = scratch((2, 4, 2))
        assert isinstance(scratch, Scratch)
        assert again.shape == (2, 4, 2)
    with scratch_of_thread() as scratch:
        assert np.shares_memory(scratch((4, 4)), again)
