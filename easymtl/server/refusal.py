"""What a request is answered with that cannot be scored, in the words of both protocols."""

import re
from enum import Enum

import grpc
import tensorflow as tf

# Status texts travel in a header, and headers have an end.
_LONGEST = 2000
_ASSERTED = re.compile(r"assertion failed: \[(.*?)\]\s+\[\[", re.DOTALL)
_NODE = re.compile(r"\s*\[\[\{\{node .*", re.DOTALL)


class Code(Enum):
    """A kind of refusal: the status of HTTP and that of gRPC."""

    INVALID_ARGUMENT = (400, grpc.StatusCode.INVALID_ARGUMENT)
    NOT_FOUND = (404, grpc.StatusCode.NOT_FOUND)
    TOO_LARGE = (413, grpc.StatusCode.RESOURCE_EXHAUSTED)
    ENCODING = (415, grpc.StatusCode.UNIMPLEMENTED)
    INTERNAL = (500, grpc.StatusCode.INTERNAL)
    RESOURCE_EXHAUSTED = (503, grpc.StatusCode.RESOURCE_EXHAUSTED)
    UNAVAILABLE = (503, grpc.StatusCode.UNAVAILABLE)
    DEADLINE_EXCEEDED = (504, grpc.StatusCode.DEADLINE_EXCEEDED)

    def __init__(self, http: int, status: grpc.StatusCode):
        self.http = http
        self.grpc = status


class Refusal(Exception):
    """A request that is not scored; its text is the answer."""

    def __init__(self, code: Code, text: str):
        super().__init__(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")
        self.code = code


def invalid(text: str) -> Refusal:
    """Returns the refusal of a request that is not what the model takes."""
    return Refusal(Code.INVALID_ARGUMENT, text)


def refusal_of(error: Exception) -> Refusal:
    """Returns what a request is answered with that the graph fails on: the sentence of an assertion, without nodes."""
    if isinstance(error, Refusal):
        return error
    if not isinstance(error, tf.errors.OpError):
        return Refusal(Code.INTERNAL, f"the model failed: {type(error).__name__}: {error}")
    asserted = _ASSERTED.search(error.message)
    text = asserted[1] if asserted else _NODE.sub("", error.message.removeprefix("Graph execution error:").strip())
    if isinstance(error, tf.errors.InvalidArgumentError):
        return invalid(text)
    return Refusal(Code.INTERNAL, f"the model failed: {text}")
