"""The Open Inference Protocol (KServe V2) over HTTP: KServe, Triton, MLServer, OpenVINO Model Server, TorchServe.

https://github.com/kserve/open-inference-protocol; binary tensors as in Triton's extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import json
from typing import Any

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.protocol import ServerInfo, checked
from blackbox_dft.targets.http.transport import RefusedError, Transport
from blackbox_dft.targets.http.v2_tensors import decode_response, encode_request
from blackbox_dft.targets.input_format import InputFormat, infer_form
from blackbox_dft.targets.options import TargetOptions

KINDS = {"FP32": "tensor(float)", "FP16": "tensor(float16)", "FP64": "tensor(double)", "UINT8": "tensor(uint8)"}
BATCH = 8
BINARY = "binary_tensor_data"
"""Name of the extension by which tensors are bytes behind the JSON."""


class V2Protocol:
    """One model of a V2 server; ``url`` is the server's or the model's (``.../v2/models/NAME[/versions/V]``)."""

    def __init__(self, url: str, options: TargetOptions, headers: dict[str, str]) -> None:
        self.headers = headers
        self.options = options
        base, _, rest = url.rstrip("/").removesuffix("/infer").partition("/v2")
        self.base = base.rstrip("/") + "/v2"
        self.model = rest.removeprefix("/models/") if rest.startswith("/models/") else ""
        self.input, self.output, self.kind = "", options.output, "FP32"
        self.form: InputFormat
        self.binary = True

    @property
    def identity(self) -> str:
        """Server, model, input and output."""
        return json.dumps([self.base, self.model, self.input, self.output, str(self.form)])

    def meet(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        """Reads the model's metadata; what it leaves out has to be told or is assumed."""
        if not self.model:
            self.model = self._only_model(transport)
        about = transport.send(HttpRequest("GET", f"{self.base}/models/{self.model}", self.headers)).json()
        if not isinstance(about, dict):
            raise LostAnswer("the server's metadata is no JSON object")
        notes: list[str] = []
        self.binary = self._takes_binary(transport)
        inputs = [one for one in about.get("inputs") or [] if isinstance(one, dict)]
        if len(inputs) > 1:
            named = ", ".join(str(one.get("name")) for one in inputs)
            raise InputError(f"model {self.model} has several inputs ({named}): one image input is needed.")
        described = inputs[0] if inputs else {}
        self.input = options.input or str(described.get("name", "image"))
        self.kind = options.datatype or str(described.get("datatype", "FP32"))
        if self.kind not in KINDS:
            raise InputError(f"input {self.input!r} takes {self.kind}: {', '.join(KINDS)} can be sent.")
        shape: list[Any] = [side if isinstance(side, int) and side > 0 else None for side in described.get("shape", [])]
        if not shape:
            notes.append(
                f"the server does not describe its input; assumed: {self.input!r}, {self.kind}, images NCHW RGB"
            )
            height, width = options.size or (None, None)
            shape = [None, height, width, 3] if options.layout == "nhwc" else [None, 3, height, width]
        self.form, more = infer_form(self.input, shape, KINDS[self.kind], options, None)
        outputs = [str(one.get("name")) for one in about.get("outputs") or [] if isinstance(one, dict)]
        if self.output is None and len(outputs) > 1:
            wide = [o for o in about["outputs"] if len(o.get("shape", [])) == 2 and (o["shape"][1] or 0) > 1]
            if len(wide) != 1:
                raise InputError(
                    f"model {self.model} has several outputs ({', '.join(outputs)}): say which, --output NAME."
                )
            self.output = str(wide[0]["name"])
            notes.append(f"scores are taken from output {self.output!r} of {', '.join(outputs)} (else give --output)")
        elif self.output is not None and outputs and self.output not in outputs:
            raise InputError(
                f"model {self.model} has no output {self.output!r}: give --output one of {', '.join(outputs)}."
            )
        elif self.output is None and outputs:
            self.output = outputs[0]
        said = about.get("parameters")
        classes = said.get("classes") if isinstance(said, dict) else None
        names = tuple(name.strip() for name in classes.split(",")) if isinstance(classes, str) else None
        batch = self.form.batch or BATCH
        facts = {
            "profile": "v2",
            "model": self.model,
            "platform": about.get("platform"),
            "input": self.input,
            "datatype": self.kind,
            "tensors": "binary" if self.binary else "JSON",
            "layout": self.form.layout,
            "range": self.form.range,
            "output": self.output,
        }
        return ServerInfo(names, self.form.size, batch, facts, (*notes, *more))

    def _takes_binary(self, transport: Transport) -> bool:
        """Whether tensors are sent as bytes: a server that lists its extensions and not this one is sent JSON.

        JSON is the part of the protocol that all speak. Trying would not tell: some answer 500, which heals elsewhere.
        """
        try:
            about = transport.send(HttpRequest("GET", self.base, self.headers)).json()
        except (TargetError, LostAnswer):
            # Often only the model's own path is let through.
            return True
        listed = about.get("extensions") if isinstance(about, dict) else None
        return not isinstance(listed, list) or BINARY in listed

    def _only_model(self, transport: Transport) -> str:
        """The model of a server that has one; the index is an extension that not all offer."""
        try:
            index = transport.send(HttpRequest("POST", f"{self.base}/repository/index", self.headers, b"{}")).json()
        except (RefusedError, LostAnswer):
            index = None
        named = [str(one["name"]) for one in index or [] if isinstance(one, dict) and "name" in one]
        if len(named) == 1:
            return named[0]
        which = f" (it has {', '.join(named)})" if named else ""
        raise InputError(f"{self.base} does not say which model is meant{which}: give {self.base}/models/NAME.")

    def request(self, images: ImageBytes | Images) -> HttpRequest:
        """One input tensor, binary where the server takes that."""
        headers, body = encode_request(self.input, self.kind, self.form.prepare(images), self.binary)
        url = f"{self.base}/models/{self.model}/infer"
        return HttpRequest("POST", url, {**headers, **self.headers}, body)

    def scores(self, answer: HttpResponse, count: int) -> Scores:
        """The output's rows."""
        try:
            tensors = decode_response(answer.headers, answer.body)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LostAnswer(f"the server's answer is no V2 response ({error})") from error
        if self.output is not None and self.output not in tensors:
            raise TargetError(f"the server answered {', '.join(tensors)} and no {self.output!r}: give another --output")
        if self.output is None and len(tensors) != 1:
            raise InputError(f"the server answers several outputs ({', '.join(tensors)}): say which, --output NAME.")
        return checked(tensors[self.output] if self.output else next(iter(tensors.values())), count)
