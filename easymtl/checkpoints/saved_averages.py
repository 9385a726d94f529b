"""The moving averages in a checkpoint, brought up to its step: for evaluation and export, and to go on from them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT
from easymtl.checkpoints.stored_tensors import StoredTensors
from easymtl.checkpoints.weights import Entry, entries_of, updated_at_of
from easymtl.layers.context import Parameter
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker

STATE = "averages"
"""The name, in the state of a checkpoint, of what `Optimizers.averaging` returns."""


def caught_up(average: tf.Tensor, weights: tf.Tensor, num_updates: tf.Tensor, decay: float) -> tf.Tensor:
    """Returns the average `[rows, width]` of weights that have stood still for some updates, int64 `[rows]`."""
    # In float64: a decay close to 1 to the power of many.
    share = tf.pow(tf.constant(decay, tf.float64), tf.cast(num_updates, tf.float64))
    return weights + tf.cast(share, tf.float32)[:, tf.newaxis] * (average - weights)


def read_averages(
    parameters: Mapping[str, Parameter], folder: Path, state: Mapping[str, Any]
) -> Iterator[tuple[Entry, tf.Tensor]]:
    """Yields the moving averages of some parameters as of the step of a checkpoint, in pieces of bounded size.

    Args:
        parameters: by name, with the weights of that checkpoint; those that have no average there are left out.
        folder: of the checkpoint.
        state: of the checkpoint.

    Yields:
        The parameter, or some rows of it, and its average.

    Raises:
        UserError: the checkpoint cannot be read.
    """
    stored = StoredTensors(folder)
    shapes = stored.shapes
    for entry in entries_of(parameters):
        if tuple(shapes.get(f"{entry.name}/{AVERAGE}", [-1])) != entry.shape:
            continue
        by_rows = f"{entry.name}/{UPDATED_AT}" in shapes
        for piece in entry.spans():
            average = replace(piece, name=f"{piece.name}/{AVERAGE}").load(stored)
            yield piece, _caught_up(piece, average, stored, state) if by_rows else average


def _caught_up(piece: Entry, average: tf.Tensor, stored: StoredTensors, state: Mapping[str, Any]) -> tf.Tensor:
    like_step = tf.Variable(tf.constant(0, tf.int64), trainable=False)
    updated_at = updated_at_of(piece.parameter, like_step)
    same_rows = replace(updated_at, begin=piece.begin, num_rows=piece.num_rows, place=piece.place, runs=piece.runs)
    num_updates = int(state["step"]) - same_rows.load(stored)
    return caught_up(average, piece.read(), num_updates, state[STATE]["embedding"])


def take_averages(
    pipeline: Pipeline, ranker: Ranker, folder: Path, state: Mapping[str, Any], left_out: Collection[str] = ()
) -> None:
    """Replaces the weights of a model that is not trained by their averages, where the config asks for them.

    A checkpoint without averages, as of a training before they were asked for, is scored with its weights: a training
    that goes on from it begins its averages there.

    Args:
        pipeline: whose optimizers say which weights are averaged.
        ranker: with the weights of the checkpoint.
        folder: of the checkpoint.
        state: of the checkpoint.
        left_out: names of parameters that stay as they are.
    """
    if not state.get(STATE):
        return
    configs = pipeline.train_config.optimizer_config
    tables = set(ranker.embeddings.parameters())
    wanted = {
        name: parameter
        for name, parameter in ranker.parameters.items()
        if name not in left_out and configs[0 if name in tables else -1].use_moving_average
    }
    for piece, average in read_averages(wanted, folder, state):
        piece.assign(average)
