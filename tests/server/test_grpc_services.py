"""TensorFlow Serving's gRPC as a client meets it, over a port of this machine."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from easymtl.server.grpc_services import server_of
from tests.server.tiny_export import INPUTS, ROW


@pytest.fixture(scope="module")
def channel(loop, desk):
    """A channel to a desk behind a port."""

    async def start():
        server = server_of(desk)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    server, channel = loop.run_until_complete(start())
    yield channel
    loop.run_until_complete(channel.close())
    loop.run_until_complete(server.stop(1))


@pytest.fixture(scope="module")
def predict(loop, channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    async def call(request, timeout):
        return await stub.Predict(request, timeout=timeout)

    return lambda request, timeout=20: loop.run_until_complete(call(request, timeout))


def columns(rows=1, **changed):
    return {name: np.array([value] * rows, tf.as_dtype(INPUTS[name]).as_numpy_dtype) for name, value in ROW.items()} | {
        name: np.array(value) for name, value in changed.items()
    }


def request_of(inputs, name="model", signature="", outputs=(), version=None):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for key, value in inputs.items():
        is_message = isinstance(value, tensor_pb2.TensorProto)
        request.inputs[key].CopyFrom(value if is_message else tf.make_tensor_proto(value))
    return request


def arrays(response):
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def refused(call, code, *parts):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        call()
    assert error.value.code() == code, error.value.details()
    for part in parts:
        assert part in error.value.details()


INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_scores(predict):
    response = predict(request_of(columns(2)))
    found = arrays(response)
    assert found["y_seconds"].tolist() == [32.5, 32.5] and found["y_seconds"].dtype == np.float32
    assert found["kinds"].tolist() == [[32.5, 2, 1]] * 2
    assert found["feature_user"].tolist() == [b"u1", b"u1"]
    assert found["doubled_id"].tolist() == [18, 18] and found["doubled_id"].dtype == np.int64
    # Clients without TensorFlow read the list of values.
    assert list(response.outputs["y_seconds"].float_val) == [32.5, 32.5]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("model", 3, "serving_default")


def test_values_come_as_bytes_or_one_by_one(predict):
    typed = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0, 4.0])
    typed.tensor_shape.dim.add(size=3)
    raw = tensor_pb2.TensorProto(
        dtype=tf.float32.as_datatype_enum, tensor_content=np.array([1, 2, 4], np.float32).tobytes()
    )
    raw.tensor_shape.dim.add(size=3)
    for price in (typed, raw):
        found = arrays(predict(request_of(columns(3) | {"price": price})))
        assert found["y_seconds"].tolist() == [31, 32, 34]


def test_a_value_that_stands_for_all_is_repeated(predict):
    price = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0])
    price.tensor_shape.dim.add(size=4)
    assert arrays(predict(request_of(columns(4) | {"price": price})))["y_seconds"].tolist() == [31, 32, 32, 32]


def test_the_outputs_that_are_asked_for(predict):
    assert set(arrays(predict(request_of(columns(), outputs=["y_seconds", "kinds"])))) == {"y_seconds", "kinds"}
    wrong = request_of(columns(), outputs=["y_second"])
    refused(lambda: predict(wrong), INVALID, 'no output "y_second"', 'Did you mean "y_seconds"?')


def test_no_rows(predict):
    empty = {name: np.zeros([0, 2] if name == "tags" else [0], value.dtype) for name, value in columns().items()}
    empty |= {name: np.zeros(value.shape, object) for name, value in empty.items() if INPUTS[name] == "string"}
    messages = {name: tf.make_tensor_proto(value, INPUTS[name]) for name, value in empty.items()}
    assert arrays(predict(request_of(messages)))["kinds"].shape == (0, 3)


def test_other_signatures(predict):
    once = request_of({"price": np.float32([0.5]), "age": np.int32([1, 2])}, signature="user_once")
    assert arrays(predict(once))["score"].tolist() == [1.5, 2.5]
    refused(lambda: predict(request_of({}, signature="tf_exampl")), INVALID, 'Did you mean "tf_example"?')


def message(kind, size, **values):
    made = tensor_pb2.TensorProto(dtype=tf.as_dtype(kind).as_datatype_enum, **values)
    for one in size if isinstance(size, list) else [size]:
        made.tensor_shape.dim.add(size=one)
    return made


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"price": np.float64([2.5])}, ['"price" has the dtype DT_DOUBLE, and takes DT_FLOAT']),
        ({"user": np.int32([2])}, ['"user" has the dtype DT_INT32']),
        ({"price": np.float32([[2.5]])}, ['"price" has the shape [1, 1]', "[rows]"]),
        ({"price": np.float32(2.5)}, ['"price" has the shape []']),
        ({"age": np.int32([1, 2])}, ["different numbers of rows: age 2, user 1."]),
        ({"age": np.int32([-1])}, ["input age: a row is below 0."]),
        ({"pric": np.float32([2.5])}, ['no input "pric"']),
        ({"price": message("float32", 1 << 40, float_val=[1.0])}, ['"price"', "1099511627776"]),
        ({"price": message("float32", [-1], float_val=[1.0])}, ['"price" has no definite shape']),
        ({"price": message("float32", 1)}, ['"price" holds 0 values in float_val']),
        ({"price": message("float32", 1, double_val=[1.0])}, ["stand in double_val, and belong in float_val"]),
        ({"price": message("float32", 1, float_val=[1.0, 2.0])}, ['"price" holds 2 values']),
        ({"price": message("float32", 1, tensor_content=b"abc")}, ['"price" holds 3 bytes', "say 4"]),
        ({"user": message("string", 1, tensor_content=b"abc")}, ['"user"', "string_val"]),
        ({"price": message("float32", [1 << 31, 1 << 31, 1 << 31], float_val=[1.0])}, ['"price"']),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[0][:40],
)
def test_an_input_of_another_form_is_refused_by_name(predict, inputs, says):
    refused(lambda: predict(request_of(columns() | inputs)), INVALID, *says)


def test_values_that_stand_for_many_are_not_repeated_beyond_the_limit(predict):
    """Each input alone is as large as a request may be, or smaller: it is all of them that count."""
    tags = message("string", [64, 1019], string_val=[b"a"])
    inputs = columns(64) | {"tags": tags}
    assert arrays(predict(request_of(inputs)))["kinds"][0].tolist() == [32.5, 1019, 1]
    tags.tensor_shape.dim[1].size = 1020
    refused(lambda: predict(request_of(inputs)), INVALID, 'input "tags" has the shape [64, 1020]', "--max_bytes")


def test_an_input_that_is_not_there_is_named(predict):
    given = columns()
    del given["age"]
    refused(lambda: predict(request_of(given)), INVALID, 'input "age" is not there')


def test_models_and_versions(predict):
    assert predict(request_of(columns(), version=3)).model_spec.version.value == 3
    refused(lambda: predict(request_of(columns(), version=4)), grpc.StatusCode.NOT_FOUND, "version 3 is served")
    refused(lambda: predict(request_of(columns(), name="modle")), grpc.StatusCode.NOT_FOUND, 'Did you mean "model"?')
    refused(lambda: predict(request_of(columns(), name="")), INVALID, "model_spec.name")
    labelled = request_of(columns())
    labelled.model_spec.version_label = "new"
    refused(lambda: predict(labelled), grpc.StatusCode.NOT_FOUND, '"new"')


def test_limits(predict):
    refused(lambda: predict(request_of(columns(101))), INVALID, "101 rows")
    large = request_of(columns(1) | {"user": np.array([b"x" * (1 << 16)])})
    refused(lambda: predict(large), grpc.StatusCode.RESOURCE_EXHAUSTED)
    refused(lambda: predict(request_of(columns()), timeout=-1), grpc.StatusCode.DEADLINE_EXCEEDED)


def test_bytes_that_are_no_request(loop, channel):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    async def send():
        return await call(b"\xff\xff\xff")

    refused(lambda: loop.run_until_complete(send()), INVALID, "no PredictRequest")
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Classify")
    refused(lambda: loop.run_until_complete(send()), grpc.StatusCode.UNIMPLEMENTED)


def test_metadata(loop, channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "model"

    async def call():
        return await stub.GetModelMetadata(request)

    response = loop.run_until_complete(call())
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["price"].dtype == tf.float32.as_datatype_enum
    assert response.model_spec.version.value == 3
    request.metadata_field[:] = ["graph"]
    refused(lambda: loop.run_until_complete(call()), INVALID, "signature_def")


def test_status(loop, channel):
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "model"

    async def call():
        return await stub.GetModelStatus(request)

    (one,) = loop.run_until_complete(call()).model_version_status
    assert one.version == 3 and one.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    request.model_spec.version.value = 9
    refused(lambda: loop.run_until_complete(call()), grpc.StatusCode.NOT_FOUND)
