"""``bbdft serve`` as a process of its own, asked over real sockets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import onnxruntime as ort
import pytest

from blackbox_dft import Tuning
from blackbox_dft.targets.v2 import decode_response, encode_request
from tests.conftest import Bbdft

ROOT = Path(__file__).parents[1]
IMAGES = np.random.default_rng(0).random((40, 3, 16, 16), np.float32)


@pytest.fixture(scope="module")
def url(tiny: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "blackbox_dft", "serve", str(tiny / "model.onnx"), "--port", "0", "--name", "tone"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        said = process.stdout.readline()
        assert "on the cpu at http://127.0.0.1:" in said
        place = said.split(" at ")[1].strip()
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(place)
        yield place
    finally:
        process.terminate()
        process.wait(10)


def ask(url: str, images: np.ndarray, binary: bool) -> np.ndarray:
    headers, body = encode_request("image", "FP32", images, binary)
    response = httpx.post(f"{url}/infer", headers=headers, content=body, timeout=30)
    assert response.status_code == 200, response.text
    return decode_response(response.headers, response.content)["tone"]


def test_it_says_what_it_is(url: str) -> None:
    base = url.rsplit("/models", 1)[0]
    assert httpx.get(f"{base}/health/ready").status_code == 200
    assert "binary_tensor_data" in httpx.get(base).json()["extensions"]
    about = httpx.get(url).json()
    assert about["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 16]}]
    assert about["parameters"]["classes"] == "dark,bright"
    assert httpx.post(f"{base}/repository/index").json()[0]["name"] == "tone"


@pytest.mark.parametrize("binary", [True, False])
def test_answers_are_the_models(binary: bool, url: str, tiny: Path) -> None:
    (expected,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": IMAGES})
    np.testing.assert_allclose(ask(url, IMAGES, binary), expected, atol=1e-4)


def test_requests_at_once_get_their_own_rows_and_are_joined(url: str, tiny: Path) -> None:
    (expected,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": IMAGES})
    cuts = [(n % 37, n % 37 + 1 + n % 3) for n in range(120)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda cut: ask(url, IMAGES[slice(*cut)], True), cuts))
    for cut, answer in zip(cuts, answers, strict=True):
        np.testing.assert_allclose(answer, expected[slice(*cut)], atol=1e-4)
    headers, body = encode_request("image", "FP32", IMAGES[:1])
    images, batches = httpx.post(f"{url}/infer", headers=headers, content=body).headers["x-batches"].split("/")
    assert int(images) > 1.2 * int(batches)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"no json", "cannot be read"),
        (b"[" * 100_000, "nested too deep"),
        (b"[1]", "no object"),
        (b"{}", "'inputs' is missing"),
        (encode_request("image", "FP32", IMAGES[:1, :2], False)[1], "has shape [1, 2, 16, 16]"),
        (encode_request("image", "FP64", IMAGES[:1].astype(float), False)[1], "is FP64"),
        (encode_request("picture", "FP32", IMAGES[:1], False)[1], "are picture"),
        (b'{"inputs":[{"name":"image","shape":[9],"datatype":"FP32","data":[1]}]}', "holds 1 values"),
        (b'{"inputs":[{"name":"image","shape":[-1],"datatype":"FP32","data":[]}]}', "has the shape"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"BYTES","data":["a"]}]}', "cannot be read"),
    ],
)
def test_what_it_cannot_take_it_says_in_one_sentence(body: bytes, sentence: str, url: str) -> None:
    response = httpx.post(f"{url}/infer", content=body)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_unknown_models_and_lengths(url: str) -> None:
    assert httpx.get(url + "x").status_code == 404
    headers, body = encode_request("image", "FP32", IMAGES[:1])
    wrong = {**headers, "inference-header-content-length": "99999999"}
    assert "of a body of" in httpx.post(f"{url}/infer", headers=wrong, content=body).json()["error"]


def test_a_tuning_through_it_is_the_files_own(url: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 1500, "--in-doubt", "free", "--json"]
    base = url.rsplit("/v2", 1)[0]
    found = json.loads(bbdft("optimize", base, *words, "--out", tmp_path / "url", code=0).stdout)
    assert found["verdict"] == "improved"
    bbdft("optimize", tiny / "model.onnx", *words, "--out", tmp_path / "file", code=0)
    # The canaries of a URL shorten its search by a step or two.
    np.testing.assert_allclose(Tuning.load(tmp_path / "url").z, Tuning.load(tmp_path / "file").z, atol=0.3)
