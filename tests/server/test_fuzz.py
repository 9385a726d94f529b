"""Bodies that went wrong on their way: each is scored or refused by a code of the client's, and the server lives on.

What can be read as a request is refused by the name of what is wrong with it.
"""

import json
import random
import re

import grpc
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from benchmarks.spoiled_requests import cut_or_flipped, spoiled, spoiled_message
from easymtl.server.grpc_services import server_of
from tests.server.tiny_export import INPUTS, ROW, client_of

BODIES = 500
NAMES = {*INPUTS, "examples", "ids", "weight"}
CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


@pytest.fixture
def dice():
    return random.Random(0)


def names_one_of(text, names):
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)


def is_named(text, path):
    """Whether a refusal names what was changed: the input, where the way to it goes by one."""
    if "signature_name" in path:
        # Without it, it is a request to another one, whose inputs are told.
        return names_one_of(text, ["signature", "signature_name", "instances", "inputs"])
    inputs = [name for name in path if name in NAMES]
    return not path or names_one_of(text, inputs or [*path, *NAMES])


def test_rest(loop, desk, dice):
    documents = [
        {"instances": [ROW, ROW | {"age": 2}, ROW]},
        {"inputs": {name: [value] * 3 for name, value in ROW.items()}},
        {"signature_name": "user_once", "inputs": {"price": [0.5], "age": [1, 2]}},
        {"signature_name": "tf_example", "instances": ["a", {"b64": "AAAA"}]},
        {"signature_name": "encoded", "instances": [{"ids": [[1], [2, 3]], "weight": 1.0}] * 2},
    ]

    async def run():
        codes = []
        async with client_of(desk) as client:
            for number in range(BODIES):
                document, path = dice.choice(documents), []
                if number % 3:
                    document, path = spoiled(dice, document)
                    body = json.dumps(document).encode()
                else:
                    body = cut_or_flipped(dice, json.dumps(document).encode())
                answer = await client.post("/v1/models/model:predict", content=body)
                assert answer.status_code == 200 or 400 <= answer.status_code < 500, (body, answer.text)
                assert answer.status_code == 200 or is_named(answer.json()["error"], path), (body, answer.text)
                codes.append(answer.status_code)
            answer = await client.post("/v1/models/model:predict", content=json.dumps(documents[0]).encode())
            assert answer.json()["predictions"][1]["y_seconds"] == 4.5
        return codes

    codes = loop.run_until_complete(run())
    # It is no test when nearly all are refused for the same reason, or nothing is.
    assert 10 < codes.count(200) < BODIES - 100


def request():
    made = predict_pb2.PredictRequest()
    made.model_spec.name = "model"
    for name, value in ROW.items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto([value] * 3, INPUTS[name]))
    return made


def is_told(details, body, words):
    """Whether a refusal says what is wrong: of a message by the name, of other bytes that they are no message."""
    if words:
        return names_one_of(details, words)
    try:
        predict_pb2.PredictRequest.FromString(body)
    except DecodeError:
        return "the body is no PredictRequest" in details
    return bool(details)


def test_grpc(loop, desk, dice):
    async def run():
        server = server_of(desk)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        codes = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            for number in range(BODIES):
                message, words = request(), []
                if number % 3:
                    words = spoiled_message(dice, message)
                body = message.SerializeToString()
                body = body if words else cut_or_flipped(dice, body)
                try:
                    await predict(body, timeout=20)
                    codes.append(grpc.StatusCode.OK)
                except grpc.aio.AioRpcError as error:
                    assert error.code() in CODES, (body, error.code(), error.details())
                    assert is_told(error.details(), body, words), (words, body, error.details())
                    codes.append(error.code())
            answer = predict_pb2.PredictResponse.FromString(await predict(request().SerializeToString()))
            assert list(answer.outputs["y_seconds"].float_val) == [32.5] * 3
        await server.stop(1)
        return codes

    codes = loop.run_until_complete(run())
    assert 10 < codes.count(grpc.StatusCode.OK) < BODIES - 100
