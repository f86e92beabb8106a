"""What a run becomes, from Python: ONNX files and the report."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from blackbox_dft import InputError, Result, export_onnx, fuse_onnx, load_run, optimize, write_report
from tests.api.conftest import OPTIONS
from tests.helpers.tone_arrays import Bright, model_bytes, tone_arrays


def outputs(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    floats = (images.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"image": floats}), strict=True))


def test_the_exported_change_is_that_of_the_tuning(tuned: Result, tmp_path: Path) -> None:
    images = tone_arrays(4)[0]
    for number, one in enumerate((tuned, tuned.tuning, tuned.path, str(tuned.path))):
        path = export_onnx(one, tmp_path / f"{number}.onnx")
        changed = outputs(path, images)["changed"].transpose(0, 2, 3, 1)
        assert np.allclose(changed, tuned.tuning(images) / 255, atol=1.1 / 255)
    with pytest.raises(InputError, match="exists: take another name, or pass overwrite=True"):
        export_onnx(tuned, tmp_path / "0.onnx")
    with pytest.raises(InputError, match=r"does not end in \.onnx"):
        export_onnx(tuned, tmp_path / "change")


def test_a_fused_model_decides_as_the_tuned_target(tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(model_bytes(), providers=["CPUExecutionProvider"])
    result = optimize(session, tone_arrays(), **OPTIONS)  # type: ignore[call-overload]
    path = fuse_onnx(result, session, tmp_path / "tuned.onnx")
    images = tone_arrays(20, seed=3)[0]
    assert np.allclose(outputs(path, images)["labels"], result.tuning.predict(images, session), atol=1e-3)
    with pytest.raises(InputError, match="<callable Bright> is not an ONNX model"):
        fuse_onnx(result, Bright(), tmp_path / "other.onnx")


def test_the_report_is_written_into_the_folder(tmp_path: Path) -> None:
    result = optimize(Bright(), tone_arrays(), out=tmp_path / "run", **OPTIONS)  # type: ignore[call-overload]
    names = {path.name for path in write_report(result, marks={"local model": 0.9})}
    assert names == {"report.html", "report.txt", "contact.png", "curve.png"}
    page = (tmp_path / "run/report.html").read_text()
    assert "data:image/png" in page
    assert "local model" in page
    # Later the arrays are gone; the page says so, and has the rest.
    (tmp_path / "run/contact.png").unlink()
    assert {path.name for path in write_report(load_run(tmp_path / "run"))} == {"report.html", "report.txt"}
    page = (tmp_path / "run/report.html").read_text()
    assert "They were given from Python" in page
    assert "optimize(&lt;callable Bright&gt;, &lt;arrays&gt;, space=&#39;color&#39;, budget=600" in page
