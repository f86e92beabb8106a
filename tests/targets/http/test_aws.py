"""AwsSigner: requests of the rekognition profile carry a Signature Version 4."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.targets.http.aws import AwsSigner
from blackbox_dft.targets.http.messages import HttpRequest
from tests.helpers.recording_server import RecordingServer, decoded

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    recorder = RecordingServer()
    yield recorder
    recorder.server.shutdown()


def test_rekognition_is_signed(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    emotions = [{"Type": "HAPPY", "Confidence": 97.5}, {"Type": "CALM", "Confidence": 2.5}]
    server.respond = lambda body: {"FaceDetails": [{"Emotions": emotions}]}
    with make_target(server.url, TargetOptions(profile="rekognition")) as target:
        assert target.scores(IMAGES[:1])[0, [0, 6]].tolist() == pytest.approx([0.975, 0.025])
        server.respond = lambda body: {"FaceDetails": []}
        assert not target.scores(IMAGES[:1]).any()
    _, headers, body = server.requests[0]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/rekognition/aws4_request" in headers["authorization"]
    assert headers["x-amz-target"] == "RekognitionService.DetectFaces"
    assert "wJalrXUtnFEMI" not in str(headers)
    np.testing.assert_array_equal(decoded(json.loads(body)["Image"]["Bytes"]), IMAGES[0])


def test_sagemaker_is_signed_with_the_image_as_the_body(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    server.respond = lambda body: [0.25, 0.75]
    with make_target(server.url, TargetOptions(profile="sagemaker", classes=("cat", "dog"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.25, 0.75]])
    _, headers, body = server.requests[0]
    assert headers["content-type"] == "application/x-image"
    assert "/eu-west-1/sagemaker/aws4_request" in headers["authorization"]
    assert body.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://rekognition.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://runtime.sagemaker.us-east-2.amazonaws.com/endpoints/e/invocations", "us-east-2"),
        ("https://runtime.sagemaker.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://rekognition.example.com", "ap-south-1"),
    ],
)
def test_the_region_is_the_url_s(url: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    sign = AwsSigner("sagemaker" if "sagemaker" in url else "rekognition", url)
    assert f"/{region}/" in sign(HttpRequest("POST", url, {}, b"x")).headers["Authorization"]


def test_missing_credentials_and_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="no AWS credentials were found"):
        AwsSigner("rekognition", "https://rekognition.eu-west-1.amazonaws.com")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    with pytest.raises(InputError, match="no AWS region was found"):
        AwsSigner("rekognition", "https://example.com")
    assert AwsSigner("rekognition", "https://rekognition.eu-west-1.amazonaws.com").secrets == ["wJalrXUtnFEMI"]
