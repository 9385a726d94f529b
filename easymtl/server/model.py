"""A version of a model in memory: its SavedModel in a session of its own, which is given back when nobody needs it."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.server.refusal import Code, Refusal
from easymtl.server.signature import Arrays, Signature, signatures_of
from easymtl.serving.export_folders import is_version, numbered
from easymtl.serving.form_of_export import describe, described_inputs
from easymtl.serving.signatures import SIGNATURE

_QUIET = tf.compat.v1.logging.ERROR
_NO_NAME = "model"


class Model:
    """One version.

    It is called from one thread and counted from another: `take` and `give_back` belong to the thread of the event
    loop, `run` and `close` to any.
    """

    def __init__(self, folder: Path, version: int):
        """Loads an export.

        Raises:
            UserError: it cannot be loaded.
        """
        self.folder = folder
        self.version = version
        graph = tf.Graph()
        before = tf.compat.v1.logging.get_verbosity()
        try:
            self.description: Mapping[str, Any] = describe(folder)
            told = described_inputs(folder)
            with graph.as_default():
                tf.compat.v1.logging.set_verbosity(_QUIET)
                self._session = tf.compat.v1.Session(graph=graph)
                loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
            text = " ".join(str(error).split())
            raise UserError(f"{folder}: cannot be loaded as a SavedModel: {text}") from None
        finally:
            tf.compat.v1.logging.set_verbosity(before)
        self.defined = dict(loaded.signature_def)
        self.signatures = signatures_of(self.defined, self.description, told)
        if not self.signatures:
            raise UserError(f"{folder}: the SavedModel has no signature that takes inputs and gives outputs.")
        self._calls = {name: self._callable(signature) for name, signature in self.signatures.items()}
        self._num_users = 0
        self._is_retired = False

    def signature(self, name: str) -> Signature:
        """Returns a signature by name; an empty name is `serving_default`.

        Raises:
            Refusal: there is none.
        """
        name = name or SIGNATURE
        if name not in self.signatures:
            raise Refusal(
                Code.INVALID_ARGUMENT,
                f'there is no signature "{name}"; there are {quoted(self.signatures)}.'
                f"{did_you_mean(name, self.signatures)}",
            )
        return self.signatures[name]

    def run(self, signature: Signature, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """Computes all outputs of a signature.

        Raises:
            OpError: the graph fails.
        """
        fed = {
            tensor.graph_name: np.asarray(arrays[name], tensor.numpy_dtype) for name, tensor in signature.inputs.items()
        }
        return dict(zip(signature.outputs, self._calls[signature.name](*fed.values())))

    def take(self) -> None:
        """Says that somebody needs this version."""
        self._num_users += 1

    def give_back(self) -> None:
        """Says that somebody is done; the last one of a retired version closes it."""
        self._num_users -= 1
        self._close_if_unused()

    def retire(self) -> None:
        """Says that no further request will come."""
        self._is_retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._num_users:
            self._calls = {}
            self._session.close()

    def _callable(self, signature: Signature):
        """Returns what computes the outputs of arrays, one for each tensor of the graph that inputs are.

        `Session.make_callable` asks anew in each call what each input is, which takes some 15 µs for each: more than
        all that a small model computes.
        """
        options = config_pb2.CallableOptions(
            feed=dict.fromkeys(one.graph_name for one in signature.inputs.values()),
            fetch=[output.graph_name for output in signature.outputs.values()],
        )
        return self._session._make_callable_from_options(options)


def name_in(folder: Path) -> str:
    """Returns the name of a model in requests, as its newest export, or the export that a folder is, has it.

    A SavedModel that does not tell one is called `model`.
    """
    versions = {0: folder} if is_version(folder) else numbered(folder)
    for number in sorted(versions, reverse=True):
        # A broken one is told when it is loaded, and one before it may be served.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return str(describe(versions[number]).get("name") or _NO_NAME)
    return _NO_NAME
