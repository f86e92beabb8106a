"""Photos of several sizes through a photo API: each is sent at its own size, unchanged ones as their files are."""

import json
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft import Config, TargetOptions, Tuning, apply_images
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import read_image
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.runner import optimize
from tests import forked
from tests.conftest import Bbdft
from tests.helpers.photo_service import SIZES, photo_service, score, write_photos
from tests.helpers.serving import same_result

BUDGET = 500


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


def words(url: str, table: Path, out: Path, *more: object) -> list[object]:
    options = ["--profile", table.parent / "profile.toml", "--data", table, "--out", out, "--budget", BUDGET]
    return ["optimize", url, *options, "--evaluate", "all", "--space", "affine+color+dct:4", "--yes", *more]


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory, bbdft: Bbdft) -> Path:
    """A finished run, with what the service counted beside it."""
    folder = tmp_path_factory.mktemp("run")
    with photo_service(folder / "count") as url:
        done = bbdft(*words(url, table, folder / "run"), code=0)
        assert "sent: unchanged JPEG and PNG files as they are; changed ones as jpeg:95, upright" in done.stderr
    return folder / "run"


def test_before_is_the_services_own_accuracy_on_the_untouched_files(table: Path, run: Path) -> None:
    predictions = Predictions.read(run)
    of_files = np.array([score((table.parent / file).read_bytes()) for file in predictions.files])
    np.testing.assert_allclose(predictions.before[:, predictions.classes.index("bright")], of_files, atol=1e-6)
    right = (of_files > 0.5) == (np.array(predictions.classes)[predictions.labels] == "bright")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["accuracy"]["test"]["before"] == pytest.approx(right.mean(), abs=1e-6)
    assert summary["accuracy"]["test"]["after"] > summary["accuracy"]["test"]["before"] + 0.1
    assert json.loads((run / "config.json").read_text())["config"]["fit"] == "keep"


def test_the_services_count_is_the_ledgers_and_files_went_as_they_are(run: Path) -> None:
    total = json.loads((run / "summary.json").read_text())["queries"]["total"]
    assert int((run.parent / "count").read_text()) == total <= BUDGET
    # Changed photos go as the profile says, so only untouched files are PNG.
    assert json.loads((run.parent / "count.kinds").read_text())["image/png"] > 0


def test_apply_keeps_sizes_and_formats(table: Path, run: Path, tmp_path: Path) -> None:
    shutil.copy(table.parent / "photos/001.jpg", tmp_path / "extra.jfif")
    report = apply_images(run, [table.parent / "photos", tmp_path / "extra.jfif"], tmp_path / "out")
    assert (report.files, report.resized, report.skipped, report.size) == (121, 0, 0, None)
    kinds = {".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff"}
    originals = sorted((table.parent / "photos").iterdir())
    for original in originals:
        written = tmp_path / "out" / original.name
        assert written.read_bytes().startswith(kinds[original.suffix])
        assert read_image(written).shape == read_image(original).shape
        assert written.read_bytes() != original.read_bytes()
    assert (tmp_path / "out/extra.jpg").exists()
    # The service is as good on these files as the run says.
    predictions = Predictions.read(run)
    of_files = np.array([score((tmp_path / "out" / Path(file).name).read_bytes()) for file in predictions.files])
    bright = np.array(predictions.classes)[predictions.labels] == "bright"
    raw = [Tuning.load(run).decide(np.array([[1 - p, p]], np.float32)).argmax() for p in of_files]
    names = np.array(predictions.classes)[raw] == "bright"
    after = json.loads((run / "summary.json").read_text())["accuracy"]["test"]["after"]
    assert np.mean(names == bright) == pytest.approx(after, abs=0.05)


def test_one_format_if_it_is_given_and_copies_if_nothing_changes(table: Path, run: Path, tmp_path: Path) -> None:
    photos = table.parent / "photos"
    apply_images(run, photos / "001.jpg", tmp_path / "png", encoding="png")
    assert read_image(tmp_path / "png/001.png").shape == (*SIZES[0], 3)
    tuning = Tuning.load(run)
    unchanged = Tuning(
        tuning.space, tuning.make_space().initial(), tuning.shape, tuning.epsilon, fitting=tuning.fitting
    )
    report = apply_images(unchanged, photos, tmp_path / "same")
    assert report.copied == 120
    assert (tmp_path / "same/001.jpg").read_bytes() == (photos / "001.jpg").read_bytes()


