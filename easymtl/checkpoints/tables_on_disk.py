"""A model whose tables stay in the files of its checkpoint: it scores, however large they are, and is exported."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.saved_averages import take_averages
from easymtl.checkpoints.stored_rows import StoredRows
from easymtl.checkpoints.weights import Weights
from easymtl.features.declared_variable import declared_variable
from easymtl.features.embeddings import Embeddings, Lookup, ReadRows
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds.base import Tensors
from easymtl.layers.context import HOST
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker


class TablesOnDisk(Embeddings):
    """Tables whose rows are read of a checkpoint when they are looked up."""

    are_on_disk = True

    def __init__(self, feature_set: FeatureSet, seed: int):
        """Knows of no checkpoint yet.

        Args:
            feature_set: reads the tables.
            seed: of nothing here.
        """
        tf.Module.__init__(self)
        self.feature_set, self.seed, self.device = feature_set, seed, None
        self._peers, self._dealings = ONE, {}
        self._columns = list(feature_set.layout.columns.values())
        sizes = feature_set.rows_by_width.items()
        self.variables_by_width = {str(width): declared_variable([rows, width]) for width, rows in sizes}
        self._rows: StoredRows | None = None
        self._averaged: frozenset[str] = frozenset()

    def open(self, rows: StoredRows, has_averages: bool) -> None:
        """Takes rows from a checkpoint.

        Args:
            rows: of the checkpoint.
            has_averages: whether moving averages are taken, of tables of which there are such.
        """
        self._rows = rows
        names = self.parameters() if has_averages else ()
        self._averaged = frozenset(name for name in names if rows.has_average(name))

    def rows(self, width: int, begin: int, end: int) -> tf.Tensor:
        """Returns the rows of a width from `begin` to before `end`, float32 `[end - begin, width]`."""
        return tf.constant(self._found(width, np.arange(begin, end)))

    def _found(self, width: int, numbers: np.ndarray) -> np.ndarray:
        """Returns rows of a width, float32 `[n, width]`.

        Args:
            width: of the rows.
            numbers: int `[n]`, ascending, each once, counted through all tables of the width.

        Raises:
            UserError: they cannot be read.
        """
        assert self._rows is not None, "no checkpoint was opened"
        found = np.zeros([len(numbers), width], np.float32)
        for parameter in self.parameters().values():
            if parameter.variable is not self.variable(width):
                continue
            first, end = np.searchsorted(numbers, [parameter.begin, parameter.begin + parameter.num_rows])
            if first < end:
                own = numbers[first:end].astype(np.int64) - parameter.begin
                found[first:end] = self._rows.read(parameter.name, own, parameter.name in self._averaged)
        return found

    def lookup(self, batch: Tensors, read: ReadRows = tf.gather) -> dict[int, Lookup]:
        """Reads the distinct rows of a batch, by width; there is no other way to read them."""
        assert read is tf.gather, "the rows are in files"
        return super().lookup(batch, self._read)

    def _read(self, variable: tf.Variable, numbers: tf.Tensor) -> tf.Tensor:
        width = int(variable.shape[1])

        def look_up(wanted: np.ndarray) -> np.ndarray:
            order = np.argsort(wanted)
            found = np.empty([len(wanted), width], np.float32)
            found[order] = self._found(width, wanted[order])
            return found

        with tf.device(HOST):
            rows = tf.numpy_function(look_up, [numbers], tf.float32, stateful=False)
        rows.set_shape([None, width])
        return rows


class RankerOnDisk(Ranker):
    """A model whose tables stay in the files of a checkpoint."""

    def make_embeddings(self, seed: int, owners: Peers = ONE, draws: bool = True) -> Embeddings:
        """Returns tables that hold no row."""
        assert not owners.are_several
        return TablesOnDisk(self.feature_set, seed)


def load_on_disk(pipeline: Pipeline, checkpoint: Checkpoint, state: Mapping[str, Any]) -> Ranker:
    """Returns the model of a config with the weights of a checkpoint, whose tables stay where they are.

    Raises:
        UserError: the checkpoint is damaged, or of another model.
    """
    ranker = RankerOnDisk(pipeline)
    # TensorFlow checks what it reads; here nothing does when rows are read.
    checkpoint.check()
    tables = ranker.embeddings.parameters()
    weights = Weights(ranker)
    weights.check(checkpoint.path)
    weights.entries = [entry for entry in weights.entries if entry.name not in tables]
    weights.read(checkpoint.path)
    take_averages(pipeline, ranker, checkpoint.path, state, left_out=tables)
    assert isinstance(ranker.embeddings, TablesOnDisk)
    has_averages = pipeline.train_config.optimizer_config[0].use_moving_average
    ranker.embeddings.open(StoredRows(checkpoint.path, state), has_averages)
    return ranker
