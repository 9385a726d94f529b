"""TensorFlow Serving's gRPC: PredictionService.Predict and GetModelMetadata, ModelService.GetModelStatus."""

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from easymtl.server import proto_requests
from easymtl.server.desk import Desk
from easymtl.server.refusal import Refusal, invalid, refusal_of
from easymtl.server.status import signatures, status

_METADATA = "signature_def"


def server_of(desk: Desk) -> grpc.aio.Server:
    """Returns a server that answers for a desk and has no port yet."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", desk.options.limits.bytes),
            ("grpc.max_send_message_length", -1),
            # Otherwise a second server takes half of the requests of the first, and nobody is told.
            ("grpc.so_reuseport", 0),
        ]
    )
    prediction, models = _Prediction(desk), _Models(desk)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest
    services = {
        "PredictionService": {
            "Predict": _method(predict_pb2.PredictRequest, prediction.predict),
            "GetModelMetadata": _method(metadata, prediction.metadata),
        },
        "ModelService": {"GetModelStatus": _method(get_model_status_pb2.GetModelStatusRequest, models.status)},
    }
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", methods)
            for name, methods in services.items()
        ]
    )
    return server


def _method(kind: type[Message], answer: Callable[[Any, Any], Awaitable[Message]]) -> grpc.RpcMethodHandler:
    """Returns the method that answers messages of a kind, and refuses bytes that are none.

    Generated code leaves such bytes to grpc, which answers UNKNOWN and logs a traceback.
    """

    async def answer_bytes(body: bytes, context: grpc.aio.ServicerContext) -> Message:
        try:
            request = kind.FromString(body)
        except DecodeError as error:
            await _abort(context, invalid(f"the body is no {kind.__name__}: {error}"))
        return await answer(request, context)

    return grpc.unary_unary_rpc_method_handler(
        answer_bytes, response_serializer=lambda response: response.SerializeToString()
    )


class _Prediction:
    """PredictionService: scores, and tells the signatures."""

    def __init__(self, desk: Desk):
        self._desk = desk

    async def predict(
        self, request: predict_pb2.PredictRequest, context: grpc.aio.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Returns the outputs that the request asks for."""
        response = predict_pb2.PredictResponse()

        async def answer() -> tuple[bytes, int]:
            return b"", await self._predict(request, context.time_remaining(), response)

        try:
            await self._desk.counted("grpc", answer)
        except Refusal as refusal:
            await _abort(context, refusal)
        return response

    async def _predict(
        self, request: predict_pb2.PredictRequest, seconds: float | None, response: predict_pb2.PredictResponse
    ) -> int:
        limits = self._desk.options.limits
        with self._desk.model(*_asked(request.model_spec)) as model:
            signature = model.signature(request.model_spec.signature_name)
            proto_requests.check_filter(signature, request.output_filter)
            arrays, rows = proto_requests.arrays_of(request.inputs, signature, limits)
            outputs = await self._desk.compute(model, signature, (arrays, rows), seconds)
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(proto_requests.message_of(outputs[name]))
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = model.version
        response.model_spec.signature_name = signature.name
        return rows

    async def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.aio.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns the SignatureDefs."""
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        try:
            if list(request.metadata_field) != [_METADATA]:
                raise invalid(f'metadata_field has to be ["{_METADATA}"]: it is {list(request.metadata_field)}.')
            with self._desk.model(*_asked(request.model_spec)) as model:
                response.metadata[_METADATA].Pack(signatures(model))
                response.model_spec.name = request.model_spec.name
                response.model_spec.version.value = model.version
        except Exception as error:
            await _abort(context, refusal_of(error))
        return response


class _Models:
    """ModelService: tells the state of versions."""

    def __init__(self, desk: Desk):
        self._desk = desk

    async def status(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.aio.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the state of one version, or of all."""
        try:
            name, version, label = _asked(request.model_spec)
            self._desk.check_name(name)
            if label:
                self._desk.versions.get(label=label)
            return status(self._desk, version)
        except Exception as error:
            await _abort(context, refusal_of(error))


def _asked(spec: Any) -> tuple[str, int | None, str]:
    """Returns name, version and label of a request."""
    if not spec.name:
        raise invalid("model_spec.name is not there.")
    return spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label


async def _abort(context: grpc.aio.ServicerContext, refusal: Refusal) -> NoReturn:
    await context.abort(refusal.code.grpc, str(refusal))
    raise AssertionError("abort has raised")
