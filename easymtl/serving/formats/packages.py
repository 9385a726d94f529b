"""Which formats an export has beside the SavedModel, and the packages that write them; imports no TensorFlow."""

from importlib.util import find_spec

from easymtl.errors import UserError
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline

ONNX, OPENVINO = "ONNX", "OPENVINO"

_NEEDED = {ONNX: ("tf2onnx", "onnx", "onnxruntime"), OPENVINO: ("tf2onnx", "onnx", "onnxruntime", "openvino")}
_EXTRAS = {ONNX: "onnx", OPENVINO: "openvino"}


def further_formats(pipeline: Pipeline) -> list[str]:
    """Returns the names of the formats beside SAVED_MODEL, which is always written."""
    return sorted({ExportConfig.Format.Name(one) for one in pipeline.export_config.formats} & set(_NEEDED))


def missing_packages(name: str) -> list[str]:
    """Returns the packages of a format that are not installed."""
    return [package for package in _NEEDED[name] if find_spec(package) is None]


def require_packages(pipeline: Pipeline) -> None:
    """Looks for the packages that write the formats of an export, before a training makes what could not be written.

    Raises:
        UserError: one is not installed.
    """
    for one in further_formats(pipeline):
        absent = missing_packages(one)
        if absent:
            raise UserError(
                f"export_config.formats has {one}, for which {', '.join(absent)} "
                f"{'is' if len(absent) == 1 else 'are'} not installed. Install with: "
                f"pip install 'easymtl[{_EXTRAS[one]}]'"
            )
