"""How often ``find_input`` finds the form that a model wants, over seeds: forms given wrongly, and models fed rightly.

    python benchmarks/accuracy/input_forms.py [--seeds 20] [--first-seed 0] [--case NAME ...]

Scores are kept across seeds, so that each image is computed once in each form. ``right`` is the share of seeds with the
right order, range class and fit (a centre crop of any share); for models that are fed rightly, the share
that keeps what was given.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.data.sources import list_source
from blackbox_dft.images.files import read_image, write_image
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.objectives.outputs import parse_map
from blackbox_dft.run.find_input import FoundInput, find_input
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions

SHARED = Path(__file__).parents[2].parent / "shared"
SMILES = ("smile=happy", "nonsmile=*")


@dataclass(frozen=True)
class Case:
    """A model, its images, and how it is fed at first."""

    model: str
    data: str
    options: dict[str, Any] = field(default_factory=dict)
    fitting: Fitting = field(default_factory=Fitting)
    label: str = ""
    map: tuple[str, ...] = ()
    right: Callable[[Form], bool] | None = None
    """Whether a form is right; None: what was given."""
    changed: Callable[[ImageBytes], ImageBytes] | None = None
    """What was done to the files."""


def efficientnet(form: Form) -> bool:
    """RGB, values of -1..1 or nearly so, and a centre crop of any share."""
    near = form.format.range == "-1..1" or (form.format.std is not None and np.ptp(form.format.std) == 0)
    plain = not form.changes
    return form.format.channels == "rgb" and bool(near) and form.fitting.fit.startswith("crop") and plain


def imagenet(fitting: Fitting | None = None, **options: Any) -> Case:
    """EfficientNet-Lite0 on ImageNet's samples."""
    data = "imagenet/labels.csv"
    return Case("efficientnet_lite0", data, options, fitting or Fitting(), label="label", right=efficientnet)


def digits(changed: Callable[[ImageBytes], ImageBytes], right: Callable[[Form], bool]) -> Case:
    """The MNIST model on USPS digits whose files were changed."""
    return Case("digits_mnist", "usps/labels.csv", right=right, changed=changed)


def cut(image: ImageBytes) -> ImageBytes:
    """The middle of an image, .875 of either side: what is left of it is the right form's crop."""
    down, across = (round(side * 0.0625) for side in image.shape[:2])
    return image[down : image.shape[0] - down, across : image.shape[1] - across]


CASES = {
    "imagenet": imagenet(),
    "imagenet, BGR": imagenet(channels="bgr"),
    "imagenet, 0..255": imagenet(range="0..255"),
    "imagenet, ImageNet's mean and std": imagenet(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "imagenet, letterbox": imagenet(Fitting("pad")),
    "imagenet, Caffe": imagenet(channels="bgr", mean=(103.939, 116.779, 123.68), std=(1.0,)),
    "imagenet, as trained": imagenet(Fitting("crop:.875", "bicubic"), mean=(0.498,), std=(0.502,)),
    "lfw, fed rightly": Case("age_gender_faceapi", "lfw/labels_gender.csv", {"output": "gender"}),
    "smiles by mini-xception, fed rightly": Case("emotion_mini_xception", "smiles/labels.csv", map=SMILES),
    "smiles by face-api, fed rightly": Case("expression_faceapi", "smiles/labels.csv", map=SMILES),
    "usps, fed rightly": Case("digits_mnist", "usps/labels.csv"),
    "imagenet, cut to .875 before": replace(imagenet(), changed=cut),
    "digits, inverted": digits(lambda image: 255 - image, lambda form: form.inverted),
    "digits, turned by 90 degrees": digits(lambda image: np.rot90(image, -1), lambda form: form.turn == 270),
    "digits, mirrored": digits(lambda image: image[:, ::-1], lambda form: form.mirrored),
    "lfw, BGR": Case(
        "age_gender_faceapi",
        "lfw/labels_gender.csv",
        {"output": "gender", "channels": "bgr"},
        right=lambda form: form.format.channels == "rgb" and not form.changes,
    ),
}


def write_changed(source: Path, change: Callable[[ImageBytes], ImageBytes], folder: Path) -> Path:
    """Writes the images of a table changed, with their table; its path."""
    (folder / source.name).write_bytes(source.read_bytes())
    for row in list_source(source).rows:
        to = (folder / row.file).with_suffix(".png")
        to.parent.mkdir(parents=True, exist_ok=True)
        write_image(to, np.ascontiguousarray(change(read_image(source.parent / row.file))))
    lines = (folder / source.name).read_text().replace(".jpg", ".png").replace(".jpeg", ".png").replace(".JPEG", ".png")
    (folder / source.name).write_text(lines)
    return folder / source.name


def measure(
    case: Case, data: str, seeds: range, budget: int, recorded: dict[bytes, Any]
) -> tuple[list[FoundInput], list[bool]]:
    """What was found for each seed, and whether it is right."""
    target = OnnxTarget(SHARED / f"models/{case.model}.onnx", TargetOptions(provider="cpu", **case.options))
    map_ = parse_map(case.map)
    given = Form(target.input_format, case.fitting)
    found = [
        find_input(
            target, data, budget=budget, label=case.label, map=map_, fitting=case.fitting, seed=seed, recorded=recorded
        )
        for seed in seeds
    ]
    return found, [case.right(one.form) if case.right else one.form == given for one in found]


def main() -> None:
    """Prints a line a case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=600)
    parser.add_argument("--case", action="append", choices=CASES, help="by default all")
    parser.add_argument("--forms", action="store_true", help="print what was found for each seed")
    arguments = parser.parse_args()
    recorded: dict[str, dict[bytes, Any]] = {}
    for name in arguments.case or CASES:
        began, case = time.perf_counter(), CASES[name]
        # Keys name the pixels and their format, not the model.
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        with tempfile.TemporaryDirectory() as folder:
            table = SHARED / "data" / case.data
            if case.changed:
                table = write_changed(table, case.changed, Path(folder))
            found, right = measure(case, str(table), seeds, arguments.budget, recorded.setdefault(case.model, {}))
        queries = [one.queries for one in found]
        line = {
            "case": name,
            "right": f"{sum(right)}/{len(right)}",
            "changed": sum(one.race.found for one in found),
            "queries": f"{min(queries)} to {max(queries)}, median {int(np.median(queries))}",
            "fits": dict(Counter(one.form.fitting.fit for one in found)),
            "seconds": round(time.perf_counter() - began),
        }
        print(json.dumps(line), flush=True)
        if arguments.forms:
            for seed, (one, ok) in enumerate(zip(found, right, strict=True)):
                print(f"  {seed} {'ok ' if ok else 'NOT'} {one.sentence}", flush=True)


if __name__ == "__main__":
    main()
