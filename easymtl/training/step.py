"""One update of a model."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import tensorflow as tf

from easymtl.features.embeddings import Lookup
from easymtl.layers.context import HOST, Call, Pending
from easymtl.layers.segments import known_sizes
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training.answers import Answer, LastAnswer, packed
from easymtl.training.balancing.descents import Descended, Descent, Fixed, Forward, losses_by_task
from easymtl.training.balancing.task_gradients import cosines, pairs
from easymtl.training.frozen import Frozen
from easymtl.training.optimizers import Optimizers, RowGradient
from easymtl.training.shared_update import OfAll, rows_of_owners, sum_dense, sum_rows
from easymtl.training.step_values import ANSWER, COSINE, WEIGHT, Values

Batch = Mapping[str, tf.Tensor | np.ndarray]
Traced = Callable[[Batch, tf.Tensor | np.ndarray, np.ndarray], Values]

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
    is_ahead: bool = False,
) -> "TrainStep":
    """Makes the update: forward, backward, clipping, optimizers; it is traced when it is first called.

    Args:
        ranker: the model.
        optimizers: those of tables and of dense variables.
        step: int64 scalar, number of updates made; an update adds 1, one that is not made does not.
        config: seed, clipping and freezing, and how often gradients are compared.
        dtype: the precision of activations and matrix products.
        signature: of the batches, see `easymtl.features.encoder.batch_signature`.
        descent: how the tasks are balanced (see `make_descent`); None for the sum of their losses.
        peers: the workers that make the step together, each with a batch of its own, which may have no rows.
        is_ahead: whether a step is begun before the host knows what the one before has come to, see `answers`. Then
            nothing in it waits for the host. Results are the same.
    """
    return TrainStep(_Update(ranker, optimizers, step, config, dtype, descent or Fixed(), peers, is_ahead), signature)


class TrainStep:
    """The update of a model, traced once for each kind of step, so that a step pays for nothing that it does not do.

    How far gradients disagree is asked by a function of its own, called before the update: within the same graph it
    would run beside what is trained, whose last digits then differ, even between two runs of one training.
    """

    def __init__(self, update: "_Update", signature: dict[str, tf.TensorSpec]):
        """Traces nothing yet."""
        self._update = update
        self._batch_signature = signature
        self._compare_every = update.config.log_gradient_conflict_every
        self._solve_every = update.descent.solves_every
        self._traced: dict[bool, Traced] = {}
        self._comparison: Callable[[Batch, np.ndarray], Values] | None = None

    def __call__(self, batch: Batch, learning_rates: tf.Tensor | np.ndarray, updates_made: int | None = None) -> Values:
        """Makes the next step.

        Args:
            batch: a packed one.
            learning_rates: float32 `[2]`, of tables and of dense weights.
            updates_made: before it; None asks the device, which the host then waits for.

        Returns:
            float32 scalars: each loss by name, `regularization_loss`, and their sum `loss`, all before the update. When
            the loss or the norm of the gradients is not finite, or a statistic would not be, `loss` is NaN and no
            variable has moved, nor the number of updates, nor what norms and methods of balancing remember: what went
            wrong can still be looked for. Balanced tasks also have `weight/<task>`, and steps that compare gradients
            `gradient_cosine/<task>/<task>`. All of it is of the rows of all workers, and the same on each. Where nobody
            has a row, no update is made. What it has come to is in `answer`, see `Answer`.
        """
        made = int(self._update.step.numpy()) if updates_made is None else updates_made
        compared = self._compared(batch, made)
        return {**self.traced(made)(batch, learning_rates, np.array(made, np.int64)), **compared}

    def traced(self, updates_made: int = 0) -> Traced:
        """Returns the function of the step that follows so many updates, which it is handed behind the rates."""
        is_solving = updates_made % self._solve_every == 0
        if is_solving not in self._traced:

            def train_step(batch: Batch, learning_rates: tf.Tensor, made: tf.Tensor) -> Values:
                return self._update(batch, learning_rates, made, is_solving)

            self._traced[is_solving] = self._trace(train_step, tf.TensorSpec([2], tf.float32))
        return self._traced[is_solving]

    def _compared(self, batch: Batch, made: int) -> Values:
        """Returns the cosines between gradients in the step behind so many updates, where it is one that compares."""
        if not self._compare_every or (made + 1) % self._compare_every:
            return {}
        if self._comparison is None:
            self._comparison = self._trace(self._update.cosines)
        return self._comparison(batch, np.array(made, np.int64))

    def _trace(self, function: Callable[..., Values], *signature: tf.TensorSpec) -> Callable[..., Values]:
        """Returns a function of a batch, of what has the signature, and of the number of updates made, traced."""

        def sized(*arguments: Batch | tf.Tensor) -> Values:
            with known_sizes() if self.is_ahead else nullcontext():
                return function(*arguments)

        signature = (self._batch_signature, *signature, tf.TensorSpec([], tf.int64))
        traced = tf.function(sized, input_signature=signature, autograph=False)
        # Concrete: a step of a small model is so short that looking for the right trace each time shows. Where
        # TensorFlow is told to run functions op by op, to debug or to test what is around a step, it does.
        return traced if tf.config.functions_run_eagerly() else traced.get_concrete_function()

    @property
    def is_ahead(self) -> bool:
        """Returns whether a step is begun before the host knows what the one before has come to."""
        return self._update.last_answer is not None

    def answer_before(self) -> Answer:
        """Returns what the step before the one that was begun last has come to; waits for that one alone."""
        assert self._update.last_answer is not None
        return self._update.last_answer.handed_over()

    def go_on(self) -> None:
        """Lets steps be made again behind a refused one, where they are begun ahead; else they are anyway."""
        if self._update.last_answer is not None:
            self._update.last_answer.go_on()


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
        is_ahead: bool,
    ):
        self.step, self.config, self.descent = step, config, descent
        self.last_answer = LastAnswer(peers) if is_ahead else None
        self._ranker, self._optimizers, self._dtype = ranker, optimizers, dtype
        self._frozen = Frozen(ranker, config.freeze_gradient)
        dense = [*ranker.dense_variables, *descent.trained]
        self._peers = peers
        self._dense = [variable for variable in dense if variable.ref() not in self._frozen.dense]

    def __call__(self, batch: Batch, learning_rates: tf.Tensor, made: tf.Tensor, is_solving: bool) -> Values:
        """Makes the update behind so many others, int64, and returns what the step has to tell.

        Args:
            batch: a packed one.
            learning_rates: float32 `[2]`, of tables and of dense weights.
            made: int64 scalar, the number of updates before it.
            is_solving: whether the balancing finds new weights.
        """
        was_refused = self.last_answer.hand_over() if self.last_answer else None
        lookups = self._ranker.embeddings.lookup(batch)
        statistics = Pending()
        forward = self._forward(batch, lookups, made, statistics, self.descent.needs_task_gradients)
        found = self.descent(forward, is_solving)
        changes, of_all = self._of_all(batch, lookups, found, statistics)
        gradients, changes, norm = self._clipped(changes, of_all)
        is_made = _is_sound(found, norm, statistics.vectors)
        is_refused = tf.logical_not(is_made)
        if self._peers.are_several:
            # Where nobody has a row no step is made, and none is refused.
            has_rows = of_all.num_rows > 0
            is_refused, is_made = is_refused & has_rows, is_made & has_rows

        def update(is_made: tf.Tensor | None = None) -> tf.Tensor:
            self.step.assign_add(1 if is_made is None else tf.cast(is_made, tf.int64))
            self._optimizers.apply(list(zip(self._dense, gradients)), changes, learning_rates, made + 1, is_made)
            for variable, value in found.changes:
                variable.assign(value if is_made is None else tf.where(is_made, value, variable))
            statistics.apply(is_made)
            return found.loss

        if self.last_answer is None or was_refused is None:
            # What is not made costs nothing, and on a processor the host knows at once.
            loss = tf.cond(is_made, update, lambda: tf.constant(math.nan))
        else:
            is_refused, is_made = is_refused | was_refused, is_made & tf.logical_not(was_refused)
            loss = tf.where(is_made, update(is_made), math.nan)
        answer = packed(is_refused, of_all.num_rows, of_all.flags)
        if self.last_answer:
            self.last_answer.leave(answer)
        weights = {f"{WEIGHT}{name}": weight for name, weight in found.weights.items()}
        regularization = forward.parts.regularization
        losses = {**found.losses, **forward.parts.of_layers, "regularization_loss": regularization, "loss": loss}
        return {**losses, **weights, ANSWER: answer}

    def cosines(self, batch: Batch, made: tf.Tensor) -> Values:
        """Returns the cosines between the gradients of each two tasks in the update behind so many others, int64.

        Nothing moves: the update itself has the same seed, and so drops the same values.
        """
        lookups = self._ranker.embeddings.lookup(batch)
        tasks = self._forward(batch, lookups, made, Pending(), is_persistent=True).task_gradients()
        tasks.require_shared("train_config.log_gradient_conflict_every")
        values, names = cosines(tasks.gram()), tasks.tasks
        return {f"{COSINE}{names[i]}/{names[j]}": values[i, j] for i, j in pairs(names)}

    def _of_all(
        self, batch: Batch, lookups: Mapping[int, Lookup], found: Descended, statistics: Pending
    ) -> tuple[list[RowGradient], OfAll]:
        """Returns the gradients of the rows that this worker has, and what all workers have together."""
        num_dense = len(self._dense)
        own = self._shares(found.gradients[:num_dense])
        changes = self._changes(lookups, found.gradients[num_dense:])
        num_rows = tf.cast(batch["batch_size"], tf.float32)
        dealt_out = changes if self._ranker.embeddings.are_dealt_out else []
        return changes, sum_dense(own, statistics, num_rows, self._peers, dealt_out)

    def _clipped(
        self, changes: list[RowGradient], of_all: OfAll
    ) -> tuple[list[tf.Tensor], list[RowGradient], tf.Tensor]:
        """Returns the gradients of dense weights and of rows, clipped, and their norm before that."""
        # What is frozen is out of the norm, or it would slow down the rest.
        gradients = [*of_all.gradients, *(change.gradient for change in changes)]
        norm = tf.linalg.global_norm(gradients)
        if of_all.squares is not None:
            norm = tf.sqrt(of_all.squares + tf.square(tf.linalg.global_norm(of_all.gradients)))
        if self.config.gradient_clipping_by_norm > 0:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.gradient_clipping_by_norm, norm)
        of_rows = gradients[len(of_all.gradients) :]
        changes = [replace(change, gradient=gradient) for change, gradient in zip(changes, of_rows)]
        return gradients[: len(of_all.gradients)], changes, norm

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

    def _forward(
        self,
        batch: Batch,
        lookups: Mapping[int, Lookup],
        made: tf.Tensor,
        statistics: Pending,
        is_persistent: bool,
    ) -> Forward:
        rows = [lookup.rows for lookup in lookups.values()]
        with tf.device(HOST):
            seed = tf.stack([tf.constant(self.config.seed, tf.int64), made])
            # Each worker drops others of its values: it has other rows.
            own_seed = seed + tf.constant([self._peers.index << _BITS_OF_SEED, 0], tf.int64)
        call = Call(
            training=True,
            dtype=self._dtype,
            seed=own_seed if self._peers.are_several else seed,
            pending=statistics,
            peers=self._peers,
            syncs_norms=self._peers.are_several and self.config.sync_batch_norm,
            is_compiled=self.config.xla == TrainConfig.COMPILED,
        )
        with tf.GradientTape(persistent=is_persistent, watch_accessed_variables=False) as tape:
            tape.watch([*self._dense, *rows])
            parts = self._ranker.losses(batch, lookups, call)
            total, task_losses = parts.total, losses_by_task(parts)
        return Forward(tape, parts, total, task_losses, self._dense, rows, seed, self._peers)


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
