"""Every mistake of a user ends in one sentence and the right exit code, and leaves no half-written files."""

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, load, numpy_helper, save

from tests.conftest import Bbdft
from tests.helpers.messages import errors

Break = Callable[[Path], list[str]]
CASES: dict[str, tuple[Break, str, int]] = {}


def case(sentence: str, code: int = 2) -> Callable[[Break], Break]:
    """Registers a way to break the tiny job in a folder; it returns more words for the command line."""

    def keep(function: Break) -> Break:
        CASES[function.__name__] = (function, sentence, code)
        return function

    return keep


def rewrite(folder: Path, old: str, new: str) -> list[str]:
    table = folder / "labels.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new))
    return []


@case("images/000.png does not exist")
def missing_image(folder: Path) -> list[str]:
    (folder / "images/000.png").unlink()
    return []


@case("images/000.png is empty")
def empty_image(folder: Path) -> list[str]:
    (folder / "images/000.png").write_bytes(b"")
    return []


@case("images/000.png is not an image")
def corrupt_image(folder: Path) -> list[str]:
    (folder / "images/000.png").write_bytes(b"this is no image" * 20)
    return []


@case("images/000.png is cut off")
def truncated_image(folder: Path) -> list[str]:
    data = (folder / "images/000.png").read_bytes()
    (folder / "images/000.png").write_bytes(data[: len(data) // 2])
    return []


@case("declares 3,600,000,000 pixels")
def image_bomb(folder: Path) -> list[str]:
    data = bytearray((folder / "images/000.png").read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (folder / "images/000.png").write_bytes(bytes(data))
    return []


@case("holds one class only")
def one_class(folder: Path) -> list[str]:
    return rewrite(folder, ",dark", ",bright")


@case("no class of the target is called 'dim'")
def label_without_class(folder: Path) -> list[str]:
    return rewrite(folder, ",dark", ",dim")


@case("unknown split 'tset'")
def unknown_split(folder: Path) -> list[str]:
    lines = (folder / "labels.csv").read_text().split()
    rows = [f"{line},{'tset' if number == 3 else 'train'}" for number, line in enumerate(lines[1:])]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    return []


@case("split 'val' has no image of class 'bright'")
def class_missing_from_a_split(folder: Path) -> list[str]:
    lines = (folder / "labels.csv").read_text().split()[1:]
    rows = [
        f"{line},{'val' if 'dark' in line and n % 8 == 0 else ('train', 'test')[n // 100]}"
        for n, line in enumerate(lines)
    ]
    (folder / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    return []


@case("lists images/000.png twice")
def duplicate_row(folder: Path) -> list[str]:
    return rewrite(folder, "images/001.png,bright", "images/000.png,dark\nimages/001.png,bright")


@case("does not exist")
def escaping_path(folder: Path) -> list[str]:
    return rewrite(folder, "images/000.png", "../images/000.png")


@case("has no column 'file'")
def no_file_column(folder: Path) -> list[str]:
    return rewrite(folder, "file,label", "picture,label")


@case("neither a column 'label' nor 'class'")
def no_label_column(folder: Path) -> list[str]:
    return rewrite(folder, "file,label", "file,kind")


@case("is empty")
def empty_table(folder: Path) -> list[str]:
    (folder / "labels.csv").write_text("")
    return []


@case("line 4: the file or the label is missing")
def empty_label(folder: Path) -> list[str]:
    return rewrite(folder, "images/002.png,dark", "images/002.png,")


@case("nowhere.csv does not exist")
def missing_table(folder: Path) -> list[str]:
    return ["--data", str(folder / "nowhere.csv")]


@case("is not an ONNX file")
def not_onnx(folder: Path) -> list[str]:
    (folder / "model.onnx").write_bytes(b"no model" * 100)
    return []


@case("is not an ONNX file, or is cut off")
def truncated_model(folder: Path) -> list[str]:
    data = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[: len(data) // 2])
    return []


@case("model.onnx does not exist")
def missing_model(folder: Path) -> list[str]:
    (folder / "model.onnx").unlink()
    return []


def edit_model(folder: Path, change: Callable[..., None]) -> list[str]:
    model = load(folder / "model.onnx")
    change(model)
    save(model, folder / "model.onnx")
    return []


@case("cannot be run by ONNX Runtime")
def unknown_operator(folder: Path) -> list[str]:
    def change(model: object) -> None:
        model.graph.node[0].op_type = "MeanOfDreams"  # type: ignore[attr-defined]

    return edit_model(folder, change)


@case("cannot be run by ONNX Runtime")
def opset_of_the_future(folder: Path) -> list[str]:
    def change(model: object) -> None:
        model.opset_import[0].version = 999  # type: ignore[attr-defined]

    return edit_model(folder, change)


@case("has 2 inputs")
def two_images(folder: Path) -> list[str]:
    def change(model: object) -> None:
        other = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 3, 16, 16])
        model.graph.input.append(other)  # type: ignore[attr-defined]

    return edit_model(folder, change)


def with_scores(folder: Path, expression: str) -> list[str]:
    (folder / "box.py").write_text(
        f"import numpy as np\ndef score(images):\n    n = len(images)\n    return {expression}\n"
        "score.classes = ['dark', 'bright']\n"
    )
    return ["TARGET", "box:score"]


@case("NaN or infinite scores")
def nan_scores(folder: Path) -> list[str]:
    return with_scores(folder, "np.full((n, 2), np.nan)")


@case("2 class names are given", 2)
def wrong_number_of_scores(folder: Path) -> list[str]:
    return with_scores(folder, "np.tile([0.2, 0.3, 0.5], (n, 1))")


@case("returned float64 of shape (1, 2)", 4)
def wrong_number_of_rows(folder: Path) -> list[str]:
    return with_scores(folder, "np.ones((1, 2))")


@case("raised ZeroDivisionError", 4)
def target_that_raises(folder: Path) -> list[str]:
    return with_scores(folder, "1 / 0")


@case("no module 'nothing_here'")
def missing_module(folder: Path) -> list[str]:
    return ["TARGET", "nothing_here:score"]


@case("cannot cover this job", 3)
def small_budget(folder: Path) -> list[str]:
    return ["--budget", "50"]


@case("outside (0, 1]")
def epsilon_zero(folder: Path) -> list[str]:
    return ["--epsilon", "0"]


@case("outside (0, 1]")
def epsilon_large(folder: Path) -> list[str]:
    return ["--epsilon", "8"]


@case("is not a number")
def epsilon_text(folder: Path) -> list[str]:
    return ["--epsilon", "small"]


@case("did you mean 'affine'")
def unknown_space(folder: Path) -> list[str]:
    return ["--space", "afine"]


@case("from 1 to 16")
def dct_without_number(folder: Path) -> list[str]:
    return ["--space", "dct"]


@case("did you mean 'cma-es'")
def unknown_estimator(folder: Path) -> list[str]:
    return ["--estimator", "cmaes"]


@case("did you mean step=VALUE")
def unknown_estimator_option(folder: Path) -> list[str]:
    return ["--estimator", "nes:stp=3"]


@case("did you mean 'brier'")
def unknown_objective(folder: Path) -> list[str]:
    return ["--objective", "brir"]


@case("unknown encoding 'gif'")
def unknown_encoding(folder: Path) -> list[str]:
    return ["--encoding", "gif"]


@case("names the label 'smile'")
def map_of_an_unknown_label(folder: Path) -> list[str]:
    return ["--map", "smile=bright"]


@case("has no output 'age'")
def unknown_output(folder: Path) -> list[str]:
    return ["--output", "age"]


@case("--provider cuda is not available")
def missing_gpu(folder: Path) -> list[str]:
    return ["--provider", "cuda"]


@case("already holds a run")
def folder_with_a_run(folder: Path) -> list[str]:
    (folder / "run").mkdir()
    (folder / "run/config.json").write_text("{}")
    return []


@case("is not empty")
def folder_with_files(folder: Path) -> list[str]:
    (folder / "run").mkdir()
    (folder / "run/letter.txt").write_text("dear")
    return []


@case("run is a file")
def file_as_folder(folder: Path) -> list[str]:
    (folder / "run").write_text("dear")
    return []


@pytest.mark.parametrize("name", CASES)
def test_one_sentence(name: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    breaks, sentence, code = CASES[name]
    if name == "missing_gpu":
        import onnxruntime as ort

        from blackbox_dft.targets.onnx.providers import unavailable_reason

        if "CUDAExecutionProvider" in ort.get_available_providers() and unavailable_reason("cuda") is None:
            pytest.skip("there is a GPU here")
    folder = tmp_path / "job"
    shutil.copytree(tiny, folder)
    more = breaks(folder)
    before = sorted(folder.rglob("*"))
    target = str(folder / "model.onnx")
    if more[:1] == ["TARGET"]:
        target, more = more[1], more[2:]
    words = ["--data", folder / "labels.csv", "--space", "color", "--budget", 1000, "--out", folder / "run", *more]
    # Some in a new Python, as users start it; the others are the same in a fork, and faster.
    fresh = name in ("missing_image", "target_that_raises", "small_budget")
    done = bbdft("optimize", target, *words, "--quiet", cwd=folder, fresh=fresh)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert sentence in done.stderr
    assert done.stderr.startswith("bbdft: ")
    assert len(errors(done.stderr)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    # The kind of scores is inferred from the first ones, which are kept.
    if code != 4 and name not in ("wrong_number_of_scores", "nan_scores"):
        left = [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts]
        assert left == before


def test_bad_images_can_be_left_out_and_are_counted(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(tiny, folder)
    missing_image(folder)
    (folder / "images/001.png").write_bytes(b"broken")
    words = ["--data", folder / "labels.csv", "--space", "color", "--budget", 1000, "--out", folder / "run"]
    done = bbdft("optimize", folder / "model.onnx", *words, "--skip-bad", code=0)
    assert "2 images could not be read and were left out" in done.stderr
    assert '"skipped": 2' in (folder / "run/summary.json").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["apply", "RUN", "nowhere", "out"],
        ["apply", "nowhere", "IMAGES", "out"],
        ["resume", "nowhere"],
        ["evaluate", "nowhere"],
        ["export", "nowhere", "out.onnx"],
        ["inspect", "nowhere"],
    ],
)
def test_other_commands_name_what_is_missing(words: list[str], bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    from blackbox_dft import Tuning

    Tuning("color", np.zeros(6), (16, 16, 3)).save(tmp_path / "tuning.npz")
    replaced = {"RUN": tmp_path / "tuning.npz", "IMAGES": tiny / "images"}
    done = bbdft(*[replaced.get(word, word) for word in words], cwd=tmp_path, code=2)
    assert "nowhere" in done.stderr
    assert len(errors(done.stderr)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tuning.npz"]


def test_a_tuning_with_pickled_arrays_is_refused(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "tuning.npz", z=np.array([print], dtype=object), shape=np.array([16, 16, 3]), about="{}")
    done = bbdft("apply", tmp_path / "tuning.npz", tiny / "images", tmp_path / "out", code=2)
    assert "not a tuning of bbdft" in done.stderr


def test_read_only_output(tiny: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    command = [sys.executable, "-m", "blackbox_dft", "optimize", str(tiny / "model.onnx")]
    words = ["--data", str(tiny / "labels.csv"), "--space", "color", "--out", str(tmp_path / "locked/run")]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot make the folder" in done.stderr


def test_out_under_a_file_is_refused(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 1000, "--out", tmp_path / "file" / "run"]
    done = bbdft("optimize", tiny / "model.onnx", *words, "--quiet", code=2)
    assert len(errors(done.stderr)) == 1


def test_disk_full(tmp_path: Path, tiny: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    from blackbox_dft._utils.files import write_atomically
    from blackbox_dft.errors import InputError

    with full.open("wb", buffering=0) as sink, pytest.raises(InputError, match="No space left"):
        write_atomically(tmp_path / "file", lambda file: sink.write(b"x"))
    assert list(tmp_path.iterdir()) == []


def test_crlf_bom_and_semicolons_are_read(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(tiny, folder)
    text = (folder / "labels.csv").read_text().replace(",", ";").replace("\n", "\r\n")
    (folder / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    words = [
        "--data",
        folder / "labels.csv",
        "--space",
        "color",
        "--budget",
        1000,
        "--out",
        folder / "run",
        "--dry-run",
    ]
    assert "200 images" in bbdft("optimize", folder / "model.onnx", *words, code=0).stdout
    (folder / "labels.csv").write_text((tiny / "labels.csv").read_text().split("\n", 1)[1])
    assert "200 images" in bbdft("optimize", folder / "model.onnx", *words, code=0).stdout


def test_an_unusual_model_gets_images_in_its_own_format(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    """A model of BGR bytes in NHWC that returns the level of red: only the right format gives the right scores."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["x", "two"], ["red"], axis=3),
        helper.make_node("ReduceMean", ["red"], ["level"], axes=[1, 2], keepdims=0),
    ]
    two = numpy_helper.from_array(np.array(2, np.int64), "two")
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [4, 16, 16, 3])
    level = helper.make_tensor_value_info("level", TensorProto.FLOAT, [4])
    graph = helper.make_graph(nodes, "red", [pixels], [level], [two])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "red.onnx")
    from blackbox_dft import TargetOptions, make_target

    image = np.zeros((6, 16, 16, 3), np.uint8)
    image[..., 0] = np.arange(6)[:, None, None]
    target = make_target(str(tmp_path / "red.onnx"), TargetOptions(channels="bgr"))
    np.testing.assert_array_equal(target.scores(image)[:, 0], np.arange(6))


def test_a_disk_that_fills_up_in_the_middle(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    """On a small file system of its own, which only root can mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    # Long enough for the ledger to fill it, whenever the search would stop.
    words = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 8000, "--no-early-stop", "--quiet"]
    try:
        done = bbdft("optimize", tiny / "model.onnx", *words, "--out", disk / "run", code=2)
        assert "is full: make room" in done.stderr
        assert "bbdft resume" in done.stderr
        assert len(errors(done.stderr)) == 1
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        bbdft("resume", disk / "run", "--quiet", code=0)
        bbdft("optimize", tiny / "model.onnx", *words, "--out", tmp_path / "roomy", code=0)
        one, two = (np.load(run / "tuning.npz")["z"] for run in (disk / "run", tmp_path / "roomy"))
        np.testing.assert_array_equal(one, two)
    finally:
        subprocess.run(["umount", disk], check=True)
