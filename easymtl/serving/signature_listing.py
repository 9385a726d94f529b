"""`assets.extra/signatures.json`: what each signature takes and gives, for clients that are no Python.

A client in C names tensors of the graph, which have other names than the inputs and change with the number of
signatures; and packed tensors mean nothing without the features that stand at their places.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from easymtl.features.packing import PackedTensor, Packing
from easymtl.serving.partitions import read_meta_graph
from easymtl.serving.request_form import RequestForm
from easymtl.serving.signatures import ENCODE, ENCODED, TF_EXAMPLE, USER_ONCE, places

_OUTPUTS = {
    "logits_": "logit of the task",
    "probs_": "probability, of each class where there are several",
    "y_": "predicted value, or the likeliest class",
    "feature_": "what the feature has read, as text",
}


def list_signatures(
    folder: Path, packing: Packing, form: RequestForm, missing: Mapping[str, Any], padding: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the content of the file.

    Args:
        folder: the SavedModel.
        packing: the form of packed requests.
        form: of requests of raw columns.
        missing: what a client sends in place of a missing value, by field.
        padding: what stands behind the values of a row, by field that holds lists.
    """
    graph = read_meta_graph(folder)
    packed = {name: _packed(tensor) for name, tensor in packing.tensors.items()}
    columns = {name: _column(name, form, missing, padding) for name in form.specs()}
    examples = {
        "examples": {
            "meaning": "a serialized tf.train.Example; a feature that it lacks is a missing value",
            "features": list(form.fields),
        }
    }
    inputs = {ENCODED: packed, TF_EXAMPLE: examples}
    outputs = {ENCODE: packed}
    return {
        name: {
            "inputs": _with_places(_tensors(signature.inputs, inputs.get(name, columns), name == USER_ONCE)),
            "outputs": _tensors(signature.outputs, outputs.get(name) or _scores(signature.outputs)),
        }
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }


def _tensors(
    infos: Mapping[str, meta_graph_pb2.TensorInfo], told: Mapping[str, Mapping[str, Any]], has_users: bool = False
) -> dict[str, dict[str, Any]]:
    """Returns key, graph tensor, type and shape of each input or output, and what else is told of it."""
    result = {}
    for key in told:
        info = infos[key]
        shape = [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
        said = {"tensor": info.name, "dtype": tf.as_dtype(info.dtype).name, "shape": shape, **told[key]}
        if has_users and shape[:1] == [1]:
            said["meaning"] += "; one value, which all rows of the request share"
        result[key] = said
    return result


def _with_places(inputs: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns inputs with their `place`: what TensorFlow tells an input of another type by."""
    found = places(inputs)
    return {name: {**said, "place": found[name]} for name, said in inputs.items()}


def _column(name: str, form: RequestForm, missing: Mapping[str, Any], padding: Mapping[str, Any]) -> dict[str, Any]:
    if form.separator is not None:
        return {
            "meaning": "a line of fields, an empty one is a missing value",
            "fields": list(form.fields),
            "separator": form.separator,
        }
    if name in form.lists:
        return {"meaning": "the values of the field", "padding": padding[name]}
    return {"meaning": "the value of the field", "missing": missing[name]}


def _scores(outputs: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Returns what each output is, by the beginning of its name."""
    return {
        name: {"meaning": next((said for prefix, said in _OUTPUTS.items() if name.startswith(prefix)), "score")}
        for name in sorted(outputs)
    }


def _packed(tensor: PackedTensor) -> dict[str, Any]:
    form = tensor.form
    result: dict[str, Any] = {"meaning": form.meaning, "axes": list(form.axes)}
    if form.padding is not None:
        result["padding"] = form.padding
    features = []
    for slot in tensor.slots:
        places = tensor.places(slot)
        said: dict[str, Any] = {"feature": slot.feature}
        if tensor.is_shared:
            said |= {"first": places.start, "places": len(places)}
        if slot.table and form.dtype == tf.int64 and not form.is_length:
            said["rows"] = [0, slot.table.rows - 1]
        features.append(said)
    return {**result, "features": features}
