"""Scoring packed tensors with a file of ONNX."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

Arrays = Mapping[str, np.ndarray]

# Errors alone reach the terminal by what is raised; a runtime would print them, too.
_FATAL = 4


class OnnxNetwork:
    """A file of ONNX in onnxruntime, on the CPU.

    Attributes:
        num_rows: of each request; None for any number.
    """

    def __init__(self, path: Path):
        """Loads the file.

        Raises:
            RuntimeError: it is none that onnxruntime runs.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # Its errors have no class in common.
            raise RuntimeError(f"onnxruntime cannot load {path}: {error}") from None
        self._inputs = {one.name: one for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]
        first = next(iter(self._inputs.values())).shape[0]
        self.num_rows = first if isinstance(first, int) else None

    def ask(self, packed: Arrays) -> dict[str, np.ndarray]:
        """Returns the outputs for a request, by name.

        Raises:
            RuntimeError: onnxruntime does not take the request.
        """
        # Tables that nothing reads may have left their ids without a reader, and so without an input.
        request = {name: packed[name] for name in self._inputs}
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, request)))
        except Exception as error:
            raise RuntimeError(f"onnxruntime: {error}") from None
