"""Bodies that went wrong on their way: each is scored or refused by a code of the client's, and the server lives on."""

import json
import random

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from easymtl.server.grpc_services import server_of
from tests.server.tiny_export import INPUTS, ROW, client_of

BODIES = 500
CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
STRANGE = [
    None, True, -1, 0, 1.5, 1e300, -(2**63), 2**64, "", "x" * 3000, "\x00", "用户", [], [[]], [1, [2]], {},
    {"b64": "!"}, {"b64": "AAAA"}, {"a": {"b": []}}, [None] * 5,
]  # fmt: skip


@pytest.fixture
def dice():
    return random.Random(0)


def spoiled(dice, value):
    """Returns a document with one thing in it changed, taken away or put in."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(list(value))
        choice = dice.random()
        if choice < 0.15:
            return {other: one for other, one in value.items() if other != name}
        if choice < 0.3:
            return {**value, dice.choice(["pric", "instances", "inputs", "b64", ""]): dice.choice(STRANGE)}
        return {**value, name: spoiled(dice, value[name])}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        return [*value[:place], *([spoiled(dice, value[place])] * dice.choice([0, 1, 1, 1, 2])), *value[place + 1 :]]
    if isinstance(value, str | int | float) and dice.random() < 0.6:
        # Something else that may stand there.
        return type(value)(dice.randrange(100))
    return dice.choice(STRANGE)


def cut_or_flipped(dice, body):
    """Returns bytes with some of them changed, or without their end."""
    if dice.random() < 0.3:
        return body[: dice.randrange(len(body) + 1)]
    changed = bytearray(body)
    for _ in range(dice.choice([1, 2, 10])):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def test_rest(loop, desk, dice):
    documents = [
        {"instances": [ROW, ROW | {"age": 2}, ROW]},
        {"inputs": {name: [value] * 3 for name, value in ROW.items()}},
        {"signature_name": "user_once", "inputs": {"price": [0.5], "age": [1, 2]}},
        {"signature_name": "tf_example", "instances": ["a", {"b64": "AAAA"}]},
    ]

    async def run():
        codes = []
        async with client_of(desk) as client:
            for number in range(BODIES):
                document = dice.choice(documents)
                if number % 3:
                    body = json.dumps(spoiled(dice, document)).encode()
                else:
                    body = cut_or_flipped(dice, json.dumps(document).encode())
                answer = await client.post("/v1/models/model:predict", content=body)
                assert answer.status_code == 200 or 400 <= answer.status_code < 500, (body, answer.text)
                assert answer.status_code == 200 or answer.json()["error"], body
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


def spoiled_message(dice, message):
    """Changes one thing of a request, as a client's mistake would."""
    name = dice.choice(list(message.inputs))
    tensor = message.inputs[name]
    changes = [
        lambda: message.inputs.pop(name),
        lambda: message.inputs[name + "s"].CopyFrom(tensor),
        lambda: setattr(tensor, "dtype", dice.randrange(30)),
        lambda: setattr(tensor.tensor_shape, "unknown_rank", True),
        lambda: tensor.tensor_shape.dim.add(size=dice.choice([-1, 0, 1, 1 << 20, 1 << 62])),
        lambda: setattr(tensor.tensor_shape.dim[0], "size", dice.choice([-5, 0, 1, 2, 4, 1 << 40])),
        lambda: setattr(tensor, "tensor_content", dice.choice([b"", b"123", b"12345678"])),
        lambda: tensor.float_val.append(1.0),
        lambda: tensor.ClearField("string_val"),
        lambda: message.output_filter.append(dice.choice(["kinds", "kind"])),
        lambda: setattr(message.model_spec, "signature_name", dice.choice(["user_once", "none", "serving_default"])),
        lambda: setattr(message.model_spec.version, "value", dice.choice([3, 4, -1])),
        lambda: setattr(message.model_spec, "name", dice.choice(["model", ""])),
    ]
    dice.choice(changes)()
    return message


def test_grpc(loop, desk, dice):
    async def run():
        server = server_of(desk)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        codes = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            for number in range(BODIES):
                if number % 3:
                    body = spoiled_message(dice, request()).SerializeToString()
                else:
                    body = cut_or_flipped(dice, request().SerializeToString())
                try:
                    await predict(body, timeout=20)
                    codes.append(grpc.StatusCode.OK)
                except grpc.aio.AioRpcError as error:
                    assert error.code() in CODES, (body, error.code(), error.details())
                    assert error.details()
                    codes.append(error.code())
            answer = predict_pb2.PredictResponse.FromString(await predict(request().SerializeToString()))
            assert list(answer.outputs["y_seconds"].float_val) == [32.5] * 3
        await server.stop(1)
        return codes

    codes = loop.run_until_complete(run())
    assert 10 < codes.count(grpc.StatusCode.OK) < BODIES - 100
