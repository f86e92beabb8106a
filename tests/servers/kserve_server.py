"""KServe's ModelServer with an ONNX file: ``python kserve_server.py FILE HTTP_PORT json|binary``.

It reads tensors as bytes and does not list that extension; with ``binary`` it is made to.
"""

import sys
from uuid import uuid4

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from onnx_file import OnnxFile


class OnnxModel(Model):
    """Describes itself, with the batch free."""

    def __init__(self, path: str) -> None:
        super().__init__("tone")
        self.file = OnnxFile(path)
        self.ready = True

    def get_input_types(self) -> list[dict]:
        """For the metadata."""
        return [{"name": self.file.input, "datatype": "FP32", "shape": [-1, 3, 16, 16]}]

    def get_output_types(self) -> list[dict]:
        """For the metadata."""
        return [{"name": self.file.output, "datatype": "FP32", "shape": [-1, 2]}]

    def predict(self, payload: InferRequest, headers: dict | None = None, *_: object) -> InferResponse:
        """Scores, as bytes or JSON as the request demands."""
        scores = self.file.scores(payload.get_input_by_name(self.file.input).as_numpy())
        output = InferOutput(self.file.output, list(scores.shape), "FP32")
        output.set_data_from_numpy(scores, binary_data=payload.use_binary_outputs)
        return InferResponse(payload.id or str(uuid4()), self.name, [output])


if __name__ == "__main__":
    path, port, tensors = sys.argv[1:]
    server = ModelServer(http_port=int(port), enable_grpc=False, workers=1, max_asyncio_workers=2)
    if tensors == "binary":
        metadata = server.dataplane.metadata()
        metadata["extensions"].append("binary_tensor_data")
        server.dataplane.metadata = lambda: metadata
    server.start([OnnxModel(path)])
