"""A change and a model as one ONNX graph, for scoring and for export."""
