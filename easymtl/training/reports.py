"""What a training tells of its start, its steps and its labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from easymtl.data.encoded_cache import EncodedCache
from easymtl.errors import quoted
from easymtl.layers.named.base import NamedLayer
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.scoring.gate_tally import GateUse
from easymtl.tasks.losses import Output
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.reach import EACH_ROW
from easymtl.tasks.task import Task
from easymtl.training import events
from easymtl.training.inputs import TrainingInput
from easymtl.training.pace import Pace
from easymtl.training.step_values import StepValues

LARGEST_SHARE = 0.9
"""Of the loss that one of several tasks may have before it is told."""
_ROUND = [digit * 10**power for power in range(9) for digit in (1, 2, 5)]
_OF_GATES = ("weights", "entropy")


class Reports:
    """Makes events of what happens in a training, as often as the config asks for them."""

    def __init__(self, settings: TrainConfig, ranker: Ranker, listener: events.Listener, peers: Peers = ONE):
        self._settings = settings
        self._ranker = ranker
        self._tell = listener
        self._peers = peers
        self._labels_step: int | None = None
        self._told: set[str] = set()
        self._last: tuple[int, StepValues] | None = None
        self._unsaid: tuple[float, float] | None = None
        self._has_told_shares = False
        # Losses that compare rows and have been 0 wherever they were looked at; None until they are.
        self._empty: set[str] | None = None

    @property
    def has_told_labels(self) -> bool:
        """Returns whether labels have been looked at."""
        return self._labels_step is not None

    def start(self, step: int, expected_steps: int | None = None) -> None:
        """Tells what is trained, `step` updates having been made, `expected_steps` at the end if that is known."""
        num_dense = sum(int(np.prod(v.shape)) for v in self._ranker.dense_variables)
        num_embedding = sum(table.rows * table.width for table in self._ranker.feature_set.tables)
        counts = {"dense": num_dense, "embedding": num_embedding}
        precision = TrainConfig.MixedPrecision.Name(self._settings.mixed_precision)
        self._tell(events.Started(step, self._settings.num_steps or None, counts, precision, expected_steps))
        if self._peers.are_several and (names := losses_of_one_worker(self._ranker)):
            text = (
                f"{quoted(names)} compare rows with each other: here those of each worker among themselves, and never "
                "rows of two workers. Those of a session are of one worker if they stand in one block of a file; of "
                "several kinds of sessions those of the first."
            )
            self._tell(events.Note(text))

    def step(self, step: int, found: StepValues, rates: tuple[float, float], pace: Pace) -> None:
        """Tells what a step has found, if it is one that is told of."""
        if found.cosines:
            cosines = {pair: float(value) for pair, value in found.cosines.items()}
            known = {pair: value for pair, value in cosines.items() if math.isfinite(value)}
            self._tell(events.GradientConflict(step, known))
        is_log = step % max(self._settings.log_step_count_steps, 1) == 0
        self._last = (step, found)
        self._unsaid = None if is_summary_due(step, self._settings.save_summary_steps) else rates
        if is_log:
            self._shares()
            losses = _numbers(found.losses)
            self._look_for_empty(losses)
            self._tell(pace.progress(step, losses, rates, _numbers(found.weights)))
        if not self._unsaid:
            self._summary(step, found, rates)

    def finish(self) -> None:
        """Tells of the last step of a run what its curves end with, if that has not been told."""
        if self._last and self._unsaid and self._settings.save_summary_steps:
            step, found = self._last
            self._summary(step, found, self._unsaid)
            self._unsaid = None

    def _summary(self, step: int, found: StepValues, rates: tuple[float, float]) -> None:
        # All variables are much to read and to write: not as often as losses when a training begins.
        is_full = self._settings.summary_model_vars and _is_round(step, self._settings.save_summary_steps)
        shown = self._ranker.parameters if is_full else {}
        variables = {name: parameter.read for name, parameter in shown.items()}
        self._tell(events.Summary(step, _numbers(found.losses), rates, variables, _numbers(found.weights)))

    def cache(self, cache: EncodedCache | None) -> None:
        """Tells what there is of the training data, if encoded rows are kept."""
        if cache:
            self._tell(events.Note(cache.opening))

    def gates(self, step: int, used: Mapping[str, GateUse]) -> None:
        """Tells how much of each expert was used in an evaluation, if the model has gates."""
        if used:
            weights, entropy = ({name: getattr(use, part) for name, use in used.items()} for part in _OF_GATES)
            self._tell(events.Gates(step, weights, entropy, {name: use.counts for name, use in used.items()}))

    def tables(self) -> dict[str, Callable[[int], np.ndarray]]:
        """Returns what reads rows of each embedding table that this worker has, see `events.Evaluated`."""
        tables = [self._ranker.embeddings.own_rows(table.name) for table in self._ranker.feature_set.tables]
        return {table.name: partial(_rows_of, table.variable, table.begin, table.num_rows) for table in tables}

    def labels(self, step: int, source: TrainingInput) -> None:
        """Tells of towers that have learnt nothing so far, and of what is odd in the files, once for a step."""
        if self._labels_step == step:
            return
        self._labels_step = step
        self._shares()
        found = source.of_all(self._peers)
        for rule, why in found.labels.unlearnt("rows trained on so far"):
            self._tell(events.Note(f"Warning: {why}: {rule.learner} has learnt nothing."))
        self._empty_losses()
        of_cache = source.feed.cache.messages if source.feed.cache else ()
        for text in (*source.encoder.warnings(found.counts), *source.source.warnings(), *of_cache):
            if text not in self._told:
                self._tell(events.Note(f"Warning: {text}"))
            self._told.add(text)

    def _look_for_empty(self, losses: Mapping[str, float]) -> None:
        """Takes note of the losses that compare rows and are exactly 0: they have met no rows to compare."""
        empty = {name for name in _comparing_losses(self._ranker.tasks) if losses[name] == 0}
        self._empty = empty if self._empty is None else self._empty & empty

    def _empty_losses(self) -> None:
        """Tells of losses that compare rows and have been 0 in each step that was looked at."""
        if self._last:
            self._look_for_empty(_numbers(self._last[1].losses))
        for task in self._ranker.tasks:
            names = [name for name in task.loss_names if name in (self._empty or ())]
            if names:
                nothing = f': the tower "{task.name}" has learnt nothing' if names == task.loss_names else ""
                self._tell(
                    events.Note(
                        f"Warning: {quoted(names)} met no rows to compare, such as two of different labels in one "
                        f"session, in any step that was looked at{nothing}."
                    )
                )

    def _shares(self) -> None:
        """Tells once when one task makes up nearly all of the loss, which the weights that tasks share then follow."""
        if self._has_told_shares or self._last is None:
            return
        self._has_told_shares = True
        step, found = self._last
        shares = loss_shares(self._ranker.tasks, found)
        name = max(shares, key=lambda task: shares[task], default="")
        if len(shares) < 2 or shares[name] <= LARGEST_SHARE:
            return
        task = next(task for task in self._ranker.tasks if task.name == name)
        of_label = "a label_transform for its large numbers, " if task.output is Output.VALUE else ""
        text = (
            f'the tower "{name}" makes up {100 * shares[name]:.1f} % of the loss at step {step:,}, so that the layers '
            f"that the towers share hardly learn for the others. Give it {of_label}a smaller weight, or set "
            "train_config.task_balancing."
        )
        self._tell(events.Note(f"Warning: {text}"))


def losses_of_one_worker(ranker: Ranker) -> list[str]:
    """Returns the names of the losses that are no sums over rows, so that each worker has those of its own rows."""
    layers = [module for module in ranker.network.submodules if isinstance(module, NamedLayer)]
    return [*_comparing_losses(ranker.tasks), *(name for layer in layers for name in layer.losses_between_rows)]


def _comparing_losses(tasks: Sequence[Task]) -> list[str]:
    """Returns the names of the losses of tasks that compare rows."""
    return [name for task in tasks for name, reach in task.reaches.items() if reach != EACH_ROW]


def is_summary_due(step: int, every: int) -> bool:
    """Returns whether curves get a point at a step, so that a training of any length has a curve.

    Below `every` they are a tenth of the way apart or less, in round numbers: 1, 2, 3, ... 20, 22, ... 50, 55, ... 100,
    110, ... 200, 220, ... 500, 550, ... 1,000. It depends on the step alone: a continued training has the same points.

    Args:
        step: updates made.
        every: `save_summary_steps`; 0 for never.
    """
    if every <= 0:
        return False
    if step >= every:
        return step % every == 0
    apart = max((number for number in _ROUND if 10 * number <= step), default=1)
    return step % apart == 0


def _is_round(step: int, every: int) -> bool:
    """Returns whether a step is one of `save_summary_steps`, or the first, the tenth, the hundredth, ..."""
    return step % every == 0 or str(step).rstrip("0") == "1"


def _numbers(values: Mapping[str, tf.Tensor]) -> dict[str, float]:
    """Returns scalars as numbers: from a GPU they come in one copy."""
    stacked = [tf.cast(value, tf.float32) for value in values.values()]
    return dict(zip(values, tf.stack(stacked).numpy().tolist())) if stacked else {}


def _rows_of(variable: tf.Variable, begin: int, num_rows: int, most: int) -> np.ndarray:
    """Returns at most so many rows of a table, evenly spaced, `[n, width]`."""
    places = np.unique(np.linspace(0, num_rows - 1, min(num_rows, most)).astype(np.int64))
    return tf.gather(variable, begin + places).numpy()


def loss_shares(tasks: Sequence[Task], found: StepValues) -> dict[str, float]:
    """Returns the share that each task has in the sum of the losses of a step, all weights applied, by tower name.

    A task without a loss, such as one whose labels are all missing, is left out. Empty where losses are not finite.
    """
    sizes = {}
    for task in tasks:
        # Weights by task are those of balancing, which the losses that are told do not have.
        weight = float(found.weights.get(task.name, 1.0))
        sizes[task.name] = weight * sum(abs(float(found.losses[name])) for name in task.loss_names)
    total = sum(sizes.values())
    return {name: size / total for name, size in sizes.items() if size} if math.isfinite(total) else {}
