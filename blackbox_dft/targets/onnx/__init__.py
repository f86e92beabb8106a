"""ONNX files as targets: loading, sessions, execution providers, IO binding, half precision."""
