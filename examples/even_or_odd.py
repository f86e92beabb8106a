"""Labels that are not the model's classes: a model of ten digits decides between even and odd.

    python examples/even_or_odd.py [--out even-run]

Shows a label map, an additive change too faint to see, and what it is worth beside a change of geometry and tone.
All it needs comes with the package. It takes a few seconds.
"""

import argparse
import csv
from pathlib import Path

from blackbox_dft import Config, optimize
from blackbox_dft.demo import write_files

MAP = ("even=0,2,4,6,8", "odd=*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("even-run"))
    parser.add_argument("--budget", type=int, default=3000)
    options = parser.parse_args()
    files = options.out / "files"
    write_files(files)

    with (files / "labels.csv").open(newline="") as source, (files / "even.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "label", "split"])
        for row in csv.DictReader(source):
            writer.writerow([row["file"], "odd" if int(row["label"]) % 2 else "even", row["split"]])

    for space in ("dct:4", "affine+color"):
        config = Config(
            str(files / "model.onnx"),
            str(files / "even.csv"),
            map=MAP,
            space=space,
            channels="luma",
            budget=options.budget,
        )
        summary = optimize(config, options.out / space.replace(":", "")).summary
        accuracy = summary.accuracy["test"]
        print(f"{space}: {summary.verdict}, {accuracy.before:.3f} -> {accuracy.after:.3f}", end="; ")
        print(f"free threshold {summary.threshold.test:.3f}")


if __name__ == "__main__":
    main()
