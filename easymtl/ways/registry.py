"""All ways, in the order in which they are told."""

from easymtl.ways.c_client import C
from easymtl.ways.desk_server import DeskServer
from easymtl.ways.grpc_way import Grpc
from easymtl.ways.onnx import Onnx
from easymtl.ways.openvino import OpenVino
from easymtl.ways.rest import Rest
from easymtl.ways.saved_model_cli import SavedModelCli
from easymtl.ways.tensorflow_apart import TensorFlow
from easymtl.ways.triton import Triton
from easymtl.ways.way import Way


def all_ways(
    desk: DeskServer, rest: str | None = None, grpc: str | None = None, model: str | None = None
) -> tuple[Way, ...]:
    """Returns all ways.

    Args:
        desk: serves the export where no server is named.
        rest: the address of a server of REST that runs.
        grpc: host and port of a server of gRPC that runs.
        model: what the model is called by requests to these.
    """
    return (
        TensorFlow(),
        SavedModelCli(),
        C(),
        Rest(desk, rest, model),
        Grpc(desk, grpc, model),
        Onnx(),
        OpenVino(),
        Triton(),
    )
