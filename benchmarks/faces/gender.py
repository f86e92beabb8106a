"""Gender on LFW faces: geometry, tone and a faint pattern, learned from an age-and-gender model's scores.

    python benchmarks/faces/gender.py [--shared ../shared] [--out gender-run]

Prints the verdict, what the numbers of geometry and tone became, and writes changed test images and the fused model.
"""

import argparse
from pathlib import Path

from PIL import Image

from blackbox_dft import fuse_onnx, optimize, write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[3] / "shared")
    parser.add_argument("--out", type=Path, default=Path("gender-run"))
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = options.shared / "models" / "age_gender_faceapi.onnx"
    labels = options.shared / "data" / "lfw" / "labels_gender.csv"

    result = optimize(model, labels, out=options.out, space="auto", budget=options.budget, seed=options.seed)
    write_report(result)
    print(result)

    for name, value in zip(result.tuning.make_space().names, result.tuning.z, strict=True):
        if not name.startswith("dct"):
            print(f"{name:>20} {value:+.2f}")

    # The change as a function of arrays, and as one model file that takes unchanged images.
    some = result.data.splits["test"][:8]
    for number, image in zip(some, result.tuning(result.data.images[some]), strict=True):
        Image.fromarray(image).save(options.out / f"changed_{number}.png")
    fuse_onnx(result, model, options.out / "fused.onnx", overwrite=True)


if __name__ == "__main__":
    main()
