"""Models in ONNX files: sessions, providers, IO binding, half precision."""
