"""Server: an ONNX model behind the Open Inference Protocol V2, to try HTTP targets with."""
