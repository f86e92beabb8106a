"""Server: an ONNX model, or the tuned target of a run, behind the Open Inference Protocol V2 and POST /predict."""
