"""Fusion: the change and the model as one ONNX graph, for scoring and for export."""
