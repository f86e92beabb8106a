"""Third-party inference servers with one ONNX file: their programs, and how tests start and stop them."""
