"""``bbdft serve RUN`` as processes of their own, in front of a home-made paid API: results, money, faults, the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import onnxruntime
import pytest

from blackbox_dft import Tuning, open_prediction, predict
from blackbox_dft.deploy.serve.server import listen
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.run.record import RunRecord
from blackbox_dft.targets import make_target
from blackbox_dft.targets.http.v2_tensors import decode_response, encode_request
from tests.conftest import Bbdft
from tests.helpers import main_job
from tests.helpers.paid_api import FAULTS, KEY, PaidApi, paid_api

ROOT = Path(__file__).parents[3]
PRICE = 0.25


@dataclass(frozen=True)
class Service:
    """A running ``bbdft serve``."""

    url: str
    log: Path
    process: "subprocess.Popen[str]"

    def predict(self, data: bytes, **more: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/predict", content=data, timeout=30, **more)

    def metric(self, series: str) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        (value,) = (line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == series)
        return float(value)

    @property
    def sent(self) -> float:
        return sum(self.metric(f'bbdft_upstream_images_total{{result="{one}"}}') for one in ("scored", "lost"))


@contextmanager
def serving(run: Path, log: Path, *words: object, **environment: str) -> Iterator[Service]:
    line = [sys.executable, "-m", "blackbox_dft", "serve", run, "--port", 0, *words]
    with log.open("w") as errors:
        process = subprocess.Popen(
            list(map(str, line)),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout
        said = process.stdout.readline()
        assert " at http://127.0.0.1:" in said, said + log.read_text()
        yield Service(said.split(" at ")[1].split("/v2")[0], log, process)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def api() -> Iterator[PaidApi]:
    with paid_api() as running:
        yield running


@pytest.fixture
def healthy(api: PaidApi) -> Iterator[PaidApi]:
    """The API, which is well again at the end."""
    yield api
    api.share, api.faults, api.delay, api.most, api.names, api.face = 0.0, FAULTS, 0.0, 10**6, ("dark", "bright"), True


@pytest.fixture(scope="module")
def run(api: PaidApi, bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    os.environ["PAID_API_KEY"] = KEY
    out = tmp_path_factory.mktemp("paid") / "run"
    bbdft(
        "optimize", api.url, "--profile", "image-json", "--size", 16, "--model-classes", "dark,bright",
        "--header", "Authorization: Bearer {env:PAID_API_KEY}", "--data", tiny / "labels.csv", "--space", "color",
        "--budget", 500, "--price", PRICE, "--out", out, "--concurrency", 8, "--yes", "--quiet", code=0,
    )  # fmt: skip
    assert Tuning.load(out).z.any()
    yield out
    del os.environ["PAID_API_KEY"]


@pytest.fixture(scope="module")
def service(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    words = ("--yes", "--timeout", 1, "--deadline", 10, "--max-image", 0.5, "--max-pixels", 10_000)
    with serving(run, tmp_path_factory.mktemp("log") / "log", *words) as running:
        yield running


def png(level: float, seed: int = 0, side: int = 20) -> bytes:
    pixels = (255 * level + np.random.default_rng(seed).normal(0, 8, (side, side, 3))).clip(0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def test_concurrent_clients_get_what_predict_says_whatever_fails_in_between(
    healthy: PaidApi, run: Path, service: Service, tmp_path: Path
) -> None:
    images = [png(0.40 + 0.15 * (n % 40) / 40, n) for n in range(300)]
    before, cost = healthy.scored, service.metric("bbdft_cost_total")
    sent = service.sent
    healthy.share, healthy.lateness, healthy.delay = 0.05, 1.5, 0.01
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(32) as threads:
        responses = list(threads.map(lambda data: client.post(f"{service.url}/predict", content=data), images))
    healthy.share = 0.0
    assert {response.status_code for response in responses} == {200}
    spent = healthy.scored - before
    assert service.sent - sent == spent >= 300
    assert service.metric("bbdft_cost_total") - cost == pytest.approx(PRICE * spent)
    (tmp_path / "new").mkdir()
    for number, data in enumerate(images):
        (tmp_path / f"new/{number:03d}.png").write_bytes(data)
    rows = list(predict(open_prediction(run, [tmp_path / "new"])).table.rows())
    for response, row in zip(responses, rows, strict=True):
        found = response.json()
        assert (found["label"], found["no_score"]) == (row["label"], row["no_score"])
        assert found["probabilities"] == row["probabilities"]
    assert len({found.json()["version"] for found in responses}) == 1
    log = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert {line["status"] for line in log if line["path"] == "/predict"} == {200}


def test_forms_and_tensors_give_the_same(healthy: PaidApi, run: Path, service: Service) -> None:
    data = png(0.46, side=16)
    found = service.predict(data).json()
    form = {"image": ('a "b".png', data, "image/png")}
    assert httpx.post(f"{service.url}/predict", files=form, data={"note": "x"}).json() == found
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    headers, body = encode_request("image", "FP32", np.float32(pixels.transpose(2, 0, 1)[None]) / np.float32(255))
    model = f"{service.url}/v2/models/run"
    response = httpx.post(f"{model}/infer", headers=headers, content=body)
    scores = decode_response(response.headers, response.content)["labels"]
    np.testing.assert_allclose(scores[0], list(found["probabilities"].values()), atol=1e-5)
    assert httpx.get(model).json()["parameters"]["classes"] == ",".join(Tuning.load(run).labels)
    outside = encode_request("image", "FP32", np.full((1, 3, 16, 16), 255, np.float32))
    refused = httpx.post(f"{model}/infer", headers=outside[0], content=outside[1])
    assert (refused.status_code, refused.json()["error"][:31]) == (400, "input 'image' holds numbers out")


def test_what_is_no_image_is_refused_in_one_sentence(healthy: PaidApi, service: Service) -> None:
    before = healthy.calls
    wide = bytearray(png(0.4))
    wide[16:24] = (60_000).to_bytes(4, "big") * 2
    wide[29:33] = zlib.crc32(wide[12:29]).to_bytes(4, "big")
    bodies = {
        b"": (400, "the body is empty"),
        b"no image": (400, "is not an image that can be read"),
        png(0.4)[:200]: (400, "the body is"),
        png(0.4, side=101): (413, "the image has 10,201 pixels, more than 10,000"),
        bytes(wide): (413, "the image declares 3,600,000,000 pixels"),
        bytes(600_000): (413, "the request is larger than 524288 bytes: send a smaller file"),
    }
    for body, (status, sentence) in bodies.items():
        response = service.predict(body)
        assert (response.status_code, sentence in response.json()["error"]) == (status, True), response.text
    nothing = httpx.post(f"{service.url}/predict", files={"a": b"1", "b": b"2"})
    assert (nothing.status_code, "the form holds 2 files" in nothing.text) == (400, True)
    assert healthy.calls == before


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ({"share": 1.0, "faults": ("500",)}, 502),
        ({"share": 1.0, "faults": ("503",)}, 503),
        ({"share": 1.0, "faults": ("garbage",)}, 502),
        ({"share": 1.0, "faults": ("late",), "lateness": 1.2}, 504),
    ],
)
def test_trouble_of_the_target_is_a_status_and_a_sentence(
    trouble: dict[str, Any], status: int, healthy: PaidApi, service: Service
) -> None:
    for name, value in trouble.items():
        setattr(healthy, name, value)
    response = service.predict(png(0.4))
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert KEY not in response.text + service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def test_a_label_that_the_run_never_saw_has_no_score_and_labels_of_another_model_are_refused(
    healthy: PaidApi, run: Path, tmp_path: Path
) -> None:
    with serving(run, tmp_path / "log", "--yes") as service:
        healthy.names = ("unclear", "unclear")
        found = service.predict(png(0.4)).json()
        assert (found["label"], found["probabilities"], found["no_score"]) == (None, None, True)
        healthy.names = ("dark", "bright")
        assert service.predict(png(0.4)).json()["label"] == "dark"
        healthy.names = ("cat", "dog")
        responses = [service.predict(png(0.4)) for _ in range(4)]
        assert [response.status_code for response in responses] == [200, 200, 502, 502]
        assert "the target returns other labels than at the run" in responses[-1].json()["error"]
        healthy.names = ("dark", "bright")
        assert service.predict(png(0.4)).json()["label"] == "dark"


def test_no_face_is_no_error_and_has_no_label(healthy: PaidApi, service: Service) -> None:
    assert service.predict(png(0.4)).json()["label"] == "dark"
    healthy.face = False
    before = service.metric("bbdft_no_score_total")
    found = service.predict(png(0.4)).json()
    assert (found["label"], found["probabilities"], found["no_score"]) == (None, None, True)
    assert service.metric("bbdft_no_score_total") == before + 1
    assert 0 < service.metric("bbdft_no_score_share") < 1


def test_all_views_are_sent_as_often_as_in_the_run(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    record = RunRecord.read(run)
    tuning = Tuning.load(run)
    each = tuning.output_map
    assert isinstance(each, OutputMap)
    mirrored = tuning.view_space.view(tuning.z, mirror=True)
    views = np.stack([tuning.view_space.view(tuning.z), mirrored])
    joined = JoinedMap(each, OutputMap(np.concatenate([np.eye(2), np.eye(2)])))
    several = replace(tuning, views=views, output_map=joined)
    (tmp_path / "run").mkdir()
    replace(record, config=replace(record.config, repeats=3)).write(tmp_path / "run")
    several.save(tmp_path / "run/tuning.npz")
    shutil.copy(run / "summary.json", tmp_path / "run")
    files = [png(level, side=16) for level in (0.42, 0.46)]
    pixels = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for data in files]
    with make_target(record.config.target, record.config.target_options) as target:
        expected = several.predict(pixels, target)
    before = healthy.scored
    with serving(tmp_path / "run", tmp_path / "log", "--yes") as service:
        found = [list(service.predict(data).json()["probabilities"].values()) for data in files]
        assert healthy.scored - before == service.sent == 2 * 2 * 3
        headers, body = encode_request("image", "FP32", np.float32(pixels).transpose(0, 3, 1, 2) / np.float32(255))
        response = httpx.post(f"{service.url}/v2/models/run/infer", headers=headers, content=body)
        tensor = decode_response(response.headers, response.content)["labels"]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(tensor, expected, atol=1e-5)


def test_a_worker_that_dies_is_started_again(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    with serving(run, tmp_path / "log", "--yes", "--workers", 2) as service:
        assert service.predict(png(0.4)).status_code == 200
        children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not list the children of a process")
        # Beside the workers there is the resource tracker of multiprocessing.
        for child in children.read_text().split():
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
        statuses = [service.predict(png(0.4, n)).status_code for n in range(8)]
        assert statuses == [200] * 8
        # What the dead ones counted is still there.
        assert service.metric("bbdft_predictions_total") == 9
    assert (tmp_path / "log").read_text().count('"worker ended"') == 2


def test_memory_stays_flat(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    """A short soak; ``sent`` is what was answered, so no response is lost."""
    healthy.share, healthy.faults = 0.02, ("500", "garbage", "429")
    images = [png(0.4 + n / 500, n, side=120) for n in range(40)]

    def resident() -> int:
        return int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])

    with serving(run, tmp_path / "log", "--yes", "--quiet") as service:
        if not Path("/proc/self/statm").exists():
            pytest.skip("this system does not say how much memory a process has")
        with httpx.Client(timeout=30) as client, ThreadPoolExecutor(16) as threads:

            def many(count: int) -> None:
                found = threads.map(
                    lambda n: client.post(f"{service.url}/predict", content=images[n % 40]), range(count)
                )
                assert {response.status_code for response in found} == {200}

            many(400)
            before = resident()
            many(1200)
            after = resident()
        assert service.metric("bbdft_predictions_total") == 1600
    assert after < 1.05 * before


def test_a_limit_of_the_target_is_passed_on(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    healthy.most = 0
    with serving(run, tmp_path / "log", "--yes", "--deadline", 2) as service:
        response = service.predict(png(0.4))
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        healthy.most = 10**6
        assert service.predict(png(0.4)).status_code == 200


def test_more_requests_than_the_queue_holds_are_sent_back(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    healthy.delay = 3.0
    busy = healthy.busy
    with serving(run, tmp_path / "log", "--yes", "--queue", 2) as service, ThreadPoolExecutor(2) as threads:
        first = [threads.submit(service.predict, png(0.4, n)) for n in range(2)]
        while healthy.busy < busy + 2:
            time.sleep(0.01)
        third = service.predict(png(0.4, 2))
        assert (third.status_code, third.headers["retry-after"]) == (429, "1")
        assert [one.result().status_code for one in first] == [200, 200]


def test_a_rate_is_kept_and_those_who_would_wait_too_long_are_sent_back(
    healthy: PaidApi, run: Path, tmp_path: Path
) -> None:
    before = healthy.calls
    with serving(run, tmp_path / "log", "--yes", "--rate", "2/h") as service, ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda n: service.predict(png(0.4, n)), range(6)))
    assert sorted(response.status_code for response in found) == [200, 429, 429, 429, 429, 429]
    assert healthy.calls - before == 1
    waits = [int(r.headers["retry-after"]) for r in found if r.status_code == 429]
    assert all(1700 < wait <= 1800 for wait in waits)


def test_a_key_and_a_budget_hold_for_all_processes(healthy: PaidApi, run: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    refused = bbdft("serve", run, code=2).stderr
    assert "every image of a client would be sent to http://127.0.0.1" in refused
    assert "give env:NAME or file:PATH" in bbdft("serve", run, "--key", "abc", "--yes", code=2).stderr
    assert "--layout of a run's target is that of the run" in bbdft("serve", run, "--layout", "nhwc", code=2).stderr
    before = healthy.scored
    words = ("--key", "env:SERVICE_KEY", "--budget", 3, "--queue", 2, "--workers", 2)
    with serving(run, tmp_path / "log", *words, SERVICE_KEY="open sesame") as service:
        own = {"authorization": "Bearer open sesame"}
        for headers in ({}, {"authorization": "Bearer open"}, {"x-api-key": "open sesam\u00e9".encode()}):
            assert service.predict(png(0.4), headers=headers).status_code == 401
        assert httpx.get(f"{service.url}/metrics").status_code == 401
        assert httpx.get(f"{service.url}/ready").json() == {"ready": True}
        assert "securitySchemes" in httpx.get(f"{service.url}/openapi.json").json()["components"]
        statuses = [service.predict(png(0.4, n), headers=own).status_code for n in range(5)]
        assert (statuses, healthy.scored - before) == ([200] * 3 + [503] * 2, 3)
        assert httpx.get(f"{service.url}/ready").status_code == 503
        counted = httpx.get(f"{service.url}/metrics", headers=own).text
        # Of both processes.
        assert 'bbdft_requests_total{path="predict",status="200"} 3\n' in counted
        assert 'bbdft_requests_total{path="predict",status="401"} 3\n' in counted


def test_a_target_that_is_gone(healthy: PaidApi, run: Path, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as closed:
        port = closed.getsockname()[1]
    moved = Path(shutil.copytree(run, tmp_path / "run"))
    config = moved / "config.json"
    config.write_text(config.read_text().replace(healthy.url, f"http://127.0.0.1:{port}/score"))
    with serving(moved, tmp_path / "log", "--yes") as service:
        response = service.predict(png(0.4))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json() == {"error": "the target cannot be reached: try again later"}
    assert "no connection" in (tmp_path / "log").read_text()


def test_the_files_of_a_run_answer_as_the_run_itself(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    """Through evaluate, predict, the service, and the fused file in plain ONNX Runtime: the same labels."""
    out, fused = tmp_path / "run", tmp_path / "fused.onnx"
    bbdft(*main_job.words(tiny, out, views=2), "--quiet", code=0)
    files = sorted((tiny / "images").iterdir())
    table = predict(open_prediction(out, [tiny / "images"])).table
    with serving(out, tmp_path / "log", "--workers", 2) as service, ThreadPoolExecutor(16) as threads:
        found = [one.json() for one in threads.map(lambda file: service.predict(file.read_bytes()), files)]
        assert service.sent == len(files) * Tuning.load(out).queries_per_image
    assert [one["label"] for one in found] == list(table.decided)
    probabilities = np.array([list(one["probabilities"].values()) for one in found])
    np.testing.assert_allclose(probabilities, table.probabilities, atol=2e-5)
    bbdft("export", out, fused, "--fuse", tiny / "model.onnx", code=0)
    images = np.stack([cv2.imread(str(file))[..., ::-1] for file in files]).transpose(0, 3, 1, 2)
    (plain,) = onnxruntime.InferenceSession(fused).run(["labels"], {"image": np.float32(images) / np.float32(255)})
    np.testing.assert_array_equal(plain.argmax(axis=1), probabilities.argmax(axis=1))
    truth = dict(line.split(",") for line in (tiny / "labels.csv").read_text().splitlines()[1:])
    right = [one["label"] == truth[f"images/{file.name}"] for one, file in zip(found, files, strict=True)]
    evaluated = json.loads(bbdft("evaluate", out, "--split", "all", "--json", code=0).stdout)
    assert np.mean(right) == pytest.approx(evaluated["accuracy"]["all"]["after"], abs=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_running_requests_end_before_the_service_does(
    workers: int, healthy: PaidApi, run: Path, tmp_path: Path
) -> None:
    healthy.delay = 1.0
    found: list[httpx.Response] = []
    with serving(run, tmp_path / "log", "--yes", "--workers", workers) as service:
        busy = healthy.busy
        client = threading.Thread(target=lambda: found.append(service.predict(png(0.4))))
        client.start()
        while healthy.busy == busy:
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        client.join()
    assert [response.status_code for response in found] == [200]


def test_pages_describe_the_service(service: Service) -> None:
    document = httpx.get(f"{service.url}/openapi.json").json()
    assert document["components"]["schemas"]["Prediction"]["properties"]["label"]["enum"] == ["bright", "dark", None]
    page = httpx.get(f"{service.url}/", follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.text for path in document["paths"])
    assert "http" not in page.text.replace("http://HOST/predict", "")
    missing = httpx.get(f"{service.url}/nothing")
    assert (missing.status_code, missing.json()) == (404, {"error": "/nothing does not exist: see /docs"})
