"""Models that run in this process: where their files are, and how ONNX Runtime opens them."""
