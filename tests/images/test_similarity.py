"""PSNR and SSIM of changes whose values are known."""

import numpy as np
import pytest

from blackbox_dft.images.similarity import psnr, ssim


def test_psnr_is_averaged_over_the_images_that_changed() -> None:
    images = np.random.default_rng(0).integers(0, 247, (2, 32, 32, 3)).astype(np.uint8)
    assert psnr(images, images) is None
    assert psnr(images, images + 8) == pytest.approx(20 * np.log10(255 / 8), abs=1e-4)
    one = images.copy()
    one[0] += 4
    assert psnr(images, one) == pytest.approx(20 * np.log10(255 / 4), abs=1e-4)


def test_ssim_is_one_for_equal_images_and_falls_with_contrast() -> None:
    images = np.random.default_rng(0).integers(0, 247, (2, 32, 32, 3)).astype(np.uint8)
    assert ssim(images, images) == pytest.approx(1)
    assert ssim(images, 255 - images) < 0.1 < ssim(images, images + 8)
    # Without structure only the means count: (2 * 100 * 120 + C1) / (100^2 + 120^2 + C1), C1 = (.01 * 255)^2.
    flat = np.full((1, 32, 32, 3), 100, np.uint8)
    assert ssim(flat, flat + 20) == pytest.approx((24000 + 6.5025) / (24400 + 6.5025), abs=1e-4)
