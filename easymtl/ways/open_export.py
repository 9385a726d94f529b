"""An export that is open in this process: what its signatures are, and what they answer."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.server.signature import Signature
from easymtl.serving.form_of_export import form_of
from easymtl.serving.reload import Arrays, in_parts, opened, requests
from easymtl.serving.request_form import RequestForm
from easymtl.serving.saved_model_scorer import as_told
from easymtl.serving.signatures import ENCODE, SIGNATURE
from easymtl.ways.asking import joined_packed, signatures_in
from easymtl.ways.way import Columns, arrays


class OpenExport:
    """A SavedModel in a session of its own."""

    def __init__(self, folder: Path):
        """Loads it.

        Raises:
            UserError: it cannot be loaded, or has no `serving_default`.
        """
        self.folder = folder
        try:
            self.signatures: Mapping[str, Signature] = signatures_in(folder)
            with tf.Graph().as_default() as graph:
                self._session = tf.compat.v1.Session(graph=graph)
                self._ask, self._shapes = opened(str(folder), self._session)
        except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
            text = " ".join(str(error).split())
            raise UserError(f"{folder}: cannot be loaded as a SavedModel: {text}") from None
        if SIGNATURE not in self.signatures:
            raise UserError(f"{folder}: the SavedModel has no signature {SIGNATURE}. Was it made by easymtl export?")

    def close(self) -> None:
        """Gives the memory back."""
        self._session.close()

    def form(self, pipeline: Pipeline) -> RequestForm:
        """Returns what a request of `serving_default` looks like.

        Raises:
            UserError: an input is not what the config says of its field.
        """
        inputs = self.signatures[SIGNATURE].inputs.values()
        return form_of(self.folder, pipeline, [tf.TensorSpec(one.shape, one.dtype, one.name) for one in inputs])

    def scores(self, columns: Columns) -> Arrays:
        """Returns what `serving_default` answers.

        Raises:
            UserError: it refuses the rows.
        """
        return in_parts(lambda part: self._told(SIGNATURE, part), self._shapes[SIGNATURE], arrays(columns))

    def packed(self, columns: Columns) -> Arrays:
        """Returns what `encode` answers; nothing where there is no such signature.

        Raises:
            UserError: it refuses the rows.
        """
        if ENCODE not in self.signatures:
            return {}
        size = self.signatures[ENCODE].fixed_rows or 0
        answers = [
            {name: values[:count] for name, values in self._told(ENCODE, part).items()}
            for count, part in requests(arrays(columns), size)
        ]
        return joined_packed(answers)

    def _told(self, name: str, inputs: Arrays) -> Arrays:
        try:
            return self._ask(name, inputs)
        except tf.errors.InvalidArgumentError as error:
            raise as_told(error) from None
