"""A module of Python functions that score brightness: steady, noisy, rounded ...; they count what they score."""

from pathlib import Path

MODULE = """
import threading
from pathlib import Path
import numpy as np

COUNT = Path(__file__).with_name("count")
seen, lock = {}, threading.Lock()
rng = np.random.default_rng(0)

def bright(images):
    with lock:
        count = int(COUNT.read_text()) if COUNT.exists() else 0
        COUNT.write_text(str(count + len(images)))
    limit = COUNT.with_name("limit")
    if limit.exists() and count > int(limit.read_text()):
        raise RuntimeError("out of order")
    return images.mean((1, 2, 3)) / 255

def scores(level):
    p = 1 / (1 + np.exp(-80 * (level - 0.5)))
    return np.stack([1 - p, p], 1)

def steady(images):
    return scores(bright(images))

def rounded(images):
    return np.round(steady(images), 2)

def noisy(images):
    return scores(bright(images) + rng.normal(0, 0.005, len(images)))

def little(images):
    return scores(bright(images) + rng.normal(0, 0.001, len(images)))

def labels(images):
    return (bright(images) + rng.normal(0, 0.02, len(images)) > 0.47).astype(int)

def placed(images):
    return scores(bright(images) + 0.01 * np.arange(len(images)))

def swinging(images):
    "Every other score of the same image is as much too high as the one before was too low."
    level = bright(images)
    turns = [seen.setdefault(image.tobytes(), [0]) for image in images]
    for turn in turns:
        turn[0] += 1
    p = steady(images)[:, 1] + [0.4 * (-1) ** turn[0] for turn in turns]
    return np.stack([1 - p, p], 1)

for function in (steady, rounded, noisy, little, labels, placed, swinging):
    function.classes, function.image_size, function.batch = ["dark", "bright"], (16, 16), 8
"""


def write_tones(folder: Path) -> Path:
    """Writes the module ``tones`` to ``folder``; it counts the images in a file ``count`` there."""
    (folder / "tones.py").write_text(MODULE)
    return folder
