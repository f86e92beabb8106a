"""Gender on LFW faces: geometry, tone and a faint pattern, learned from an age-and-gender model's scores.

    python benchmarks/faces/gender.py [--shared ../shared] [--out gender-run]

Prints the verdict, what the numbers of geometry and tone became, and writes changed test images and the fused model.
"""

import argparse
from pathlib import Path

from blackbox_dft import Config, optimize
from blackbox_dft.fusion.export import fuse_onnx
from blackbox_dft.images.files import write_image
from blackbox_dft.report.figures.pictures import write_pictures
from blackbox_dft.report.run_report import write_run_report
from blackbox_dft.report.terminal import verdict_lines
from blackbox_dft.targets.onnx.target import OnnxTarget


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[3] / "shared")
    parser.add_argument("--out", type=Path, default=Path("gender-run"))
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = options.shared / "models" / "age_gender_faceapi.onnx"

    config = Config(
        target=str(model),
        data=str(options.shared / "data" / "lfw" / "labels_gender.csv"),
        space="auto",
        budget=options.budget,
        seed=options.seed,
    )
    result = optimize(config, options.out)
    write_pictures(result, options.out)
    write_run_report(options.out, result.data)
    print("\n".join(verdict_lines(result.summary.to_json(), options.out)))

    space = result.tuning.make_space()
    for name, value in zip(space.names, result.tuning.z, strict=True):
        if not name.startswith("dct"):
            print(f"{name:>20} {value:+.2f}")

    # The change as a function of arrays, and as one model file that takes unchanged images.
    some = result.data.splits["test"][:8]
    for number, image in zip(some, result.tuning(result.data.images[some]), strict=True):
        write_image(options.out / f"changed_{number}.png", image)
    input_format = OnnxTarget(model).input_format
    fuse_onnx(space, result.tuning.z, result.tuning.shape, model, options.out / "fused.onnx", input_format=input_format)


if __name__ == "__main__":
    main()
