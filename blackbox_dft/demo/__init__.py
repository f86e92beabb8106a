"""The built-in demo: a digit classifier, and digits from a worse scanner than it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blackbox_dft.run.config import Config


def assets() -> Path:
    """The folder that holds ``digits.onnx``, ``labels.csv`` (file, label, split) and ``images/``.

    >>> sorted(path.name for path in assets().iterdir())
    ['README.md', 'digits.onnx', 'images', 'labels.csv']
    """
    return Path(__file__).parent / "assets"


def demo_config(seed: int = 0) -> Config:
    """Configuration of the demo's run, which is a run like any other.

    >>> demo_config().space
    'affine+color'
    """
    from blackbox_dft.run.config import Config

    folder = assets()
    return Config(
        target=str(folder / "digits.onnx"),
        data=str(folder / "labels.csv"),
        space="affine+color",
        budget=4000,
        seed=seed,
    )


NEW_IMAGES = 20
"""Images without labels that ``write_files`` writes, the first of the test split."""


def write_files(folder: Path) -> None:
    """Writes what a user of the package has to ``folder``, so that any command can be tried there.

    ``model.onnx``, ``labels.csv`` and ``images/`` are the demo's; ``new_images/`` and ``photo.jpg`` are some of them
    that stand for images to come.

    Raises:
        InputError: the folder holds something already, or cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_files(Path(folder, "digits"))
    ...     print(*sorted(path.name for path in Path(folder, "digits").iterdir()))
    images labels.csv model.onnx new_images photo.jpg
    """
    import csv
    import shutil

    from PIL import Image

    from blackbox_dft.errors import InputError

    source = assets()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty: take another --files.")
        shutil.copyfile(source / "digits.onnx", folder / "model.onnx")
        shutil.copyfile(source / "labels.csv", folder / "labels.csv")
        shutil.copytree(source / "images", folder / "images")
        with (source / "labels.csv").open(newline="", encoding="utf-8") as file:
            test = [row["file"] for row in csv.DictReader(file) if row["split"] == "test"]
        (folder / "new_images").mkdir()
        for name in test[:NEW_IMAGES]:
            shutil.copyfile(source / name, folder / "new_images" / Path(name).name)
        with Image.open(source / test[NEW_IMAGES]) as image:
            image.convert("RGB").save(folder / "photo.jpg", quality=95)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error
