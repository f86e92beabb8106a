"""Digits from a worse scanner: learn the change, see what its numbers became, change and label new images.

    python examples/digits.py [--out digits-run]

All it needs comes with the package. It takes a few seconds.
"""

import argparse
from pathlib import Path

from PIL import Image

from blackbox_dft import Config, optimize
from blackbox_dft.demo import write_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("digits-run"))
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = options.out / "files"
    write_files(files)

    config = Config(
        str(files / "model.onnx"),
        str(files / "labels.csv"),
        space="affine+color",
        budget=options.budget,
        seed=options.seed,
    )
    result = optimize(config, options.out / "run")
    accuracy = result.summary.accuracy["test"]
    print(f"{result.summary.verdict}: test accuracy {accuracy.before:.3f} -> {accuracy.after:.3f}")
    print(f"queries: {result.summary.queries.total:,} of {options.budget:,}")

    tuning = result.tuning
    for name, value in zip(tuning.make_space().names, tuning.z, strict=True):
        print(f"{name:>20} {value:+.2f}")

    # The change is a function of arrays: uint8 (N, H, W, 3), RGB.
    some = result.data.splits["test"][:8]
    before = result.data.images[some]
    (options.out / "changed").mkdir()
    for number, image in zip(some, tuning(before), strict=True):
        Image.fromarray(image).save(options.out / "changed" / f"{number}.png")

    # The change, the model and the output map together: images to labels.
    probabilities = tuning.predict(before, str(files / "model.onnx"))
    print("labels:", *(tuning.labels[column] for column in probabilities.argmax(axis=1)))


if __name__ == "__main__":
    main()
