"""Steps that were begun, and what each has come to: at once, or where a device makes them when the next one was begun.

The host reads and encodes, and tells the device what to do; while the device does it, the host has the next step ready.
It learns what a step has come to one step late, and goes by it as if it had known at once: a step behind a refused one
has moved nothing (see `answers`), and its batch comes again.

Growing tables give rows to ids in the order of the steps that were made, and free those of ids that are gone: there the
host waits for each step. It does wherever something is to be done with the weights of a step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from easymtl.data.windows import Batch
from easymtl.peers.peers import Peers
from easymtl.training.answers import Answer
from easymtl.training.decisions import Decisions
from easymtl.training.growth import Growth
from easymtl.training.inputs import TrainingInput
from easymtl.training.pace import Pace
from easymtl.training.placed_batches import Tensors, tensors_of
from easymtl.training.step import TrainStep
from easymtl.training.step_values import StepValues


@dataclass(frozen=True)
class Begun:
    """A step that was begun.

    Attributes:
        number: of updates, this one among them if it is made.
        batch: that it is of.
        rates: the learning rates of tables and of dense weights.
        values: what it tells; reading them waits for it.
    """

    number: int
    batch: Batch
    rates: tuple[float, float]
    values: StepValues


@dataclass(frozen=True)
class Ended:
    """A step, and what it has come to."""

    begun: Begun
    answer: Answer

    @property
    def num_rows(self) -> int:
        """Returns the rows that it is of, those of all workers."""
        told = self.answer.num_rows
        return self.begun.batch.rows.num_rows if told is None else told


class BegunSteps:
    """Begins the steps of a training, one behind the other, and gives each back when it has ended."""

    def __init__(
        self,
        source: TrainingInput,
        pace: Pace,
        decisions: Decisions,
        growth: Growth,
        learning_rates: Callable[[int], tuple[float, float]],
        make: Callable[[Tensors], TrainStep],
        tell_first: Callable[[Tensors], None],
        peers: Peers,
    ):
        """Begins none yet.

        Args:
            source: of the batches.
            pace: begins to measure behind the first step, which is traced.
            decisions: when no further step is to be made, and when to wait for the last one.
            growth: gives rows to ids.
            learning_rates: returns those of tables and of dense weights, given the updates made.
            make: returns the traced step, given its first batch.
            tell_first: is called when the first step was begun, with its batch.
            peers: the workers that make the steps.
        """
        self._source, self._pace, self._decisions, self._growth = source, pace, decisions, growth
        self._learning_rates, self._make, self._tell_first = learning_rates, make, tell_first
        self._peers = peers
        self._train_step: TrainStep | None = None
        self._last: Begun | None = None

    @property
    def num_begun(self) -> int:
        """Returns how many steps the host has no answer of yet."""
        return int(self._last is not None)

    def next(self, made: int) -> Ended | None:
        """Begins steps until one has ended, and returns it; None where no further one is to be made.

        Args:
            made: updates that have been made, as far as the host knows.

        Raises:
            UserError: no batch can be read.
        """
        while True:
            step = made + self.num_begun
            if self._decisions.is_stopping() or self._decisions.is_over(step):
                return self.end()
            if self._last and self._decisions.is_checkpoint_due(step, self._pace.seconds_since_restart):
                return self.end()
            batch = self._source.next(self._peers)
            if batch is None:
                return self.end()
            if ended := self._begin(batch, step):
                return ended

    def _begin(self, batch: Batch, step: int) -> Ended | None:
        """Begins a step behind so many updates, and returns the one that has ended with that, if any."""
        self._decisions.before_step(self._pace.seconds_since_restart)
        tensors = tensors_of(batch, self._growth.hand_out(batch.rows, step))
        is_first = self._train_step is None
        self._train_step = self._train_step or self._make(tensors)
        rates = self._learning_rates(step)
        before = self._last
        with self._peers.signs.waiting():
            values = StepValues.of(self._train_step(tensors, np.array(rates, np.float32), step))
            self._last = Begun(step + 1, batch, rates, values)
            ended = None
            if not self._train_step.is_ahead:
                ended = self.end()
            elif before:
                ended = Ended(before, self._train_step.answer_before())
        if is_first:
            self._pace.restart()
            self._tell_first(tensors)
        return ended

    def end(self) -> Ended | None:
        """Waits for the step that was begun last; None if its answer is known."""
        last, self._last = self._last, None
        return Ended(last, Answer.of(last.values.answer)) if last else None

    def refused(self) -> None:
        """Has steps be made again behind a refused one; one that was begun since has moved nothing, and comes again."""
        last, self._last = self._last, None
        if last:
            self._source.again(last.batch)
        if self._train_step is not None:
            self._train_step.go_on()
