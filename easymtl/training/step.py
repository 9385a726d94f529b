"""One update of a model, and the freezing of parts of it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.layers.context import Call, Parameter
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers, RowGradient

TrainStep = Callable[[Mapping[str, np.ndarray], np.ndarray], dict[str, tf.Tensor]]


def batch_signature(batch: Mapping[str, np.ndarray]) -> dict[str, tf.TensorSpec]:
    """Returns the signature of packed batches like this one, of any number of rows."""
    return {
        name: tf.TensorSpec([None, *array.shape[1:]] if array.ndim else [], array.dtype)
        for name, array in batch.items()
    }


def make_train_step(
    ranker: Ranker,
    optimizers: Optimizers,
    step: tf.Variable,
    config: TrainConfig,
    dtype: tf.DType,
    signature: dict[str, tf.TensorSpec],
) -> TrainStep:
    """Traces one update: forward, backward, clipping, optimizers.

    Args:
      ranker: the model.
      optimizers: those of tables and of dense variables.
      step: int64 scalar, number of updates made; the update adds 1.
      config: seed, clipping and freezing.
      dtype: the precision of activations and matrix products.
      signature: of the batches, see `batch_signature`.

    Returns:
      A function of a packed batch and the learning rates float32 `[2]` (tables, dense). It gives float32 scalars: each
      loss by name, `regularization_loss`, and their sum `loss`, all before the update. When the loss or the norm of the
      gradients is not finite, `loss` is NaN and no weight has moved: what went wrong can still be looked for.
    """
    frozen = Frozen(ranker, config.freeze_gradient)
    dense = [variable for variable in ranker.dense_variables if variable.ref() not in frozen.dense]
    widths = list(ranker.feature_set.rows_by_width)

    def train_step(batch: Mapping[str, tf.Tensor], learning_rates: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = tf.stack([tf.constant(config.seed, tf.int64), step])
        call = Call(training=True, dtype=dtype, seed=seed)
        lookups = ranker.embeddings.lookup(batch)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            rows = [lookups[width].rows for width in widths]
            tape.watch([*dense, *rows])
            parts = ranker.losses(batch, lookups, call)
            total = parts.total
        sources = [*dense, *rows]
        gradients = tape.gradient(total, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        changes = [
            frozen.without_frozen_rows(
                RowGradient(ranker.embeddings.variable(width), lookups[width].row_numbers, gradient)
            )
            for width, gradient in zip(widths, gradients[len(dense) :])
        ]
        # What is frozen is out of the norm, or it would slow down the rest.
        gradients = [*gradients[: len(dense)], *(change.gradient for change in changes)]
        if config.gradient_clipping_by_norm > 0:
            gradients, _ = tf.clip_by_global_norm(gradients, config.gradient_clipping_by_norm)
        changes = [replace(change, gradient=gradient) for change, gradient in zip(changes, gradients[len(dense) :])]
        step.assign_add(1)

        def update() -> tf.Tensor:
            optimizers.apply(list(zip(dense, gradients)), changes, learning_rates, tf.cast(step, tf.float32))
            return total

        # Squares that overflow count as well: they would end in the slots of most optimizers.
        is_sound = tf.math.is_finite(total) & tf.math.is_finite(tf.linalg.global_norm(gradients))
        loss = tf.cond(is_sound, update, lambda: tf.constant(math.nan))
        return {**parts.entries, "regularization_loss": parts.regularization, "loss": loss}

    return tf.function(train_step, input_signature=[signature, tf.TensorSpec([2], tf.float32)], autograph=False)


class Frozen:
    """What `freeze_gradient` keeps from moving: dense variables whole, tables by their range of rows.

    Attributes:
      dense: references of the dense variables that do not move.
      tables: the tables that do not move.
    """

    def __init__(self, ranker: Ranker, patterns: Sequence[str]):
        """Matches the patterns (regular expressions, anywhere in a name) against the names of all parameters.

        Raises:
          UserError: a pattern is no regular expression, matches nothing, or only part of what is stored together.
        """
        matched = {name for pattern in patterns for name in _matches(pattern, ranker.parameters)}
        table_names = set(ranker.embeddings.parameters())
        self.tables = [ranker.parameters[name] for name in sorted(matched & table_names)]
        self.dense = {ranker.parameters[name].variable.ref() for name in matched - table_names}
        for parameter in ranker.parameters.values():
            if parameter.variable.ref() in self.dense and parameter.name not in matched:
                raise UserError(
                    f"train_config.freeze_gradient: freezes some experts but not {parameter.name!r}; "
                    "experts of equal shape are trained together: freeze all of them or none."
                )

    def without_frozen_rows(self, change: RowGradient) -> RowGradient:
        """Returns the change without the rows of frozen tables."""
        tables = [table for table in self.tables if table.variable is change.variable]
        if not tables:
            return change
        frozen = tf.zeros_like(change.row_numbers, tf.bool)
        for table in tables:
            end = table.begin + table.num_rows
            frozen |= (change.row_numbers >= table.begin) & (change.row_numbers < end)
        kept = tf.where(~frozen)[:, 0]
        numbers, gradient = tf.gather(change.row_numbers, kept), tf.gather(change.gradient, kept)
        ranges = tuple(tf.range(table.begin, table.begin + table.num_rows) for table in tables)
        return RowGradient(change.variable, numbers, gradient, ranges)


def _matches(pattern: str, parameters: Mapping[str, Parameter]) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"train_config.freeze_gradient: {pattern!r} is not a regular expression: {error}.") from None
    names = [name for name in parameters if expression.search(name)]
    if not names:
        raise UserError(
            f"train_config.freeze_gradient: {pattern!r} matches no parameter; there are {quoted(parameters)}."
        )
    return names
