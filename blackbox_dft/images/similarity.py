"""PSNR and SSIM between original and changed images."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import ImageBytes


def psnr(before: ImageBytes, after: ImageBytes) -> float | None:
    """Peak signal-to-noise ratio in dB of 8-bit images ``(N, H, W, C)``, averaged over the images that changed.

    None if no image changed.

    >>> black = np.zeros((1, 16, 16, 3), np.uint8)
    >>> round(psnr(black, black + 8), 2)  # 20 log10(255 / 8)
    30.07
    """
    errors = ((before.astype(np.float32) - after) ** 2).mean(axis=(1, 2, 3))
    changed = errors[errors > 0]
    return float(np.mean(10 * np.log10(255**2 / changed))) if changed.size else None


def ssim(before: ImageBytes, after: ImageBytes) -> float:
    """Mean structural similarity of the luma of 8-bit RGB images ``(N, H, W, 3)``; 1 for equal images.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", with their Gaussian
    window of 1.5 pixels.

    >>> grey = np.full((1, 16, 16, 3), 128, np.uint8)
    >>> ssim(grey, grey)
    1.0
    """
    import cv2

    values = []
    for pair in zip(before, after, strict=True):
        x, y = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in pair)
        mx, my, xx, yy, xy = (cv2.GaussianBlur(m, (11, 11), 1.5) for m in (x, y, x * x, y * y, x * y))
        # C1 and C2 of equation 13 with K1 = .01, K2 = .03, L = 255.
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        numerator = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
        values.append((numerator / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean())
    return float(np.mean(values))
