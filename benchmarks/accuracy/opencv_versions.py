"""How far apart the changes of OpenCV 4 and 5 are, in levels of 255 and in scores; run with each of them.

    python5 benchmarks/accuracy/opencv_versions.py FILE     # keeps what OpenCV 5 computes
    python4 benchmarks/accuracy/opencv_versions.py FILE     # compares what OpenCV 4 computes with it

64 faces of ``lfw-gender`` at 112 x 112, each under a z of its own, up to 2 in each coordinate; processor time on one
thread. The lines ``warpAffine`` are OpenCV's own warp, which ``affine`` leaves to OpenCV 5.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from blackbox_dft._utils.types import Images
from blackbox_dft.data import load
from blackbox_dft.images.files import resize
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.affine import BORDERS, DEFAULT_BORDER, Affine
from blackbox_dft.targets import make_target

SHARED = Path(__file__).parents[2].parent / "shared"
SIDE, COUNT, ROUNDS = 112, 64, 10
SPACES = (*(f"affine:{border}" for border in BORDERS), "color", "contrast", "sharpness", "affine+color")


def main() -> None:
    """Writes the file, or prints a line for each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    cv2.setNumThreads(1)
    made, seconds = computed()
    if not file.exists():
        np.savez(file, version=cv2.__version__, **made)
        print(f"OpenCV {cv2.__version__}: {file}")
    else:
        with np.load(file) as other:
            print(f"OpenCV {cv2.__version__} beside {other['version']}: largest and mean difference")
            for name, values in made.items():
                apart = np.abs(values.astype(float) - other[name].astype(float))
                unit = "" if name.startswith("scores") else " levels"
                print(f"{name:24} {apart.max():.6f} {apart.mean():.6f}{unit}")
    for name, taken in seconds.items():
        print(f"{name:24} {taken * 1e6:.0f} µs an image")


def computed() -> tuple[dict[str, Images], dict[str, float]]:
    """What each change makes of the images, in levels, and the scores of a model; seconds an image of the warps."""
    data = load(str(SHARED / "data/lfw/labels_gender.csv"), size=(SIDE, SIDE))
    rounded = data.images[:COUNT]
    images = rounded.astype(np.float32) / 255
    made: dict[str, Images] = {}
    seconds: dict[str, float] = {}
    rng = np.random.default_rng(0)
    with make_target(str(SHARED / "models/age_gender_faceapi.onnx")) as target:
        for spec in SPACES:
            space = make_space(spec.removesuffix(f":{DEFAULT_BORDER}"), images.shape[1:])
            z = np.clip(space.initial() + rng.uniform(-2, 2, (COUNT, space.size)), space.lower, space.upper)
            changed = space.apply(images, z)
            made[spec] = changed * 255
            made[f"scores, {spec}"] = target.scores(changed)
            if isinstance(space, Affine):
                start = time.process_time()
                for _ in range(ROUNDS):
                    space.apply(images, z)
                seconds[spec] = (time.process_time() - start) / ROUNDS / COUNT
            if spec == f"affine:{DEFAULT_BORDER}":
                own = opencv_warp(images, space._matrix(z))  # type: ignore[attr-defined]
                made["warpAffine"], made["scores, warpAffine"] = own * 255, target.scores(own)
    for name, size in (("smaller", (64, 64)), ("larger", (160, 160))):
        made[f"resized {name}"] = np.stack([resize(image, size) for image in rounded])
    return made, seconds


def opencv_warp(images: Images, matrices: Images) -> Images:
    """``affine`` with its usual border by ``warpAffine`` of whatever OpenCV is installed."""
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    warped = [
        cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags, borderMode=border)
        for image, matrix in zip(images, matrices, strict=True)
    ]
    return np.stack(warped)


if __name__ == "__main__":
    main()
