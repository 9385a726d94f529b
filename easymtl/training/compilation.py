"""Whether XLA compiles the dense part of a training step, and what `MEASURED` comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from easymtl.features.kinds import StepColumns
from easymtl.models.compiled import compiled
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.devices import has_gpu
from easymtl.training.precision import (
    Round,
    dtype_of,
    earlier_choice,
    forward_and_backward,
    measured,
    seconds_of,
    settle_precision,
)

_CLEAR = 0.9
"""Compiled, a pass has to need less than this share of the seconds that it needs otherwise."""


@dataclass(frozen=True)
class Compilation:
    """How a training computes its dense part.

    Attributes:
        choice: never `MEASURED`.
        reason: why, in words for the user; empty where the config has said it, or the machine leaves no choice.
    """

    choice: TrainConfig.Xla
    reason: str = ""

    @property
    def name(self) -> str:
        """Returns its name in the config."""
        return TrainConfig.Xla.Name(self.choice)


def settle(pipeline: Pipeline, ranker: Ranker, peers: Peers, tell: events.Listener) -> tf.DType:
    """Writes into the config of a training what is measured at its start: precision, and whether XLA compiles.

    Args:
        pipeline: the config; its train_config says then what was found.
        ranker: its model; neither its weights nor its statistics move.
        peers: the workers that train together.
        tell: is told what was found, and why.

    Returns:
        The precision of activations and matrix products.
    """
    settings, precision = pipeline.train_config, settle_precision(pipeline, ranker, peers)
    settings.mixed_precision = precision.choice
    if precision.reason:
        tell(events.Note(f"mixed_precision AUTO: {precision.name}, because {precision.reason}."))
    dtype = dtype_of(precision.choice)
    compilation = settle_compilation(pipeline, ranker, dtype, peers)
    if compilation.reason:
        settings.xla = compilation.choice
        tell(events.Note(f"xla MEASURED: {compilation.name}, because {compilation.reason}."))
    return dtype


def settle_compilation(pipeline: Pipeline, ranker: Ranker, dtype: tf.DType, peers: Peers = ONE) -> Compilation:
    """Returns what the config says, or what an earlier run in the same model_dir has found, or what is measured now.

    Workers take what the chief has found.

    Args:
        pipeline: the config.
        ranker: its model; neither its weights nor its statistics move.
        dtype: the precision of training.
        peers: the workers that train together.
    """
    choice = pipeline.train_config.xla
    if choice != TrainConfig.MEASURED:
        return Compilation(choice)
    if not has_gpu():
        return Compilation(TrainConfig.NOT_COMPILED)
    if why_not := _why_not(pipeline, ranker, peers):
        return Compilation(TrainConfig.NOT_COMPILED, why_not)
    found = _found(pipeline, ranker, dtype) if peers.is_chief else Compilation(TrainConfig.NOT_COMPILED)
    choice, reason = peers.share([found.choice, found.reason])[0]
    return Compilation(choice, reason)


def _why_not(pipeline: Pipeline, ranker: Ranker, peers: Peers) -> str:
    """Returns why a network is not to be compiled; empty if it may be."""
    if any(isinstance(columns, StepColumns) for columns in ranker.feature_set.layout.columns.values()):
        return "XLA compiles anew for each number of steps, and those of histories differ from batch to batch"
    if peers.are_several and pipeline.train_config.sync_batch_norm:
        return "with sync_batch_norm workers talk to each other within the network"
    return ""


def _found(pipeline: Pipeline, ranker: Ranker, dtype: tf.DType) -> Compilation:
    earlier, written = earlier_choice(pipeline)
    if earlier.xla != TrainConfig.MEASURED:
        return Compilation(earlier.xla, f"this model_dir was begun so ({written})")
    try:
        return decide(rounds_of(pipeline, ranker, dtype))
    except tf.errors.OpError as error:
        return Compilation(TrainConfig.NOT_COMPILED, f"XLA does not compile this network: {_first_line(error.message)}")


def rounds_of(pipeline: Pipeline, ranker: Ranker, dtype: tf.DType) -> list[Round]:
    """Returns the seconds that the network takes for a batch, forward and backward, as it is and compiled, in turns."""
    network = ranker.network
    vectors = ranker.embeddings.made_up_vectors(pipeline.data_config.batch_size)
    plain, by_xla = (
        forward_and_backward(run, vectors, dtype, network.trainable_variables)
        for run in (network, partial(compiled, network))
    )
    return measured(lambda: seconds_of(plain), lambda: seconds_of(by_xla))


def decide(rounds: Sequence[Round]) -> Compilation:
    """Returns what the rounds of a measurement say; compiled only where each of them agrees that it is faster.

    Args:
        rounds: seconds as the network is and compiled; at least one.
    """
    plain, by_xla = (min(seconds) for seconds in zip(*rounds))
    told = f"the network takes {1e3 * by_xla:.1f} ms compiled and {1e3 * plain:.1f} ms otherwise for a batch"
    if by_xla < _CLEAR * plain and all(one < other for other, one in rounds):
        return Compilation(TrainConfig.COMPILED, told)
    return Compilation(TrainConfig.NOT_COMPILED, f"{told}, which is not clearly faster")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
