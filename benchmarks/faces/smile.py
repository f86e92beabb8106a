"""Smiles: an expression model of seven moods, used for two, on small grey faces.

    python benchmarks/faces/smile.py [--shared ../shared] [--out smile-run]

Shows a label map, an additive change too faint to see, and what it is worth beside a change of geometry and tone.
"""

import argparse
from pathlib import Path

from blackbox_dft import optimize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[3] / "shared")
    parser.add_argument("--out", type=Path, default=Path("smile-run"))
    parser.add_argument("--budget", type=int, default=12_000)
    options = parser.parse_args()

    for space in ("dct:8", "affine+color"):
        result = optimize(
            options.shared / "models" / "expression_faceapi.onnx",
            options.shared / "data" / "smiles" / "labels.csv",
            out=options.out / space.replace(":", ""),
            map={"smile": "happy", "nonsmile": "*"},
            space=space,
            channels="luma",
            budget=options.budget,
        )
        print(f"\n{space}\n{result}")


if __name__ == "__main__":
    main()
