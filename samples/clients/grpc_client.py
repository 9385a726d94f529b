"""Scores rows over gRPC; it needs the packages grpcio, tensorflow-serving-api and tensorflow.

    python grpc_client.py localhost:8500 NAME EXPORT/assets.extra/request.json

sends the rows of a file, and prints the scores of each. `predict` does the same for columns in Python.
"""

import json
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


def input_types(channel, model, signature="serving_default"):
    """Returns the type of each input of a signature, which a server knows."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = model
    answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    return {name: info.dtype for name, info in signatures.signature_def[signature].inputs.items()}


def predict(channel, model, columns, types, signature="serving_default"):
    """Returns the scores of rows by name, as arrays with a place for each row.

    Args:
        channel: to the server. Keep it: to open one takes longer than a request.
        model: its name.
        columns: the inputs by name, a list with a value for each row.
        types: of the inputs, see `input_types`.
        signature: which one to ask.

    Raises:
        grpc.RpcError: the server refuses; its details say which input and why.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, values in columns.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, types[name]))
    answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    return {name: tf.make_ndarray(scores) for name, scores in answer.outputs.items()}


def main():
    """Sends the rows of a file."""
    target, model, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["instances"]
    with grpc.insecure_channel(target) as channel:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        scores = predict(channel, model, columns, input_types(channel, model))
    named = {name: values.tolist() for name, values in sorted(scores.items())}
    for row in zip(*named.values()):
        print(json.dumps(dict(zip(named, map(text_or_number, row))), ensure_ascii=False))


def text_or_number(value):
    """Returns a score as JSON holds it."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
