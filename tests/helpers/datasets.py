"""Small labelled data sets: class folders, and tables beside them."""

from pathlib import Path

import numpy as np

from tests.helpers.images import save

ROWS = [f"{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(8)]
SPLITS = ("train", "train", "train", "val", "val", "test", "test", "test")
SPLIT_ROWS = [f"{name}/{i}.png,{name},{SPLITS[i]}" for name in ("cat", "dog") for i in range(8)]
LISTED = "\n".join(["file,label", *ROWS])
SPLIT = "\n".join(["file,label,split", *SPLIT_ROWS])


def class_folders(root: Path, *, splits: tuple[str, ...] = ("",), count: int = 8) -> Path:
    for split in splits:
        for number, name in enumerate(("cat", "dog")):
            for i in range(count):
                save(root / split / name / f"{i}.png", np.full((6, 5, 3), 10 * i + number + 3 * len(split), np.uint8))
    return root


def table(root: Path, text: str) -> Path:
    """A CSV beside ``cat/0.png`` ... ``dog/7.png``."""
    class_folders(root)
    (root / "t.csv").write_text(text, newline="")
    return root / "t.csv"
