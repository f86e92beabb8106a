"""Triton, started by PyTriton, with an ONNX file: ``pytriton_server.py FILE HTTP_PORT GRPC_PORT METRICS_PORT``."""

import sys

import numpy as np
from onnx_file import OnnxFile
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

if __name__ == "__main__":
    path, *ports = sys.argv[1:]
    http, grpc, metrics = map(int, ports)
    file = OnnxFile(path)

    @batch
    def score(image: np.ndarray) -> dict[str, np.ndarray]:
        """Scores of a batch."""
        return {file.output: file.scores(image)}

    config = TritonConfig(http_address="127.0.0.1", http_port=http, grpc_port=grpc, metrics_port=metrics)
    with Triton(config=config) as triton:
        triton.bind(
            "tone",
            score,
            inputs=[Tensor(name=file.input, dtype=np.float32, shape=(3, 16, 16))],
            outputs=[Tensor(name=file.output, dtype=np.float32, shape=(2,))],
            config=ModelConfig(max_batch_size=64),
        )
        triton.serve()
