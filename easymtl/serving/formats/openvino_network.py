"""Files of OpenVINO, and scoring packed tensors with them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

FILE = "model.xml"

PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}
"""What a model has to be compiled with: by itself OpenVINO computes in bfloat16 where the processor can."""

Arrays = Mapping[str, np.ndarray]


def write_openvino(source: Path, folder: Path) -> None:
    """Makes `FILE`, and its weights beside it, of a file of ONNX.

    Raises:
        RuntimeError: OpenVINO cannot read it.
    """
    import openvino

    folder.mkdir(parents=True, exist_ok=True)
    # By itself it would make float16 of all weights.
    openvino.save_model(openvino.Core().read_model(str(source)), str(folder / FILE), compress_to_fp16=False)


class OpenVinoNetwork:
    """A file of OpenVINO, on the CPU and in float32.

    Attributes:
        num_rows: of each request; None for any number.
    """

    def __init__(self, path: Path):
        """Loads the file.

        Raises:
            RuntimeError: OpenVINO cannot read or compile it.
        """
        import openvino

        model = openvino.Core().compile_model(str(path), "CPU", PRECISION)
        self._request = model.create_infer_request()
        self._inputs = [one.get_any_name() for one in model.inputs]
        self._outputs = {one.get_any_name(): one for one in model.outputs}
        first = model.inputs[0].get_partial_shape()[0]
        self.num_rows = None if first.is_dynamic else first.get_length()

    def ask(self, packed: Arrays) -> dict[str, np.ndarray]:
        """Returns the outputs for a request, by name.

        Raises:
            RuntimeError: OpenVINO does not take the request.
        """
        found = self._request.infer({name: packed[name] for name in self._inputs})
        return {name: np.array(found[one]) for name, one in self._outputs.items()}
