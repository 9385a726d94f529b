"""What one update descends along: the gradients of a step, however the tasks are balanced.

Fixed             the sum of all losses, one pass backward
WeighedTasks      the sum of the tasks' losses with weights, one pass backward
LearnedLosses     the same for single losses (`learn_loss_weight`)
CombinedTasks     one pass backward for each task, and a combination of what they give
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.layers.context import Parameter
from easymtl.peers.peers import ONE, Peers
from easymtl.tasks.ranker import LossParts
from easymtl.training.balancing.combination import Combination, Combined, Gradients
from easymtl.training.balancing.task_gradients import MaybeGradient, TaskGradients
from easymtl.training.balancing.weightings import Change, Weighting, weights_by_name


@dataclass(frozen=True)
class Forward:
    """The forward pass of a step, before anything goes backward.

    Attributes:
        tape: has watched the sources; persistent if the descent asks for that.
        parts: the losses.
        total: their sum.
        task_losses: the loss of each task, all weights of the config applied, by tower name.
        dense: the dense variables that are trained.
        rows: the distinct rows of each table variable, `[distinct, width]`.
        seed: int64 `[2]`, the seed of the step.
        peers: the workers that make the step; losses are those of all rows, gradients those of this worker's share.
    """

    tape: tf.GradientTape
    parts: LossParts
    total: tf.Tensor
    task_losses: Mapping[str, tf.Tensor]
    dense: Sequence[tf.Variable]
    rows: Sequence[tf.Tensor]
    seed: tf.Tensor
    peers: Peers = ONE

    @property
    def sources(self) -> list[tf.Variable | tf.Tensor]:
        """All that a gradient is taken for."""
        return [*self.dense, *self.rows]

    def gradient(self, loss: tf.Tensor, sources: Sequence[tf.Variable | tf.Tensor]) -> list[tf.Tensor]:
        """Returns the gradient of a loss, 0 where it does not reach."""
        return self.tape.gradient(loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def task_gradients(self) -> TaskGradients:
        """Returns the gradient of each task; the tape has to be persistent."""
        return TaskGradients(self.tape, self.task_losses, self.dense, self.rows, self.peers)


def losses_by_task(parts: LossParts) -> dict[str, tf.Tensor]:
    """Returns the loss of each task, the sum of its entries, by tower name."""
    return {task: tf.add_n(list(entries.values())) for task, entries in parts.by_task.items()}


@dataclass(frozen=True)
class Descended:
    """Where a step goes.

    Attributes:
        gradients: one for each source.
        losses: the losses to report, by name.
        loss: their sum and the regularization.
        weights: the weights in force, by task or loss; empty for those of the config.
        changes: what a method remembers, as variables with their values after the step.
    """

    gradients: list[tf.Tensor]
    losses: Mapping[str, tf.Tensor]
    loss: tf.Tensor
    weights: Mapping[str, tf.Tensor] = field(default_factory=dict)
    changes: Sequence[Change] = ()


class Descent(tf.Module):
    """How the losses of a batch become one gradient: here the gradient of their sum, which costs nothing extra.

    Attributes:
        parameters: what checkpoints hold of it, by name.
        trained: the variables that the optimizer of the dense weights moves besides the model's.
        needs_task_gradients: whether it goes backward more than once.
        solves_every: steps between those that find new weights; the others are cheaper.
    """

    needs_task_gradients = False
    solves_every = 1

    def __init__(self) -> None:
        super().__init__()
        self.parameters: Mapping[str, Parameter] = {}
        self.trained: Sequence[tf.Variable] = ()

    def __call__(self, forward: Forward, is_solving: bool = True) -> Descended:
        """Returns where to go from a forward pass.

        Args:
            forward: the pass.
            is_solving: whether new weights are to be found, in a step that is due by `solves_every`.
        """
        gradients = forward.gradient(forward.total, forward.sources)
        return Descended(gradients, forward.parts.entries, forward.total)


Fixed = Descent


class WeighedTasks(Descent):
    """Descends the sum of the tasks' losses with the weights of a `Weighting`; tables included."""

    def __init__(self, weighting: Weighting):
        super().__init__()
        self._weighting = weighting
        self.parameters, self.trained = weighting.parameters, weighting.trained

    def __call__(self, forward: Forward, is_solving: bool = True) -> Descended:
        """Returns the gradient of the weighted sum; the losses reported are without weights."""
        parts, losses = forward.parts, forward.task_losses
        with forward.tape:
            stacked = tf.stack(list(losses.values()))
            weighted = self._weighting(stacked, forward.seed)
            total = tf.reduce_sum(weighted.weights * stacked + weighted.terms) + parts.rest
        gradients = forward.gradient(total, forward.sources)
        weights = weights_by_name(list(losses), weighted.weights)
        return Descended(gradients, parts.entries, forward.total, weights, weighted.changes)


