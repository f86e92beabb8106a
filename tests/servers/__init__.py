"""Inference servers of others, with one ONNX file behind them: what they run, and how the tests start and end them."""
