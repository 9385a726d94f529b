"""The network of an export in other formats: ONNX, OpenVINO, and a folder for Triton."""
