"""The tiny job with names that would be markup, in every place where a name can come from outside."""

import shutil
from pathlib import Path

EVIL = "<script>alert(1)</script>"


def write_hostile(tiny: Path, folder: Path) -> list[object]:
    """Writes it to the new ``folder``; the words of its ``bbdft optimize``, but for what it may spend and change."""
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
