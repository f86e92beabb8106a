"""The tiny job with names that are markup, in every place that a name can come from."""

import shutil
from pathlib import Path

EVIL = "<script>alert(1)</script>"


def write_hostile(tiny: Path, folder: Path) -> list[object]:
    """Writes the job to the new ``folder``; words of its ``bbdft optimize`` but budget, space and ``--out``."""
    shutil.copytree(tiny, folder)
    lines = ["file,label,<b>skin</b>"]
    for number in range(200):
        name = f"images/{number:03d}<img src=x onerror=alert(2)>.png"
        (folder / f"images/{number:03d}.png").rename(folder / name)
        skin = '"><svg onload=alert(3)>' if number % 3 else "a"
        label = EVIL if number % 2 else "dark"
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in (name, label, skin)))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    classes = ["--map", f"{EVIL}=bright", "--map", "dark=dark"]
    return ["optimize", folder / "model.onnx", "--data", folder / "labels.csv", *classes]
