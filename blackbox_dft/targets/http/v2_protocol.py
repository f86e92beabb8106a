"""V2 protocol: the Open Inference Protocol over HTTP (KServe, Triton, MLServer, OpenVINO Model Server, TorchServe).

https://github.com/kserve/open-inference-protocol; binary tensors as in Triton's extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import override

from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.class_names import names_of, parse_names
from blackbox_dft.targets.http.failures import failure_in, is_pending
from blackbox_dft.targets.http.labels import LabelColumns, listed
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse, clip
from blackbox_dft.targets.http.profile_response import POLL_MEND
from blackbox_dft.targets.http.protocol import ServerInfo, WireProtocol, check_scores
from blackbox_dft.targets.http.transport import RefusedError, Transport
from blackbox_dft.targets.http.v2_labels import label_scores
from blackbox_dft.targets.http.v2_tensors import decode_response, encode_request
from blackbox_dft.targets.input_format import InputFormat, infer_input_format
from blackbox_dft.targets.options import TargetOptions

ONNX_TYPES = {"FP32": "tensor(float)", "FP16": "tensor(float16)", "FP64": "tensor(double)", "UINT8": "tensor(uint8)"}
"""ONNX Runtime's names of the protocol's input types."""
DEFAULT_BATCH = 8
"""Images of a request if the model takes any number."""
BINARY_EXTENSION = "binary_tensor_data"
"""Name of the extension that sends tensors as bytes after the JSON."""
NO_METADATA = (404, 405, 501)
"""Status codes of servers that do not describe their models."""
FLOATS = ("FP32", "FP16", "FP64", "BF16")
OTHER_PROTOCOL = "if it speaks another protocol, name it by --profile ('bbdft profiles' lists them)"


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
        parts = urlsplit(url.rstrip("/").removesuffix("/infer"))
        base, *after = re.split(r"/v2(?=/|$)", parts.path, maxsplit=1)
        self.base = f"{parts.scheme}://{parts.netloc}{base.rstrip('/')}/v2"
        rest = after[0] if after else ""
        self.model = rest.removeprefix("/models/") if rest.startswith("/models/") else ""
        self.input, self.output, self.datatype = "", options.output, "FP32"
        self.input_format: InputFormat
        self.binary = True
        self._columns = LabelColumns(options.classes) if options.classes else None
        self._understood = False
        """Whether a response could be read."""

    @property
    @override
    def identity(self) -> str:
        return json.dumps([self.base, self.model, self.input, self.output, str(self.input_format)])

    @override
    def discover(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        if not self.model:
            self.model = self._only_model(transport)
        metadata = self._metadata(transport)
        notes: list[str] = []
        # Every server understands JSON.
        self.binary = bool(metadata) and self._takes_binary(transport)
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
            self.output = _scores_among([one for one in metadata["outputs"] if isinstance(one, dict)])
            if self.output is None:
                raise InputError(
                    f"model {self.model} has several outputs ({', '.join(outputs)}): "
                    "name the one with scores, --output NAME."
                )
            notes.append(f"scores are taken from output {self.output!r} of {', '.join(outputs)} (else give --output)")
        elif self.output is not None and outputs and self.output not in outputs:
            raise InputError(
                f"model {self.model} has no output {self.output!r}: give --output one of {', '.join(outputs)}."
            )
        elif self.output is None and outputs:
            self.output = outputs[0]
        parameters = metadata.get("parameters")
        stated = parameters.get("classes") if isinstance(parameters, dict) else None
        classes = parse_names(stated) if isinstance(stated, str) else names_of(stated)
        if self._columns is None and classes:
            self._columns = LabelColumns(classes)
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

    def _metadata(self, transport: Transport) -> dict[str, Any]:
        """What the server says of the model; empty if it says nothing and the options describe the input."""
        described = self.options.input or self.options.datatype
        url = f"{self.base}/models/{self.model}"
        try:
            response = transport.send(HttpRequest("GET", url, self.headers))
        except RefusedError as error:
            if error.status not in NO_METADATA:
                raise
            reason = str(error).partition("; ")[0]
        else:
            try:
                metadata = response.json()
            except LostAnswer as error:
                metadata, reason = None, str(error)
            if isinstance(metadata, dict) and (described or not failure_in(metadata)):
                return metadata
            if metadata is not None:
                reason = f"the server does not describe the model ({response.text})"
        if described:
            return {}
        raise InputError(
            f"{reason}: is {url} the model's URL? If the server does not describe its models, give --input NAME, "
            f"--datatype, --size and --model-classes; {OTHER_PROTOCOL}."
        )

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
        having = f" (it has {listed(names)})" if names else ""
        raise InputError(f"{self.base} does not name a model{having}: give {self.base}/models/NAME; {OTHER_PROTOCOL}.")

    @override
    def request(self, images: ImageBytes | Images) -> HttpRequest:
        tensor = self.input_format.prepare(images)
        headers, body = encode_request(self.input, self.datatype, tensor, self.binary, self.output)
        url = f"{self.base}/models/{self.model}/infer"
        return HttpRequest("POST", url, {**headers, **self.headers}, body)

    @override
    def scores(self, response: HttpResponse, count: int) -> Scores:
        scores = self._output(self._tensors(response))
        if scores.dtype.kind == "U":
            scores = self._named_scores(scores)
        # A model without a batch axis returns (K,) for one image.
        if count == 1 and scores.ndim == 1 and len(scores) > 1:
            scores = scores[None]
        if not self._understood and (scores.ndim == 0 or len(scores) != count):
            mend = "give --batch 1 if it scores one image a request" if count > 1 else "is it a model of single images?"
            raise InputError(f"the server returned shape {scores.shape} for {count} images: {mend}.")
        checked = check_scores(scores, count)
        self._understood = True
        return checked

    @override
    def explain_no_score(self) -> str | None:
        return self._columns.explain() if self._columns and self._columns.unknown else None

    def _tensors(self, response: HttpResponse) -> dict[str, Array]:
        try:
            return decode_response(response.headers, response.body, self.output)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            try:
                document = response.json()
            except LostAnswer:
                document = None
            if response.status == 202 or is_pending(document):
                raise InputError(
                    f"the server accepted the images and returned no scores ({response.text}): {POLL_MEND}."
                ) from error
            if text := failure_in(document):
                text = clip(text.encode(), response.secrets)
                raise TargetError(f"the server reports a failure with status {response.status}: {text}") from error
            if document is not None and not self._understood:
                raise InputError(
                    f"the server's response is not a V2 response ({error}; it is {response.text}): {OTHER_PROTOCOL}."
                ) from error
            raise LostAnswer(f"the server's response is not a V2 response ({error})") from error

    def _output(self, tensors: dict[str, Array]) -> Array:
        if self.output is not None:
            if self.output not in tensors:
                raise InputError(
                    f"the server returned {listed(list(tensors))} instead of {self.output!r}: give another --output."
                )
            return tensors[self.output]
        if len(tensors) == 1:
            return next(iter(tensors.values()))
        described = [
            {"name": name, "shape": list(tensor.shape), "datatype": "FP32" if tensor.dtype.kind == "f" else ""}
            for name, tensor in tensors.items()
        ]
        if (name := _scores_among(described)) is None:
            raise InputError(
                f"the server returns several outputs ({', '.join(tensors)}): name the one with scores, --output NAME."
            )
        return tensors[name]

    def _named_scores(self, texts: Array) -> Array:
        if self._columns is None:
            names = list(dict.fromkeys(texts.ravel().tolist()))
            raise InputError(
                f"the server returns texts ({listed(names)}): list the names of all classes with --model-classes a,b,c."
            )
        return label_scores(texts if texts.ndim else texts[None], self._columns)


def _scores_among(outputs: list[dict[str, Any]]) -> str | None:
    """The one of several outputs that is likely to hold scores; ``None`` if two are alike."""

    def columns(output: dict[str, Any]) -> int:
        shape = output.get("shape")
        return int(shape[1] or 0) if isinstance(shape, list) and len(shape) == 2 else 0

    floats = [one for one in outputs if one.get("datatype") in FLOATS]
    for likely in (
        [one for one in outputs if columns(one) > 1],
        [one for one in floats if columns(one) > 1],
        [one for one in floats if columns(one)],
        floats,
    ):
        if len(likely) == 1:
            return str(likely[0]["name"])
    return None


def _columns(outputs: Any, name: str | None) -> int | None:
    """Scores an image in the output called ``name``, if the metadata says."""
    for one in outputs if isinstance(outputs, list) else []:
        shape = one.get("shape") if isinstance(one, dict) and one.get("name") == name else None
        if isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0:
            return int(shape[1])
    return None
