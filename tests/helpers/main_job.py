"""The command line of the main job on the tiny model and images."""

from pathlib import Path


def words(tiny: Path, out: Path, **options: object) -> list[object]:
    """``bbdft optimize`` of the folder ``tiny`` into ``out``, in 1,000 queries unless ``options`` say otherwise."""
    settings: dict[str, object] = {"data": tiny / "labels.csv", "out": out, "space": "color", "budget": 1000, **options}
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    return ["optimize", tiny / "model.onnx", *flags]
