"""Exchange: requests and responses as text, without secrets and long data."""

import httpx
import numpy as np

from blackbox_dft.targets.http.exchange import Exchange
from blackbox_dft.targets.http.v2_tensors import encode_request


def shown(request: httpx.Request, body: bytes = b"{}", **headers: str) -> str:
    return Exchange(request, httpx.Response(200, headers=headers), body).text(["hush/1", "pin"])


def test_secrets_are_masked_wherever_they_are() -> None:
    request = httpx.Request(
        "POST",
        "https://a/pin?key=plain&user=hush%2F1",
        headers={"X-Signature-Token": "never given", "X-Other": "Basic pin"},
        data={"api_key": "hush/1", "lang": "en"},
    )
    text = shown(request, b'{"echo": "hush/1"}', **{"set-cookie": "id=7"})
    for secret in ("plain", "hush", "pin", "never given", "id=7"):
        assert secret not in text
    assert "> POST https://a/***?key=***&user=***" in text
    assert "lang=en" in text
    assert '< {"echo": "***"}' in text


def test_images_and_tensors_are_shortened() -> None:
    numbers = httpx.Request("POST", "https://a", json={"instances": [[0.25] * 300]})
    assert len(shown(numbers)) < 600
    headers, body = encode_request("x", "FP32", np.zeros((1, 3, 8, 8), np.float32))
    binary = shown(httpx.Request("POST", "https://a", headers=headers, content=body))
    assert "(768 bytes)" in binary
    assert '"binary_data_size": 768' in binary
    file = shown(httpx.Request("POST", "https://a", files={"f": ("i.png", b"\x89PNG\r\n" + bytes(99), "image/png")}))
    assert 'name="f"; filename="i.png"' in file
    assert "bytes)" in file
    assert "(5,000 characters)" in shown(httpx.Request("GET", "https://a"), b"a b c " * 833 + b"ab")
