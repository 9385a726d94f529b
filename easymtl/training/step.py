"""One update of a model, and the freezing of parts of it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError, quoted
from easymtl.features.embeddings import Lookup
from easymtl.layers.context import Call, Parameter, Pending
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.descents import Descended, Descent, Fixed, Forward, losses_by_task
from easymtl.training.balancing.task_gradients import cosines, pairs
from easymtl.training.optimizers import Optimizers, RowGradient
from easymtl.training.shared_update import rows_of_owners, sum_dense, sum_rows, sum_squares

TrainStep = Callable[[Mapping[str, np.ndarray], np.ndarray], dict[str, tf.Tensor]]
Batch = Mapping[str, tf.Tensor]
Values = dict[str, tf.Tensor]

WEIGHT = "weight/"
COSINE = "gradient_cosine/"
NUM_ROWS = "num_rows"
FLAGS = "flags"
_BITS_OF_SEED = 40


def make_train_step(
    ranker: Ranker,
    optimizers: Optimizers,
    step: tf.Variable,
    config: TrainConfig,
    dtype: tf.DType,
    signature: dict[str, tf.TensorSpec],
    descent: Descent | None = None,
    peers: Peers = ONE,
) -> TrainStep:
    """Traces one update: forward, backward, clipping, optimizers.

    Args:
        ranker: the model.
        optimizers: those of tables and of dense variables.
        step: int64 scalar, number of updates made; an update adds 1, one that is not made does not.
        config: seed, clipping and freezing, and how often gradients are compared.
        dtype: the precision of activations and matrix products.
        signature: of the batches, see `easymtl.features.encoder.batch_signature`.
        descent: how the tasks are balanced (see `make_descent`); None for the sum of their losses.
        peers: the workers that make the step together, each with a batch of its own, which may have no rows.

    Returns:
        A function of a packed batch and the learning rates float32 `[2]` (tables, dense). It gives float32 scalars:
        each loss by name, `regularization_loss`, and their sum `loss`, all before the update. When the loss or the norm
        of the gradients is not finite, or a statistic would not be, `loss` is NaN and no variable has moved, nor
        `step`, nor what norms and methods of balancing remember: what went wrong can still be looked for. Balanced
        tasks also have `weight/<task>`, and steps that compare gradients `gradient_cosine/<task>/<task>`. All of it is
        of the rows of all workers, and the same on each; several of them also have `num_rows`, the rows of all, and
        `flags`. Where nobody has a row, no update is made.
    """
    update = _Update(ranker, optimizers, step, config, dtype, descent or Fixed(), peers)
    steps = _Steps(update, [signature, tf.TensorSpec([2], tf.float32)])
    return steps if steps.are_several else steps.traced(_Kind())


@dataclass(frozen=True)
class StepValues:
    """What a step has told, sorted.

    Attributes:
        losses: each loss by name, `regularization_loss` and `loss`.
        weights: by task or loss; empty where tasks are not balanced.
        cosines: by `<task>/<task>`; empty in most steps.
        num_rows: rows of all workers; None of one worker.
        flags: `[NUM_FLAGS]`, how many workers have raised each of `Peers.flags`; None of one worker.
    """

    losses: Values
    weights: Values
    cosines: Values
    num_rows: tf.Tensor | None = None
    flags: tf.Tensor | None = None

    @classmethod
    def of(cls, values: Values) -> "StepValues":
        """Sorts the values of a step by their names."""
        values = dict(values)
        num_rows, flags = values.pop(NUM_ROWS, None), values.pop(FLAGS, None)
        weights = _named(values, WEIGHT)
        cosines_ = _named(values, COSINE)
        losses = {name: value for name, value in values.items() if not name.startswith((WEIGHT, COSINE))}
        return cls(losses, weights, cosines_, num_rows, flags)


def _named(values: Values, prefix: str) -> Values:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class _Kind:
    """Steps that do the same work, and so are one traced function.

    Attributes:
        is_solving: the balancing finds new weights.
        is_comparing: the gradients of the tasks are compared.
    """

    is_solving: bool = True
    is_comparing: bool = False


class _Steps:
    """The traced updates, one for each kind of step, so that a step pays for nothing that it does not do."""

    def __init__(self, update: "_Update", signature: list):
        self._update = update
        self._signature = signature
        self._compare_every = update.config.log_gradient_conflict_every
        self._solve_every = update.descent.solves_every
        self._traced: dict[_Kind, TrainStep] = {}

    @property
    def are_several(self) -> bool:
        """Returns whether there is more than one kind of step."""
        return self._compare_every > 0 or self._solve_every > 1

    def traced(self, kind: _Kind) -> TrainStep:
        """Returns the function of a kind of step."""
        if kind not in self._traced:

            def train_step(batch: Batch, learning_rates: tf.Tensor) -> Values:
                return self._update(batch, learning_rates, kind)

            traced = tf.function(train_step, input_signature=self._signature, autograph=False)
            # Concrete: a step of a small model is so short that looking for the right trace each time shows. Where
            # TensorFlow is told to run functions op by op, to debug or to test what is around a step, it does.
            is_traced = not tf.config.functions_run_eagerly()
            self._traced[kind] = traced.get_concrete_function() if is_traced else traced
        return self._traced[kind]

    def __call__(self, batch: Mapping[str, np.ndarray], learning_rates: np.ndarray) -> Values:
        """Makes the next step."""
        number = int(self._update.step.numpy())
        is_comparing = self._compare_every > 0 and (number + 1) % self._compare_every == 0
        return self.traced(_Kind(number % self._solve_every == 0, is_comparing))(batch, learning_rates)


class _Update:
    """One update, as a function to be traced."""

    def __init__(
        self,
        ranker: Ranker,
        optimizers: Optimizers,
        step: tf.Variable,
        config: TrainConfig,
        dtype: tf.DType,
        descent: Descent,
        peers: Peers,
    ):
        self.step, self.config, self.descent = step, config, descent
        self._ranker, self._optimizers, self._dtype = ranker, optimizers, dtype
        self._frozen = Frozen(ranker, config.freeze_gradient)
        dense = [*ranker.dense_variables, *descent.trained]
        self._peers = peers
        self._dense = [variable for variable in dense if variable.ref() not in self._frozen.dense]

    def __call__(self, batch: Batch, learning_rates: tf.Tensor, kind: _Kind) -> Values:
        """Makes the update, and returns what the step has to tell."""
        ranker, dense = self._ranker, self._dense
        lookups = ranker.embeddings.lookup(batch)
        statistics = Pending()
        forward = self._forward(batch, lookups, [lookup.rows for lookup in lookups.values()], kind, statistics)
        found = self.descent(forward, kind.is_solving)
        compared = self._cosines(forward) if kind.is_comparing else {}
        num_rows = tf.cast(batch["batch_size"], tf.float32)
        own = self._shares(found.gradients[: len(dense)])
        dense_gradients = sum_dense(own, statistics, num_rows, self._peers)
        changes = self._changes(lookups, found.gradients[len(dense) :])
        told, squares = self._told(num_rows, changes)
        # What is frozen is out of the norm, or it would slow down the rest.
        gradients = [*dense_gradients, *(change.gradient for change in changes)]
        norm = tf.linalg.global_norm(gradients)
        if squares is not None:
            norm = tf.sqrt(squares + tf.square(tf.linalg.global_norm(dense_gradients)))
        if self.config.gradient_clipping_by_norm > 0:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.gradient_clipping_by_norm, norm)
        changes = [replace(change, gradient=gradient) for change, gradient in zip(changes, gradients[len(dense) :])]

        def update() -> tf.Tensor:
            self.step.assign_add(1)
            number = self.step.read_value()
            self._optimizers.apply(list(zip(dense, gradients)), changes, learning_rates, number)
            for variable, value in found.changes:
                variable.assign(value)
            statistics.apply()
            return found.loss

        is_sound = _is_sound(found, norm, statistics.values)
        if self._peers.are_several:
            is_sound &= told[NUM_ROWS] > 0
        loss = tf.cond(is_sound, update, lambda: tf.constant(math.nan))
        weights = {f"{WEIGHT}{name}": weight for name, weight in found.weights.items()}
        regularization = forward.parts.regularization
        losses = {**found.losses, **forward.parts.of_layers, "regularization_loss": regularization, "loss": loss}
        return {**losses, **weights, **compared, **told}

    def _shares(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns what this worker adds to the sum of dense gradients.

        What balances the tasks sees the losses of all rows: its own weights get their whole gradient on every worker.
        """
        if not self._peers.are_several:
            return list(gradients)
        whole = {variable.ref() for variable in self.descent.trained}
        return [
            gradient / self._peers.size if variable.ref() in whole else gradient
            for variable, gradient in zip(self._dense, gradients)
        ]

    def _changes(self, lookups: Mapping[int, Lookup], gradients: Sequence[tf.Tensor]) -> list[RowGradient]:
        """Returns the gradients of the rows that this worker has, of all workers and without frozen ones."""
        embeddings = self._ranker.embeddings
        if embeddings.are_dealt_out:
            changes = rows_of_owners(embeddings, lookups, gradients)
            return [self._frozen.without_frozen_rows(change) for change in changes]
        own = [
            RowGradient(embeddings.variable(width), lookup.row_numbers, lookup.rows, gradient)
            for (width, lookup), gradient in zip(lookups.items(), gradients)
        ]
        return sum_rows([self._frozen.without_frozen_rows(change) for change in own], self._peers)

    def _told(self, num_rows: tf.Tensor, changes: Sequence[RowGradient]) -> tuple[Values, tf.Tensor | None]:
        """Returns what the workers tell one another of a step.

        Args:
            num_rows: of this worker.
            changes: of the rows that this worker has.

        Returns:
            The values that the step tells, and the sum of the squares of the gradients of all rows where each worker
            has other ones: any number of them that is not finite is seen by all.
        """
        peers = self._peers
        if not peers.are_several:
            return {}, None
        assert peers.flags is not None
        squares = [sum_squares(changes)] if self._ranker.embeddings.are_dealt_out else []
        num_all, flags, *squares = peers.sum([num_rows, peers.flags.read_value(), *squares])
        return {NUM_ROWS: num_all, FLAGS: flags}, squares[0] if squares else None

    def _forward(
        self,
        batch: Batch,
        lookups: Mapping[int, Lookup],
        rows: Sequence[tf.Tensor],
        kind: _Kind,
        statistics: Pending,
    ) -> Forward:
        seed = tf.stack([tf.constant(self.config.seed, tf.int64), self.step])
        # Each worker drops others of its values: it has other rows.
        own_seed = seed + tf.constant([self._peers.index << _BITS_OF_SEED, 0], tf.int64)
        call = Call(
            training=True,
            dtype=self._dtype,
            seed=own_seed if self._peers.are_several else seed,
            pending=statistics,
            peers=self._peers,
            syncs_norms=self._peers.are_several and self.config.sync_batch_norm,
        )
        is_persistent = self.descent.needs_task_gradients or kind.is_comparing
        with tf.GradientTape(persistent=is_persistent, watch_accessed_variables=False) as tape:
            tape.watch([*self._dense, *rows])
            parts = self._ranker.losses(batch, lookups, call)
            total, task_losses = parts.total, losses_by_task(parts)
        return Forward(tape, parts, total, task_losses, self._dense, rows, seed, self._peers)

    def _cosines(self, forward: Forward) -> Values:
        """Returns the cosines between the gradients of each two tasks."""
        tasks = forward.task_gradients()
        tasks.require_shared("train_config.log_gradient_conflict_every")
        values = cosines(tasks.gram())
        names = tasks.tasks
        return {f"{COSINE}{names[i]}/{names[j]}": values[i, j] for i, j in pairs(names)}


def _is_sound(found: Descended, norm: tf.Tensor, statistics: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns whether an update would leave only finite numbers behind.

    Squares of gradients (`norm` is that of all of them, before they are clipped) that overflow count as well: they
    would end in the slots of most optimizers.
    """
    norms = [norm, *(tf.linalg.global_norm([value]) for _, value in found.changes)]
    is_finite = tf.reduce_all(tf.math.is_finite(tf.stack([found.loss, *norms])))
    if not statistics:
        return is_finite
    # A variance can overflow behind a loss that is finite: the norm divides by it.
    return is_finite & tf.reduce_all(tf.math.is_finite(tf.concat(statistics, axis=0)))


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
        numbers, rows, gradient = (tf.gather(x, kept) for x in (change.row_numbers, change.rows, change.gradient))
        ranges = tuple(tf.range(table.begin, table.begin + table.num_rows) for table in tables)
        return RowGradient(change.variable, numbers, rows, gradient, ranges)


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