class LearnedLosses(Descent):
    """Descends the sum of all losses, the ones that are marked with the weights of a `Weighting`.

    As in EasyRec, which this follows, the losses reported are the weighted ones.
    """

    def __init__(self, weighting: Weighting, losses: Sequence[str]):
        """Takes the names of the marked losses, in the order of the weighting."""
        super().__init__()
        self._weighting = weighting
        self._names = list(losses)
        self.parameters, self.trained = weighting.parameters, weighting.trained

    def __call__(self, forward: Forward, is_solving: bool = True) -> Descended:
        """Returns the gradient of the sum."""
        parts = forward.parts
        with forward.tape:
            losses = parts.entries
            weighted = self._weighting(tf.stack([losses[name] for name in self._names]), forward.seed)
            for index, name in enumerate(self._names):
                losses[name] = weighted.weights[index] * losses[name] + weighted.terms[index]
            total = tf.add_n([*losses.values(), parts.rest])
        gradients = forward.gradient(total, forward.sources)
        weights = weights_by_name(self._names, weighted.weights)
        return Descended(gradients, losses, total, weights, weighted.changes)


class CombinedTasks(Descent):
    """Goes backward for each task, and combines what comes of it on the shared dense weights.

    The dense weights of one task take the gradient of that task, tables the sum of all; where the combination weighs
    losses, both are weighted too. The gradient of regularization is added apart.
    """

    needs_task_gradients = True

    def __init__(self, combination: Combination, field_path: str):
        """Takes the method and the field of the config that asks for it."""
        super().__init__()
        self._combination = combination
        self._field = field_path
        self.parameters = combination.parameters
        self.solves_every = combination.update_every

    def __call__(self, forward: Forward, is_solving: bool = True) -> Descended:
        """Returns the combination."""
        tasks = forward.task_gradients()
        tasks.require_shared(self._field)
        if not is_solving:
            return self._reused(forward, tasks)
        losses = tf.stack(list(forward.task_losses.values()))
        found = self._combination(Gradients(tasks.gram(), losses, forward.seed))
        others = found.coefficients if self._combination.weighs_losses else None
        gradients = tasks.combine(found.coefficients, others)
        added = forward.tape.gradient(forward.parts.rest, forward.sources)
        sums = [_sum(source, *both) for source, *both in zip(forward.sources, gradients, added)]
        return self._descended(forward, sums, found)

    def _reused(self, forward: Forward, tasks: TaskGradients) -> Descended:
        """Returns the combination by the last solution, in two passes: for shared weights and for the rest."""
        coefficients = self._combination.last()
        with forward.tape:
            losses = tf.stack(list(forward.task_losses.values()))
            weighted = tf.reduce_sum(coefficients * losses) + forward.parts.rest
        gradients = forward.gradient(forward.total, forward.sources)
        shared = forward.gradient(weighted, [forward.dense[index] for index in tasks.shared])
        for index, gradient in zip(tasks.shared, shared):
            gradients[index] = gradient
        return self._descended(forward, gradients, Combined(coefficients))

    def _descended(self, forward: Forward, gradients: list[tf.Tensor], found: Combined) -> Descended:
        parts = forward.parts
        weights = weights_by_name(list(parts.by_task), found.coefficients)
        return Descended(gradients, parts.entries, forward.total, weights, found.changes)


def _sum(source: tf.Variable | tf.Tensor, *gradients: MaybeGradient) -> tf.Tensor:
    found = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
    if not found:
        return tf.zeros_like(source)
    return found[0] if len(found) == 1 else tf.add_n(found)
