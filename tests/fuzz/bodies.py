"""Bodies of requests to a server of the tiny export: scored, or refused by a code of the client's."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from easymtl.errors import UserError
from easymtl.server.grpc_services import server_of
from tests.fuzz.judging import Try
from tests.server.tiny_export import INPUTS, ROW, client_of, open_desk, write_export

_OF_CLIENT = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


def try_rest(folder: Path) -> Try:
    """A body of REST."""
    loop = asyncio.new_event_loop()
    desk = loop.run_until_complete(open_desk(write_export(folder / "3").parent))
    client = client_of(desk)

    def attempt(data: bytes) -> None:
        answer = loop.run_until_complete(client.post("/v1/models/model:predict", content=data))
        if answer.status_code != 200:
            assert 400 <= answer.status_code < 500, answer.text
            raise UserError(answer.json()["error"])

    return attempt


def seeds_of_rest() -> Iterator[bytes]:
    """Yields rows, columns, and requests to each signature."""
    for document in (
        {"instances": [ROW, ROW | {"age": 2}]},
        {"inputs": {name: [value] * 2 for name, value in ROW.items()}},
        {"signature_name": "user_once", "inputs": {"price": [0.5], "age": [1, 2]}},
        {"signature_name": "tf_example", "instances": ["a", {"b64": "AAAA"}]},
        {"signature_name": "encoded", "instances": [{"ids": [[1], [2, 3]], "weight": 1.0}] * 2},
        {"signature_name": "encode", "inputs": [["a", "b"], ["", ""]]},
    ):
        yield json.dumps(document).encode()


def try_grpc(folder: Path) -> Try:
    """A message of PredictionService.Predict, as bytes."""
    loop = asyncio.new_event_loop()
    desk = loop.run_until_complete(open_desk(write_export(folder / "3").parent))

    async def start() -> grpc.aio.UnaryUnaryMultiCallable:
        server = server_of(desk)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        desk.grpc_server = server
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    predict = loop.run_until_complete(start())

    async def call(data: bytes) -> None:
        try:
            await predict(data, timeout=20)
        except grpc.aio.AioRpcError as error:
            assert error.code().name in _OF_CLIENT, (error.code(), error.details())
            raise UserError(error.details()) from None

    return lambda data: loop.run_until_complete(call(data))


def seeds_of_grpc() -> Iterator[bytes]:
    """Yields a message with values one by one, and one with their bytes."""
    for has_content in (False, True):
        message = predict_pb2.PredictRequest()
        message.model_spec.name = "model"
        for name, value in ROW.items():
            tensor = tf.make_tensor_proto([value] * 2, INPUTS[name])
            if not has_content and tensor.tensor_content:
                kind = {"int32": "int_val", "int64": "int64_val", "float32": "float_val", "bool": "bool_val"}
                values = tf.make_ndarray(tensor).tolist()
                tensor.ClearField("tensor_content")
                getattr(tensor, kind[INPUTS[name]]).extend(values)
            message.inputs[name].CopyFrom(tensor)
        yield message.SerializeToString()
