"""The training of a config from its first step, or from where an earlier run ended, to its last."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.meaning import meaning_of, optimizers_of, require_same_meaning, require_same_optimizers
from easymtl.checkpoints.publishing import reason, sweep, write_text
from easymtl.checkpoints.restore import CONFIG_NAME
from easymtl.checkpoints.same_data import DataIdentity
from easymtl.checkpoints.saved_averages import STATE
from easymtl.checkpoints.weights import Weights
from easymtl.config import Config, view
from easymtl.data.feed import Batch, Cursor
from easymtl.errors import UserError
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.features.memory import require_training_memory
from easymtl.models.backbone import located
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.averages import continue_averages
from easymtl.training.balancing.choice import balancing_name, make_descent, require_same_balancing
from easymtl.training.diagnosis import bad_step, require_finite_weights
from easymtl.training.ending import is_checkpoint_due, is_over, why_stale
from easymtl.training.evaluations import Evaluations
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.pace import Pace
from easymtl.training.position import position_of
from easymtl.training.precision import dtype_of, settle_precision
from easymtl.training.profile import Profile
from easymtl.training.reports import Reports
from easymtl.training.result import TrainingResult
from easymtl.training.starting_weights import start_training
from easymtl.training.step import StepValues, TrainStep, make_train_step


class Trainer:
    """Trains the model of a config in its model_dir; running it again continues.

    A checkpoint holds weights, optimizer slots, the position in the data and the best evaluation, and all randomness
    is a function of (seed, step), so that a continued training goes on as if it had never stopped.

    A training that is told to stop saves where it is and evaluates nothing: evaluations are made at the steps at which
    an uninterrupted training makes them, because they decide about the best step and the early stop.
    """

    def __init__(
        self,
        config: Config,
        listener: events.Listener,
        is_stopping: Callable[[], bool] = lambda: False,
        new_data: bool = False,
    ):
        """Builds the model, and brings it back from its newest whole checkpoint if there is one.

        Args:
            config: what to train.
            listener: is told what happens.
            is_stopping: asked before each step and each batch of an evaluation, whether to save and end.
            new_data: whether training data that are not those of the checkpoint are read from their beginning, rather
                than refused.

        Raises:
            UserError: the config or the data and the checkpoint do not fit, or the model_dir cannot be written.
        """
        self.config = config
        self.pipeline = config.pipeline
        self.settings: TrainConfig = config.pipeline.train_config
        self._tell = listener
        self._is_stopping = is_stopping
        require_training_memory(self.pipeline)
        listener(events.Phase("building", "the model"))
        with located(config):
            self.ranker = Ranker(self.pipeline)
        # Of now: the vocabularies are those that the ranker has read, whatever becomes of their files.
        self._meaning = meaning_of(self.pipeline)
        listener(events.Phase("measuring precision"))
        precision = settle_precision(self.pipeline, self.ranker)
        self.settings.mixed_precision = precision.choice
        if precision.reason:
            self._tell(events.Note(f"mixed_precision AUTO: {precision.name}, because {precision.reason}."))
        self._dtype = dtype_of(precision.choice)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        listener(events.Phase("building", "the optimizers"))
        self._descent = make_descent(self.pipeline, self.ranker)
        dense = [*self.ranker.dense_variables, *self._descent.trained]
        self._optimizers = Optimizers(self.settings.optimizer_config, tables, dense)
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self._weights = Weights(self.ranker, self._optimizers)
        self._folder = CheckpointFolder(self.pipeline.model_dir)
        self._cursor: Cursor | None = None
        listener(events.Phase("reading", "the marks of the data files"))
        self._data = DataIdentity.of(self.pipeline)
        self._reports = Reports(self.settings, self.ranker, listener)
        self._evaluations = Evaluations(
            self.pipeline, self.ranker, self._optimizers, self._step, self._dtype, self._reports, listener
        )
        self._data_step = 0
        self._owes_evaluation = False
        self._interim_step: int | None = None
        self._num_examples = 0
        self._restore(new_data)
        self._write_config()

    @property
    def step(self) -> int:
        """Returns the number of updates made."""
        return int(self._step.numpy())

    def _restore(self, new_data: bool) -> None:
        self._tell(events.Phase("reading", "checkpoints"))
        latest, problems = self._folder.settle()
        for problem in problems:
            self._tell(events.Note(problem))
        if latest is None:
            start_training(self.pipeline, self.ranker, self._optimizers, self._tell)
            return
        state = latest.state()
        require_same_balancing(self.pipeline, latest, state)
        has_same_averages = state.get(STATE, {}) == self._optimizers.averaging()
        try:
            self._weights.read(latest.path, with_averages=has_same_averages)
        except UserError:
            require_same_optimizers(self.pipeline, latest, state)
            raise
        require_same_meaning(self.pipeline, latest, state, is_training=True)
        if not has_same_averages:
            continue_averages(self.ranker.parameters, self._optimizers.average_of, latest.path, state)
        self._step.assign(latest.step)
        position = position_of(self.pipeline, self._data, latest, state, new_data)
        self._cursor, self._data_step = position.cursor, position.data_step
        for note in position.notes:
            self._tell(events.Note(note))
        self._evaluations.restore(state, latest.step)
        self._owes_evaluation = state.get("owes_evaluation", False)
        self._interim_step = latest.step if state.get("is_interim") else None
        for note in version_notes(self.pipeline, state):
            self._tell(events.Note(note))
        self._tell(events.Note(f"Continuing from {latest.path}."))

    def _write_config(self) -> None:
        path = Path(self.pipeline.model_dir) / CONFIG_NAME
        try:
            write_text(path, self.config.text())
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {reason(error)}. Check model_dir.") from None
        sweep(path.parent)

    def run(self) -> TrainingResult:
        """Trains to the end of the config and returns what came of it.

        Raises:
            UserError: the data cannot be read, or a loss is not finite; checkpoints are as they were.
        """
        source = TrainingInput(self.pipeline, self.ranker, self._cursor)
        self._reports.start(self.step)
        self._tell(events.Phase("reading", "the first rows"))
        with source.feed as feed, Profile(self.pipeline.model_dir, self.step, self.settings.is_profiling) as profile:
            self._train(source, profile)
            self._cursor = feed.cursor
        self._reports.finish()
        checkpoint = self._finish()
        if not self._is_stopping():
            self._evaluations.finish(self.step)
        if self._num_examples:
            self._reports.labels(self.step, source)
        best = self._evaluations.best
        return TrainingResult(
            self.step,
            checkpoint,
            best.step if best.value is not None else None,
            self._evaluations.metrics,
            self._num_examples,
            source.tally.counts,
            source.tally.skipped_rows,
            self._is_stopping(),
            best.text(),
        )

    def dropout_rates(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns what `variational_dropout` has learnt, of the weights that an evaluation has: see `InputLayer`."""
        with self._optimizers.averaged_dense_weights():
            return self.ranker.network.input_layer.dropout_rates()

    def _finish(self) -> Checkpoint:
        """Returns the checkpoint of the last step, evaluated unless the training is only interrupted."""
        checkpoint = self._folder.at(self.step)
        is_evaluated = self._evaluations.step == self.step or not view.eval_input(self.pipeline)
        if checkpoint and (is_evaluated or self._is_stopping()):
            return checkpoint
        return self._save(is_interim=self._is_stopping())

    def _train(self, source: TrainingInput, profile: Profile) -> None:
        feed = source.feed
        pace = Pace(feed, self.step, self.settings.num_steps, self.pipeline.data_config.num_epochs)
        train_step: TrainStep | None = None
        step = self.step
        if self._owes_evaluation:
            self._save()
        if self._evaluations.step == step and self._is_stale(step):
            return
        while not self._is_stopping() and not is_over(self.settings, step) and (batch := next(feed, None)) is not None:
            tensors = to_tensors(batch.rows)
            is_first = train_step is None
            train_step = train_step or self._trace(tensors)
            rates = self._optimizers.learning_rates(step)
            values = StepValues.of(train_step(tensors, np.array(rates, np.float32)))
            step += 1
            if is_first:
                pace.restart()  # The first step was traced, which says nothing of the next ones.
                self._tell(events.Phase("training"))
            self._check_finite(step, values.losses, batch, source)
            self._cursor = batch.cursor
            self._num_examples += batch.rows.num_rows
            source.count(batch)
            self._evaluations.train_on(batch.rows)
            pace.count(batch.rows.num_rows)
            self._reports.step(step, values, rates, pace)
            profile.after(step)
            if is_checkpoint_due(self.settings, step, pace.seconds_since_restart):
                self._save()
                if not self._reports.has_told_labels:
                    self._reports.labels(step, source)
                pace.restart()
                if self._is_stale(step):
                    return
                self._tell(events.Phase("training"))

    def _trace(self, tensors: Mapping[str, np.ndarray]) -> TrainStep:
        self._tell(events.Phase("tracing", "the first step"))
        signature = batch_signature(tensors)
        return make_train_step(
            self.ranker, self._optimizers, self._step, self.settings, self._dtype, signature, self._descent
        )

    def _check_finite(self, step: int, losses: Mapping[str, tf.Tensor], batch: Batch, source: TrainingInput) -> None:
        if not math.isfinite(float(losses["loss"])):
            before = self._cursor
            raise bad_step(self.pipeline, self.ranker, source, batch, before, step, losses, self._dtype)

    def _save(self, is_interim: bool = False) -> Checkpoint:
        """Evaluates, then publishes a checkpoint that knows the result, then removes old ones.

        Args:
            is_interim: of a training that was told to stop where an uninterrupted one saves nothing. It is not
                evaluated, and is removed once there is a newer one.
        """
        step = self.step
        require_finite_weights(self.pipeline, self.ranker.parameters, step)
        has_evaluation = bool(view.eval_input(self.pipeline)) and not is_interim
        self._owes_evaluation = has_evaluation and not self._evaluations.run(step, self._is_stopping)
        state = {
            "cursor": (self._cursor or Cursor()).to_dict(),
            "data": self._data.to_dict(),
            "data_step": self._data_step,
            **self._evaluations.state(),
            "owes_evaluation": self._owes_evaluation,
            "is_interim": is_interim,
            "meaning": self._meaning,
            "balancing": balancing_name(self.pipeline),
            "optimizers": optimizers_of(self.pipeline),
            STATE: self._optimizers.averaging(),
        }
        self._tell(events.Phase("saving", f"step {step:,}"))
        checkpoint = self._folder.at(step)
        if checkpoint:
            self._folder.rewrite_state(checkpoint, state)
        else:
            checkpoint = self._folder.save(step, self._weights, state)
        best = self._evaluations.best
        protected = [] if best.value is None else [best.step]
        superseded = [self._interim_step] if self._interim_step not in (None, step) else []
        self._folder.prune(self.settings.keep_checkpoint_max, protected, superseded)
        self._interim_step = step if is_interim else None
        self._tell(events.Saved(step, checkpoint.path, self._is_stopping()))
        return checkpoint

    def _is_stale(self, step: int) -> bool:
        reason_to_stop = why_stale(self.pipeline.export_config, self._evaluations.best, step, self._data_step)
        if reason_to_stop:
            self._tell(events.Note(reason_to_stop))
        return bool(reason_to_stop)
