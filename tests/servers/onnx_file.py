"""The ONNX file that every server scores with; alone, so that a server's own Python needs no blackbox_dft."""

import numpy as np
import onnxruntime as ort


class OnnxFile:
    """Scores images ``(N, 3, H, W)`` float32, one thread."""

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    def scores(self, images: np.ndarray) -> np.ndarray:
        """``(N, K)`` float32."""
        (scores,) = self.session.run([self.output], {self.input: np.asarray(images, np.float32)})
        return np.asarray(scores, np.float32)
