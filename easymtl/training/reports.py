"""What a training tells of its start, its steps and its labels."""

import math
from collections.abc import Sequence

import numpy as np

from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.losses import Output
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.task import Task
from easymtl.training import events
from easymtl.training.inputs import TrainingInput
from easymtl.training.pace import Pace
from easymtl.training.step import StepValues

LARGEST_SHARE = 0.9
"""Of the loss that one of several tasks may have before it is told."""


class Reports:
    """Makes events of what happens in a training, as often as the config asks for them."""

    def __init__(self, settings: TrainConfig, ranker: Ranker, listener: events.Listener):
        self._settings = settings
        self._ranker = ranker
        self._tell = listener
        self._labels_step: int | None = None
        self._told: set[str] = set()
        self._last: tuple[int, StepValues] | None = None
        self._has_told_shares = False

    @property
    def has_told_labels(self) -> bool:
        """Returns whether labels have been looked at."""
        return self._labels_step is not None

    def start(self, step: int) -> None:
        """Tells what is trained, `step` updates having been made."""
        num_dense = sum(int(np.prod(v.shape)) for v in self._ranker.dense_variables)
        num_embedding = sum(table.rows * table.width for table in self._ranker.feature_set.tables)
        counts = {"dense": num_dense, "embedding": num_embedding}
        precision = TrainConfig.MixedPrecision.Name(self._settings.mixed_precision)
        self._tell(events.Started(step, self._settings.num_steps or None, counts, precision))

    def step(self, step: int, found: StepValues, rates: tuple[float, float], pace: Pace) -> None:
        """Tells what a step has found, if it is one that is told of."""
        if found.cosines:
            cosines = {pair: float(value) for pair, value in found.cosines.items()}
            known = {pair: value for pair, value in cosines.items() if math.isfinite(value)}
            self._tell(events.GradientConflict(step, known))
        is_log = step % max(self._settings.log_step_count_steps, 1) == 0
        is_summary = self._settings.save_summary_steps > 0 and step % self._settings.save_summary_steps == 0
        self._last = (step, found)
        if not (is_log or is_summary):
            return
        self._shares()
        values = {name: float(value) for name, value in found.losses.items()}
        weights = {name: float(value) for name, value in found.weights.items()}
        if is_log:
            self._tell(pace.progress(step, values, rates, weights))
        if is_summary:
            shown = self._ranker.parameters if self._settings.summary_model_vars else {}
            variables = {name: parameter.read for name, parameter in shown.items()}
            self._tell(events.Summary(step, values, rates, variables, weights))

    def labels(self, step: int, source: TrainingInput) -> None:
        """Tells of towers that have learnt nothing so far, and of what is odd in the files, once for a step."""
        if self._labels_step == step:
            return
        self._labels_step = step
        self._shares()
        for rule, why in source.labels.unlearnt("rows trained on so far"):
            self._tell(events.Note(f'Warning: {why}: the tower "{rule.tower}" has learnt nothing.'))
        for text in (*source.encoder.warnings(source.tally.counts), *source.source.warnings()):
            if text not in self._told:
                self._tell(events.Note(f"Warning: {text}"))
            self._told.add(text)

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
