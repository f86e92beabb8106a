"""A runtime of MLServer for an ONNX file: ``"implementation": "mlserver_runtime.OnnxRuntime"`` in its settings."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_file import OnnxFile


class OnnxRuntime(MLModel):
    """The file is ``parameters.uri`` of the settings."""

    async def load(self) -> bool:
        """Opens the file."""
        self.file = OnnxFile(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Scores of the one input; MLServer itself would take any name."""
        (image,) = payload.inputs
        if image.name != self.file.input:
            raise ValueError(f"no input {image.name!r}")
        scores = self.file.scores(NumpyCodec.decode_input(image))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(self.file.output, scores)])
