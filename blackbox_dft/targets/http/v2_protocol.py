"""V2 protocol: the Open Inference Protocol over HTTP (KServe, Triton, MLServer, OpenVINO Model Server, TorchServe).

https://github.com/kserve/open-inference-protocol; binary tensors as in Triton's extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import json
from typing import Any

from typing_extensions import override

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.protocol import ServerInfo, WireProtocol, check_scores
from blackbox_dft.targets.http.transport import RefusedError, Transport
from blackbox_dft.targets.http.v2_tensors import decode_response, encode_request
from blackbox_dft.targets.input_format import InputFormat, infer_input_format
from blackbox_dft.targets.options import TargetOptions

ONNX_TYPES = {"FP32": "tensor(float)", "FP16": "tensor(float16)", "FP64": "tensor(double)", "UINT8": "tensor(uint8)"}
"""ONNX Runtime's names of the protocol's input types."""
DEFAULT_BATCH = 8
"""Images of a request if the model takes any number."""
BINARY_EXTENSION = "binary_tensor_data"
"""Name of the extension that sends tensors as bytes after the JSON."""


class V2Protocol(WireProtocol):
    """The wire protocol of one model of a V2 server.

    Args:
        url: of the server, or of the model: ``.../v2/models/NAME[/versions/V]``.
        options: what the user gave of the model's input and output.
        headers: of every request, with secrets in place of references.

    >>> protocol = V2Protocol("http://127.0.0.1:8000/v2/models/tone/infer", TargetOptions(), {})
    >>> protocol.base, protocol.model
    ('http://127.0.0.1:8000/v2', 'tone')
    """

    def __init__(self, url: str, options: TargetOptions, headers: dict[str, str]) -> None:
        self.headers = headers
        self.options = options
        base, _, rest = url.rstrip("/").removesuffix("/infer").partition("/v2")
        self.base = base.rstrip("/") + "/v2"
        self.model = rest.removeprefix("/models/") if rest.startswith("/models/") else ""
        self.input, self.output, self.datatype = "", options.output, "FP32"
        self.input_format: InputFormat
        self.binary = True

    @property
    @override
    def identity(self) -> str:
        return json.dumps([self.base, self.model, self.input, self.output, str(self.input_format)])

    @override
    def discover(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        if not self.model:
            self.model = self._only_model(transport)
        metadata = transport.send(HttpRequest("GET", f"{self.base}/models/{self.model}", self.headers)).json()
        if not isinstance(metadata, dict):
            raise LostAnswer("the server's metadata is not a JSON object")
        notes: list[str] = []
        self.binary = self._takes_binary(transport)
        inputs = [one for one in metadata.get("inputs") or [] if isinstance(one, dict)]
        if len(inputs) > 1:
            named = ", ".join(str(one.get("name")) for one in inputs)
            raise InputError(f"model {self.model} has several inputs ({named}): give a model with one image input.")
        described = inputs[0] if inputs else {}
        self.input = options.input or str(described.get("name", "image"))
        self.datatype = options.datatype or str(described.get("datatype", "FP32"))
        if self.datatype not in ONNX_TYPES:
            known = ", ".join(ONNX_TYPES)
            raise InputError(f"input {self.input!r} takes {self.datatype}: give a model that takes one of {known}.")
        shape: list[Any] = [side if isinstance(side, int) and side > 0 else None for side in described.get("shape", [])]
        if not shape:
            notes.append(
                f"the server does not describe its input; assumed: {self.input!r}, {self.datatype}, images NCHW RGB"
            )
            height, width = options.size or (None, None)
            shape = [None, height, width, 3] if options.layout == "nhwc" else [None, 3, height, width]
        self.input_format, more = infer_input_format(self.input, shape, ONNX_TYPES[self.datatype], options, None)
        outputs = [str(one.get("name")) for one in metadata.get("outputs") or [] if isinstance(one, dict)]
        if self.output is None and len(outputs) > 1:
            several = [o for o in metadata["outputs"] if len(o.get("shape", [])) == 2 and (o["shape"][1] or 0) > 1]
            if len(several) != 1:
                raise InputError(
                    f"model {self.model} has several outputs ({', '.join(outputs)}): "
                    "name the one with scores, --output NAME."
                )
            self.output = str(several[0]["name"])
            notes.append(f"scores are taken from output {self.output!r} of {', '.join(outputs)} (else give --output)")
        elif self.output is not None and outputs and self.output not in outputs:
            raise InputError(
                f"model {self.model} has no output {self.output!r}: give --output one of {', '.join(outputs)}."
            )
        elif self.output is None and outputs:
            self.output = outputs[0]
        parameters = metadata.get("parameters")
        text = parameters.get("classes") if isinstance(parameters, dict) else None
        classes = tuple(name.strip() for name in text.split(",")) if isinstance(text, str) else None
        description = {
            "profile": "v2",
            "model": self.model,
            "platform": metadata.get("platform"),
            "input": self.input,
            "datatype": self.datatype,
            "tensors": "binary" if self.binary else "JSON",
            "layout": self.input_format.layout,
            "range": self.input_format.range,
            "output": self.output,
            "columns": _columns(metadata.get("outputs"), self.output),
        }
        batch = self.input_format.batch or DEFAULT_BATCH
        return ServerInfo(classes, self.input_format.size, batch, description, (*notes, *more))

    def _takes_binary(self, transport: Transport) -> bool:
        """Whether tensors are sent as bytes; as JSON to a server that lists its extensions without this one.

        Every server understands JSON. A trial request would not tell: some servers respond to bytes with status 500,
        which other servers send for temporary faults.
        """
        try:
            server = transport.send(HttpRequest("GET", self.base, self.headers)).json()
        except (TargetError, LostAnswer):
            # Gateways often let only the model's own path through.
            return True
        extensions = server.get("extensions") if isinstance(server, dict) else None
        return not isinstance(extensions, list) or BINARY_EXTENSION in extensions

    def _only_model(self, transport: Transport) -> str:
        """The name of the server's only model, from its index, an extension that not every server offers."""
        try:
            index = transport.send(HttpRequest("POST", f"{self.base}/repository/index", self.headers, b"{}")).json()
        except (RefusedError, LostAnswer):
            index = None
        names = [str(one["name"]) for one in index or [] if isinstance(one, dict) and "name" in one]
        if len(names) == 1:
            return names[0]
        listed = f" (it has {', '.join(names)})" if names else ""
        raise InputError(f"{self.base} does not name a model{listed}: give {self.base}/models/NAME.")

    @override
    def request(self, images: ImageBytes | Images) -> HttpRequest:
        headers, body = encode_request(self.input, self.datatype, self.input_format.prepare(images), self.binary)
        url = f"{self.base}/models/{self.model}/infer"
        return HttpRequest("POST", url, {**headers, **self.headers}, body)

    @override
    def scores(self, response: HttpResponse, count: int) -> Scores:
        try:
            tensors = decode_response(response.headers, response.body)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LostAnswer(f"the server's response is not a V2 response ({error})") from error
        if self.output is not None and self.output not in tensors:
            raise TargetError(
                f"the server returned {', '.join(tensors)} instead of {self.output!r}: give another --output"
            )
        if self.output is None and len(tensors) != 1:
            raise InputError(
                f"the server returns several outputs ({', '.join(tensors)}): name the one with scores, --output NAME."
            )
        return check_scores(tensors[self.output] if self.output else next(iter(tensors.values())), count)


def _columns(outputs: Any, name: str | None) -> int | None:
    """Scores an image in the output called ``name``, if the metadata says."""
    for one in outputs if isinstance(outputs, list) else []:
        shape = one.get("shape") if isinstance(one, dict) and one.get("name") == name else None
        if isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0:
            return int(shape[1])
    return None