def test_predict_evaluate_and_check_follow(table: Path, run: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    again = tmp_path / "run"
    shutil.copytree(run, again)
    url = json.loads((run / "config.json").read_text())["config"]["target"]
    with photo_service(tmp_path / "count") as moved:
        # The port is part of the target: the copy names the new one.
        (again / "config.json").write_text((again / "config.json").read_text().replace(url, moved))
        labels = bbdft("predict", again, table.parent / "photos", "--yes", "--out", tmp_path / "labels.csv", code=0)
        assert "120 images" in labels.stdout
        evaluated = bbdft("evaluate", again, "--split", "all", "--yes", "--json", code=0)
        assert json.loads(evaluated.stdout)["accuracy"]["all"]["n"] == 120
    counted = int((tmp_path / "count").read_text())
    assert counted == 120 + 240


@pytest.mark.slow
def test_killed_and_resumed_it_ends_the_same(table: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    # The first kills come while the form is sought.
    more = ["--concurrency", 2, "--find-input", "yes", "--fit", "stretch", "--budget", 600]
    count, said, folder = tmp_path / "count", tmp_path / "said", tmp_path / "killed"
    with photo_service(tmp_path / "whole") as url:
        bbdft(*words(url, table, tmp_path / "undisturbed", *more), code=0)
    with photo_service(count, delay=0.003) as url:
        line, kills = words(url, table, folder, *more), 0
        while True:
            process = forked.start(line, None, said, said)
            seen = int(count.read_text() or 0) if count.exists() else 0
            while process.exitcode is None:
                now = int(count.read_text() or 0) if count.exists() else 0
                if kills < 6 and now >= seen + 40:
                    process.kill()
                    process.join()
                    kills += 1
                    break
                time.sleep(0.001)
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -9, said.read_text()
            line = ["resume", folder, "--yes"]
    assert kills == 6
    one, two = (json.loads((run / "summary.json").read_text()) for run in (tmp_path / "undisturbed", folder))
    assert one["input"] == two["input"]
    assert int((tmp_path / "whole").read_text()) == one["queries"]["total"]
    same_result(tmp_path / "undisturbed", folder)
    # What was under way at a kill is in doubt: counted, and perhaps not seen.
    assert int(count.read_text()) <= two["queries"]["total"] <= 600


def test_a_longest_side_makes_larger_photos_smaller(table: Path, tmp_path: Path, bbdft: Bbdft) -> None:
    with photo_service(tmp_path / "count") as url:
        done = bbdft(*words(url, table, tmp_path / "run", "--max-side", 128, "--space", "color"), code=0)
    assert "90 are made smaller (--max-side 128)" in done.stderr
    report = apply_images(tmp_path / "run", table.parent / "photos", tmp_path / "out")
    assert report.resized == 90
    assert max(read_image(tmp_path / "out/001.jpg").shape) == 128


def test_a_function_gets_every_photo_at_its_own_size(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "looking.py").write_text(
        "import numpy as np\nseen = set()\nclasses = ('dark', 'bright')\n"
        "def look(images):\n    seen.add(images.shape)\n    mean = images.mean(axis=(1, 2, 3)) / 255\n"
        "    return np.stack([1 - mean, mean], axis=1)\nlook.classes = classes\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = Config("looking:look", str(table), fit="keep", space="color", budget=800, views=2)
    optimize(config, tmp_path / "run")
    import looking  # type: ignore[import-not-found]

    assert looking.seen == {(1, *size, 3) for size in SIZES}
    tuning = Tuning.load(tmp_path / "run")
    photo = cv2.imread(str(table.parent / "photos/001.jpg"))
    assert tuning(photo[None]).shape == (1, *SIZES[0], 3)
    assert tuning.predict([photo, photo[:50]], looking.look).shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"space": "pixel"}, "--space pixel has numbers for pixels"),
        ({"target_options": TargetOptions(size=(64, 64))}, "--fit keep is for targets that take any size"),
        ({"target_options": TargetOptions(batch=4)}, "--fit keep sends one image a request"),
        ({"space": "dct:120"}, "needs frequencies a side from 1 to 90"),
        ({"fit": "crop", "max_side": 64}, "--max-side is for photos that keep their sizes"),
    ],
)
def test_what_keep_cannot_do_is_said(
    options: dict[str, object], said: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seeing.py").write_text("def see(images):\n    return images.mean(axis=(1, 2, 3))\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings = {"fit": "keep", "budget": 400, "space": "color", **options}
    with pytest.raises(InputError, match=said):
        optimize(Config("seeing:see", str(table), **settings), tmp_path / "run")  # type: ignore[arg-type]


def test_a_file_that_changes_during_the_run_is_an_error(table: Path) -> None:
    from blackbox_dft import load
    from blackbox_dft.data.photos import Photos
    from blackbox_dft.images.fitting import Fitting

    photos = load(table, fitting=Fitting("auto")).images
    assert isinstance(photos, Photos)
    data = (table.parent / "photos/001.jpg").read_bytes()
    (table.parent / "photos/001.jpg").write_bytes((table.parent / "photos/003.jpg").read_bytes())
    try:
        with pytest.raises(InputError, match="was changed while it was in use"):
            photos.photo(1)
    finally:
        (table.parent / "photos/001.jpg").write_bytes(data)
