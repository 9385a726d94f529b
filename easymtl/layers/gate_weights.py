"""What the gates of a pass have weighted, for those who ask: nobody in a training step."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

BUCKETS = 30
"""Into which the weights, which lie between 0 and 1, are counted."""
SHARED = "shared"
"""Whose the experts are that belong to no task."""
HANDED_ON = "/handed_on"
"""Ends the name of a gate between what a task is handed on by another one, and its own: neither is an expert."""


class GateNames(NamedTuple):
    """What people are told of a gate by.

    Attributes:
        gate: its name: mostly that of the task whose gate it is.
        experts: the names of what it weights, in their order.
    """

    gate: str
    experts: Sequence[str]


class GateSums(NamedTuple):
    """What the rows of a batch add to what is known of a gate, in float32.

    Attributes:
        weights: sums over the rows, `[num_expert]`.
        entropy: sum over the rows of -sum_k w_k log w_k / log(num_expert); 0 of a single expert.
        counts: how many of the weights of all rows and experts lie in each of `BUCKETS` equal parts of 0 to 1, `[30]`.
        num_rows: of the batch; a gate that ran twice has twice as many.
    """

    weights: tf.Tensor
    entropy: tf.Tensor
    counts: tf.Tensor
    num_rows: tf.Tensor


class GateWeights:
    """Takes the weights of all gates of a pass (see `Call.add_gate`).

    Attributes:
        experts: names of the experts by that of the gate.
    """

    def __init__(self) -> None:
        self.experts: dict[str, tuple[str, ...]] = {}
        self._weights: dict[str, list[tf.Tensor]] = {}

    def add(self, gate: str, experts: Sequence[str], weights: tf.Tensor) -> None:
        """Adds weights `[batch, num_expert]` that sum to 1 in each row; a gate that runs twice adds twice."""
        assert weights.shape[1] == len(experts), f"{gate}: {weights.shape} for {experts}"
        self.experts[gate] = tuple(experts)
        self._weights.setdefault(gate, []).append(tf.cast(weights, tf.float32))

    def sums(self) -> dict[str, GateSums]:
        """Returns what the pass adds, by the name of the gate."""
        return {gate: _sums(tf.concat(weights, axis=0)) for gate, weights in self._weights.items()}


def _sums(weights: tf.Tensor) -> GateSums:
    num_rows, num_expert = tf.shape(weights)[0], int(weights.shape[1])
    surprise = tf.reduce_sum(tf.math.multiply_no_nan(tf.math.log(weights), weights))
    buckets = tf.cast(weights * BUCKETS, tf.int32)  # A weight of 1 goes into the last one.
    counts = tf.math.bincount(tf.clip_by_value(buckets, 0, BUCKETS - 1), minlength=BUCKETS, maxlength=BUCKETS)
    return GateSums(
        tf.reduce_sum(weights, axis=0),
        tf.maximum(-surprise, 0.0) / math.log(max(num_expert, 2)),
        tf.cast(counts, tf.float32),
        tf.cast(num_rows, tf.float32),
    )


def numbered_experts(num_expert: int) -> list[str]:
    """Returns `expert_0`, `expert_1`, ...: experts that all belong to the same."""
    return [f"expert_{index}" for index in range(num_expert)]


def expert_names(counts: Mapping[str, int]) -> list[str]:
    """Returns `click/expert_0`, `click/expert_1`, `shared/expert_0`, ...: so many of each owner."""
    return [f"{owner}/{expert}" for owner, count in counts.items() for expert in numbered_experts(count)]


def shared_owner(tasks: Iterable[str]) -> str:
    """Returns a name for what belongs to no task, and that none of the tasks has."""
    name, taken = SHARED, set(tasks)
    while name in taken:
        name = f"_{name}"
    return name
