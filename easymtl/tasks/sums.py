"""How the losses of samples, or of pairs of samples, become one number.

Until the last moment a loss is numbers that add up: those of two parts of the rows are the sums of theirs. So batches
of an evaluation and workers of a training add up to what all rows at once would give, and only then is one divided by
another.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from easymtl.peers.peers import Peers
from easymtl.protos.model_pb2 import ModelConfig

_NOT_ZERO = 1e-8


class Sum(NamedTuple):
    """A loss summed over what it compares with the truth: samples, pairs or sessions. All are float32 scalars.

    Attributes:
        total: Σ weight · loss.
        num_counted: how many have a weight other than 0.
        num_all: how many there are.
    """

    total: tf.Tensor
    num_counted: tf.Tensor
    num_all: tf.Tensor

    @classmethod
    def of(cls, losses: tf.Tensor, weights: tf.Tensor) -> "Sum":
        """Returns the sum of losses `[n]` with weights `[n]`; a loss of weight 0 may be infinite or NaN."""
        counts = tf.not_equal(weights, 0)
        total = tf.reduce_sum(weights * tf.where(counts, losses, tf.zeros_like(losses)))
        return cls(total, tf.reduce_sum(tf.cast(counts, tf.float32)), tf.cast(tf.size(weights), tf.float32))

    @property
    def factor(self) -> tuple[tf.Tensor, ...]:
        """What its factor is a quotient of: it has none."""
        return ()

    @property
    def counts(self) -> tuple[tf.Tensor, ...]:
        """What it is divided by, whatever the reduction."""
        return self.num_counted, self.num_all

    def divided_by(self, divisors: Sequence[tf.Tensor]) -> "Sum":
        """Returns the sum of the same samples, as a part of more of them that have this `factor` and these `counts`."""
        return Sum(self.total, *divisors)

    def scaled(self, factor: float) -> "Sum":
        """Returns the same of the loss times a number."""
        return Sum(self.total * factor, self.num_counted, self.num_all)

    def reduced(self, reduction: int) -> tf.Tensor:
        """Returns the loss by a `ModelConfig.LossReduction`, a scalar; 0 when nothing counts."""
        if reduction == ModelConfig.SUM:
            return self.total
        count = self.num_counted if reduction == ModelConfig.NONZERO_WEIGHT_MEAN else self.num_all
        return self.total / tf.maximum(count, 1)


class FactoredSum(NamedTuple):
    """A loss of which a part has a factor that is a quotient of sums itself. All are float32 scalars.

    Attributes:
        plain: Σ weight · loss of the samples without the factor.
        factored: the same of those with it.
        numerator: of the factor.
        denominator: of the factor.
        num_counted: how many samples have a weight other than 0.
        num_all: how many there are.
    """

    plain: tf.Tensor
    factored: tf.Tensor
    numerator: tf.Tensor
    denominator: tf.Tensor
    num_counted: tf.Tensor
    num_all: tf.Tensor

    @property
    def factor(self) -> tuple[tf.Tensor, ...]:
        """What its factor is a quotient of."""
        return self.numerator, self.denominator

    @property
    def counts(self) -> tuple[tf.Tensor, ...]:
        """What it is divided by, whatever the reduction."""
        return self.num_counted, self.num_all

    def divided_by(self, divisors: Sequence[tf.Tensor]) -> "FactoredSum":
        """Returns the sum of the same samples, as a part of more of them that have this `factor` and these `counts`."""
        return FactoredSum(self.plain, self.factored, *divisors)

    def reduced(self, reduction: int) -> tf.Tensor:
        """Returns the loss by a `ModelConfig.LossReduction`, a scalar; 0 when nothing counts."""
        factor = self.numerator / (self.denominator + _NOT_ZERO)
        return Sum(self.plain + factor * self.factored, self.num_counted, self.num_all).reduced(reduction)


Part: TypeAlias = Sum | FactoredSum
"""What a loss is a sum of; each of them has `reduced`, and all its numbers add up."""

Sums: TypeAlias = Mapping[str, Sequence[Part]]
"""The parts of loss entries, by name."""


def of_all_workers(sums: Mapping[str, Sums], peers: Peers) -> dict[str, Sums]:
    """Returns the sums of this worker's rows, divided by what the rows of all workers have: its share of the losses.

    Args:
        sums: of the tasks, by tower name.
        peers: the workers.
    """
    if not peers.are_several:
        return dict(sums)
    parts = [part for of_task in sums.values() for entry in of_task.values() for part in entry]
    counts = iter(peers.sum([tf.stop_gradient(count) for part in parts for count in part.counts]))

    def shared(part: Part) -> Part:
        factor = peers.sum(part.factor) if part.factor else ()
        return part.divided_by((*factor, *(next(counts) for _ in part.counts)))

    return {
        task: {name: [shared(part) for part in entry] for name, entry in of_task.items()}
        for task, of_task in sums.items()
    }
