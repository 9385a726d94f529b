"""What a server tells of a model without scoring: the state of its versions, and its signatures."""

from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from easymtl.server.desk import Desk
from easymtl.server.model import Model
from easymtl.server.refusal import Code, Refusal

_STATES = get_model_status_pb2.ModelVersionStatus.State
_ERROR = 2
"""UNKNOWN in the codes of TensorFlow: what went wrong is in the text."""


def status(desk: Desk, version: int | None = None) -> get_model_status_pb2.GetModelStatusResponse:
    """Returns the state of one version, or of all that were seen since the start, the newest first.

    Raises:
        Refusal: that version was never seen.
    """
    states = desk.versions.states
    if version is not None and version not in states:
        raise Refusal(Code.NOT_FOUND, f"version {version} is not known; there are {sorted(states)}.")
    response = get_model_status_pb2.GetModelStatusResponse()
    for number in sorted(states, reverse=True) if version is None else [version]:
        one = response.model_version_status.add(version=number, state=_STATES.Value(states[number].name))
        if states[number].error:
            one.status.error_code = _ERROR
            one.status.error_message = states[number].error
        else:
            one.status.SetInParent()
    return response


def signatures(model: Model) -> get_model_metadata_pb2.SignatureDefMap:
    """Returns the SignatureDefs of a version."""
    return get_model_metadata_pb2.SignatureDefMap(signature_def=model.defined)


def as_json(message: Any) -> dict[str, Any]:
    """Returns a message as TensorFlow Serving's REST writes it, fields that are not set among it."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
