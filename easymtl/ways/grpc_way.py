"""gRPC: PredictRequest, as TensorFlow Serving answers it."""

from pathlib import Path

from easymtl.errors import UserError
from easymtl.server.signature import Signature
from easymtl.serving.reload import Arrays
from easymtl.ways.address import missing_packages, model_name
from easymtl.ways.asking import ask_all
from easymtl.ways.desk_server import DeskServer
from easymtl.ways.way import Rows, Scores

_SECONDS = 600
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


class Grpc:
    """Sends rows as tensors of a PredictRequest."""

    name = "grpc"

    def __init__(self, desk: DeskServer, target: str | None = None, model: str | None = None):
        """Sends nothing yet.

        Args:
            desk: serves the export where no address is given.
            target: host and port of a server that runs.
            model: its name there; else it is as in the export.
        """
        self._desk = desk
        self._target = target
        self._model = model

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        return missing_packages(is_server=not self._target)

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output."""
        import grpc

        if self._target:
            target, model = self._target, model_name(export, self._model)
        else:
            served = self._desk.served(export)
            target, model = served.grpc, served.model
        # A proxy knows no server of this machine.
        options = _OPTIONS if self._target else (*_OPTIONS, ("grpc.enable_http_proxy", 0))
        with grpc.insecure_channel(target, options=options) as channel:
            return ask_all(export, rows, lambda signature, inputs: predict(channel, model, signature, inputs))


def predict(channel, model: str, signature: Signature, inputs: Arrays) -> Arrays:
    """Returns what a server answers.

    Args:
        channel: to the server.
        model: its name.
        signature: that is asked.
        inputs: its inputs.

    Raises:
        UserError: it does not answer, or refuses.
    """
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature.name
    for name, values in inputs.items():
        tensor = signature.inputs[name]
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tensor.dtype, values.shape))
    try:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(request, timeout=_SECONDS, wait_for_ready=False)
    except grpc.RpcError as error:
        raise UserError(f"the server answers {error.code().name}: {error.details()[:2000]}") from None
    return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}
