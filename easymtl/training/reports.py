"""What a training tells of its start, its steps and its labels."""

import math

import numpy as np

from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.inputs import TrainingInput
from easymtl.training.pace import Pace
from easymtl.training.step import StepValues


class Reports:
    """Makes events of what happens in a training, as often as the config asks for them."""

    def __init__(self, settings: TrainConfig, ranker: Ranker, listener: events.Listener):
        self._settings = settings
        self._ranker = ranker
        self._tell = listener
        self._labels_step: int | None = None

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
        if not (is_log or is_summary):
            return
        values = {name: float(value) for name, value in found.losses.items()}
        weights = {name: float(value) for name, value in found.weights.items()}
        if is_log:
            self._tell(pace.progress(step, values, rates, weights))
        if is_summary:
            shown = self._ranker.parameters if self._settings.summary_model_vars else {}
            variables = {name: parameter.read for name, parameter in shown.items()}
            self._tell(events.Summary(step, values, rates, variables, weights))

    def labels(self, step: int, source: TrainingInput) -> None:
        """Tells of towers that have learnt nothing so far, once for a step."""
        if self._labels_step == step:
            return
        self._labels_step = step
        for rule in source.labels.unlabelled():
            text = f'no row trained on so far has a label "{rule.field}": the tower "{rule.tower}" has learnt nothing.'
            self._tell(events.Note(f"Warning: {text}"))
