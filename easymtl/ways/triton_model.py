"""A model of Triton's Python backend that runs `model.onnx` beside it; Triton loads it, and easymtl does not.

The server in the wheel of nvidia-pytriton has no backend for ONNX. Inputs and outputs are those of `config.pbtxt`.
"""

import os
import sys

# The Python of the backend looks in no environment by itself.
sys.path.append(os.environ["EASYMTL_TRITON_PACKAGES"])
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """What Triton calls."""

    def initialize(self, arguments):
        """Loads the file."""
        path = os.path.join(arguments["model_repository"], arguments["model_version"], "model.onnx")
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._outputs = [one.name for one in self._session.get_outputs()]

    def execute(self, requests):
        """Returns the scores of each request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        inputs = {
            one.name: triton.get_input_tensor_by_name(request, one.name).as_numpy()
            for one in self._session.get_inputs()
        }
        try:
            scores = self._session.run(self._outputs, inputs)
        except Exception as error:
            # The backend would stop at it.
            return triton.InferenceResponse(error=triton.TritonError(str(error)))
        return triton.InferenceResponse([triton.Tensor(*one) for one in zip(self._outputs, scores)])
