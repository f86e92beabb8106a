"""Third-party inference servers: an ONNX file behind them gives the same change as the file itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnxruntime as ort
import pytest

from blackbox_dft import TargetOptions, Tuning, make_target
from blackbox_dft.targets.http.v2_tensors import decode_response, encode_request
from tests.conftest import Bbdft
from tests.helpers.messages import errors
from tests.servers.starting import HERE, NoServerError, free_ports, python_with, started

Start = Callable[[Path, Path], AbstractContextManager[str]]
"""From an ONNX file and a folder to write in, to the URL of the model."""
BUDGET = 1500
SAME = [
    "--patience",
    10,
    "--space",
    "color",
    "--in-doubt",
    "free",
    "--batch",
    8,
    "--concurrency",
    2,
    "--model-classes",
    "dark,bright",
]
DESCRIPTION = ["--input", "image", "--datatype", "FP32", "--output", "tone", "--layout", "nchw", "--size", "16x16"]
IMAGES = np.random.default_rng(0).random((5, 3, 16, 16), np.float32)


@contextmanager
def mlserver(model: Path, folder: Path, *, described: bool = True) -> Iterator[str]:
    command = Path(python_with("mlserver")).with_name("mlserver")
    http, grpc, metrics = free_ports(3)
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0}))
    runtime = {"name": "tone", "implementation": "mlserver_runtime.OnnxRuntime", "parameters": {"uri": str(model)}}
    if described:
        runtime["inputs"] = [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 16]}]
        runtime["outputs"] = [{"name": "tone", "datatype": "FP32", "shape": [-1, 2]}]
    (folder / "model-settings.json").write_text(json.dumps(runtime))
    base = f"http://127.0.0.1:{http}/v2"
    with started([command, "start", folder], folder, f"{base}/models/tone/ready"):
        yield f"{base}/models/tone"


@contextmanager
def undescribed_mlserver(model: Path, folder: Path) -> Iterator[str]:
    with mlserver(model, folder, described=False) as url:
        yield url


@contextmanager
def kserve(model: Path, folder: Path, *, tensors: str = "json") -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/v2/models/tone"
    command = [python_with("kserve"), HERE / "kserve_server.py", model, port, tensors]
    with started(command, folder, f"{url}/ready"):
        yield url


@contextmanager
def binary_kserve(model: Path, folder: Path) -> Iterator[str]:
    with kserve(model, folder, tensors="binary") as url:
        yield url


@contextmanager
def triton(model: Path, folder: Path) -> Iterator[str]:
    ports = free_ports(3)
    url = f"http://127.0.0.1:{ports[0]}/v2/models/tone"
    command = [python_with("pytriton"), HERE / "pytriton_server.py", model, *ports]
    with started(command, folder, f"{url}/ready"):
        yield url


@pytest.fixture(scope="module", params=[mlserver, undescribed_mlserver, kserve, binary_kserve, triton])
def url(request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model's URL; the server is shared by the tests of this file."""
    start: Start = request.param
    with serving(start, tiny, tmp_path_factory.mktemp(start.__name__)) as place:
        yield place


@contextmanager
def serving(start: Start, tiny: Path, folder: Path) -> Iterator[str]:
    server = start(tiny / "model.onnx", folder)
    try:
        place = server.__enter__()
    except NoServerError as error:
        # Packages do not declare everything that a server needs, so that only a start shows whether it runs here.
        pytest.skip(f"{start.__name__}: {error}")
    try:
        yield place
    finally:
        server.__exit__(None, None, None)


def described(url: str) -> bool:
    return bool(httpx.get(url).json().get("inputs"))


def test_the_change_is_the_files_own(url: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    more = [*SAME, "--data", tiny / "labels.csv"]
    command = ["optimize", url, *more, *([] if described(url) else DESCRIPTION)]
    plan = json.loads(
        bbdft(*command, "--budget", BUDGET, "--yes", "--dry-run", "--json", "--out", tmp_path / "x", code=0).stdout
    )
    found = json.loads(bbdft(*command, "--budget", BUDGET, "--yes", "--out", tmp_path / "url", "--json", code=0).stdout)
    assert found["verdict"] == "improved"
    # A URL has drift checks; without their queries, the search of the file has the same length.
    budget = BUDGET - plan["watch"]
    words = ["optimize", tiny / "model.onnx", *more, "--budget", budget, "--json", "--out", tmp_path / "file"]
    alone = json.loads(bbdft(*words, code=0).stdout)
    assert alone["queries"]["tune"] == found["queries"]["tune"]
    # The scores may differ in their last bit, as the server's ONNX Runtime need not be this one.
    np.testing.assert_allclose(Tuning.load(tmp_path / "url").z, Tuning.load(tmp_path / "file").z, atol=1e-3)
    assert found["accuracy"] == alone["accuracy"]


def test_scores_are_the_files_to_float32(url: str, tiny: Path) -> None:
    names = {} if described(url) else {"input": "image", "output": "tone", "size": (16, 16)}
    pixels = (255 * IMAGES.transpose(0, 2, 3, 1)).astype(np.uint8)
    (expected,) = ort.InferenceSession(tiny / "model.onnx").run(
        None, {"image": pixels.transpose(0, 3, 1, 2) / np.float32(255)}
    )
    with make_target(url, TargetOptions(**names)) as target:
        np.testing.assert_allclose(target.scores(pixels), expected, rtol=1e-5)
        listed = httpx.get(url.partition("/models")[0]).json()["extensions"]
        assert target.describe()["tensors"] == ("binary" if "binary_tensor_data" in listed else "JSON")


def test_kserve_reads_bytes_and_numbers_alike(tiny: Path, tmp_path: Path) -> None:
    with serving(kserve, tiny, tmp_path) as url:
        scores = []
        for binary in (True, False):
            headers, body = encode_request("image", "FP32", IMAGES, binary)
            response = httpx.post(f"{url}/infer", headers=headers, content=body, timeout=30)
            assert response.status_code == 200, response.text
            scores.append(decode_response(response.headers, response.content)["tone"])
    np.testing.assert_array_equal(*scores)


def test_a_wrong_name_ends_in_one_sentence(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(undescribed_mlserver, tiny, tmp_path) as url:
        words = [
            "--data",
            tiny / "labels.csv",
            "--budget",
            BUDGET,
            "--yes",
            "--input",
            "picture",
            "--patience",
            2,
            "--quiet",
        ]
        done = bbdft("optimize", url, *SAME, *words, "--out", tmp_path / "run", code=4)
        assert "did not serve for 2 s (last: 500" in done.stderr
        assert len(errors(done.stderr)) == 1
        assert "Traceback" not in done.stderr
