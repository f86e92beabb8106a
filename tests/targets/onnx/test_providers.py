"""Execution providers: GPU memory for images, and providers that are not available."""

from pathlib import Path

import onnxruntime as ort
import pytest

from blackbox_dft import InputError
from blackbox_dft.targets.onnx import providers
from tests.helpers.mean_model import build


@pytest.mark.parametrize(
    ("script", "found"),
    [("echo 4000", 4000 * 2**19), ("echo no devices; exit 6", None), ("echo '[N/A]'", None), (None, None)],
)
def test_images_may_take_half_of_the_free_gpu_memory(
    script: str | None, found: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if script else str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert providers.image_memory() == found


def test_a_session_on_the_cpu(tmp_path: Path) -> None:
    session, provider, note = providers.open_session(build(tmp_path / "m.onnx"), "cpu", ort.SessionOptions())
    assert (session.get_providers(), provider, note) == (["CPUExecutionProvider"], "cpu", None)


@pytest.mark.skipif(providers.unavailable_reason("cuda") is None, reason="CUDA may be available")
def test_a_gpu_that_is_not_available(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx")
    assert providers.open_session(path, "auto", ort.SessionOptions())[1:2] == ("cpu",)
    with pytest.raises(InputError, match=r"--provider cuda is not available .*: install what it needs"):
        providers.open_session(path, "cuda", ort.SessionOptions())


def test_the_note_on_the_cpu_says_what_to_do_only_if_there_is_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if providers.unavailable_reason("cuda") is None or Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("PATH", str(tmp_path))
    _, provider, note = providers.open_session(build(tmp_path / "m.onnx"), "auto", ort.SessionOptions())
    assert (provider, note) == ("cpu", "runs on the CPU: there is no NVIDIA GPU")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    _, provider, note = providers.open_session(build(tmp_path / "m.onnx"), "auto", ort.SessionOptions())
    assert provider == "cpu"
    assert note is not None
    assert "pip install 'blackbox-dft[cuda]'" in note
