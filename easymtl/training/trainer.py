"""The training of a config from its first step, or from where an earlier run ended, to its last."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.meaning import meaning_of
from easymtl.checkpoints.parts import Parts
from easymtl.checkpoints.same_data import DataIdentity
from easymtl.checkpoints.written_config import write_config
from easymtl.config import Config, view
from easymtl.data.order import Share
from easymtl.errors import UserError
from easymtl.features.encoder import batch_signature
from easymtl.models.backbone import located
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.bad_batches import BadBatches
from easymtl.training.balancing.choice import make_descent
from easymtl.training.begun_steps import BegunSteps, Ended
from easymtl.training.checkpointing import Checkpointing
from easymtl.training.compilation import settle
from easymtl.training.decisions import Decisions
from easymtl.training.devices import runs_ahead
from easymtl.training.diagnosis import require_finite_weights
from easymtl.training.ending import why_stale
from easymtl.training.evaluations import Evaluations
from easymtl.training.growth import Growth, today
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.pace import Pace
from easymtl.training.placed_batches import Tensors
from easymtl.training.profile import Profile
from easymtl.training.remembered import Remembered
from easymtl.training.reports import Reports
from easymtl.training.result import TrainingResult
from easymtl.training.step import TrainStep, make_train_step
from easymtl.training.table_layout import give_up_tables, layout_text, settle_layout, traffic_text


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
        peers: Peers = ONE,
        parts: Parts | None = None,
    ):
        """Builds the model, and brings it back from its newest whole checkpoint if there is one.

        Args:
            config: what to train.
            listener: is told what happens.
            is_stopping: asked before each step and each batch of an evaluation, whether to save and end.
            new_data: whether training data that are not those of the checkpoint are read from their beginning, rather
                than refused.
            peers: the workers that train together, of which this is one. Each of them has a part of the rows, and all
                of them the same weights; the chief writes.
            parts: where parts of data follow each other: those so far, the last of which is what is trained on.

        Raises:
            UserError: the config or the data and the checkpoint do not fit, or the model_dir cannot be written.
        """
        self.config = config
        self.pipeline = config.pipeline
        self.settings: TrainConfig = config.pipeline.train_config
        self._tell = listener
        self._peers = peers
        self._decisions = Decisions(self.settings, peers, is_stopping)
        self._is_stopping = self._decisions.is_stopping
        owners, saving_waits = settle_layout(self.pipeline, peers)
        if saving_waits:
            listener(events.Note(saving_waits))
        listener(events.Phase("building", "the model"))
        with located(config):
            self.ranker = Ranker(self.pipeline, owners)
        # Of now: the vocabularies are those that the ranker has read, whatever becomes of their files.
        meaning = meaning_of(self.pipeline)
        listener(events.Phase("measuring precision"))
        self._dtype = settle(self.pipeline, self.ranker, peers, listener)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        listener(events.Phase("building", "the optimizers"))
        self._descent = make_descent(self.pipeline, self.ranker)
        dense = [*self.ranker.dense_variables, *self._descent.trained]
        table_device = self.ranker.embeddings.device
        self._optimizers = Optimizers(self.settings.optimizer_config, tables, dense, table_device)
        if peers.are_several:
            listener(events.Note(layout_text(self.ranker.embeddings, self._optimizers, peers)))
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        listener(events.Phase("reading", "the marks of the data files"))
        self._reports = Reports(self.settings, self.ranker, listener, peers)
        with peers.signs.doing("opening files"):
            data = DataIdentity.of(self.pipeline, parts.last.name if parts and parts.last else "")
            self._evaluations = Evaluations(
                self.pipeline, self.ranker, self._optimizers, self._step, self._dtype, self._reports, listener, peers
            )
        self._remembered = Remembered(self.pipeline, self._optimizers, self._evaluations, meaning, data, peers, parts)
        self._checkpoints = Checkpointing(
            self.pipeline,
            self.ranker,
            self._optimizers,
            self._step,
            self._remembered,
            listener,
            self._is_stopping,
            is_waiting=bool(saving_waits),
            peers=peers,
        )
        self._bad_batches = BadBatches(
            self.pipeline, self.ranker, self._checkpoints, self._reports, self._dtype, listener, peers
        )
        self._num_examples = 0
        self._has_stopped_early = False
        self._growth = Growth(self.ranker, self._optimizers, listener, peers)
        self._checkpoints.restore(new_data)
        # A part is of the day that it is called by, whenever it is trained on.
        day = parts.last.day if parts and parts.last else None
        self._growth.begin(self.step, today() if day is None and self._remembered.cursor is None else day)
        if peers.is_chief:
            write_config(config)

    @property
    def step(self) -> int:
        """Returns the number of updates made."""
        return int(self._step.numpy())

    def run(self, when_steps_end: Callable[[], None] = lambda: None) -> TrainingResult:
        """Trains to the end of the config and returns what came of it.

        Args:
            when_steps_end: called where steps were made and none follows, unless the training was told to stop.

        Raises:
            UserError: the data cannot be read, or a loss is not finite; checkpoints are as they were.
        """
        share = Share(self._peers.index, self._peers.size)
        with self._peers.signs.doing("opening files"):
            source = TrainingInput(self.pipeline, self.ranker, self._remembered.cursor, share)
        self._reports.start(self.step, source.expected_steps(self._remembered.data_step))
        self._reports.cache(source.feed.cache)
        self._tell(events.Phase("reading", "the first rows"))
        profiling = Profile(self.pipeline.model_dir, self.step, self.settings.is_profiling)
        reading = self._peers.signs.follow(lambda: source.feed.num_encoded)
        with reading, source.feed, profiling as profile, self._checkpoints as checkpoints:
            checkpoints.begin(self.step)
            self._train(source, profile)
        if self._num_examples and not self._is_stopping():
            when_steps_end()
        self._reports.finish()
        for text in self._growth.summary():
            self._tell(events.Note(text))
        checkpoint = self._finish()
        if not self._is_stopping():
            self._evaluations.finish(self.step)
        if self._num_examples:
            self._reports.labels(self.step, source)
        best, counted = self._evaluations.best, source.of_all(self._peers)
        return TrainingResult(
            self.step,
            checkpoint,
            best.step if best.value is not None else None,
            self._evaluations.metrics,
            self._num_examples,
            counted.counts,
            counted.skipped_rows,
            self._is_stopping(),
            best.text(),
            self._has_stopped_early,
        )

    def dropout_rates(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns what `variational_dropout` has learnt, of the weights that an evaluation has: see `InputLayer`."""
        with self._optimizers.averaged_dense_weights():
            return self.ranker.network.input_layer.dropout_rates()

    def give_up_tables(self) -> None:
        """Frees the memory of tables and of what their optimizer keeps: what was saved is all that there is of them."""
        give_up_tables(self.ranker.embeddings, self._optimizers)

    def _finish(self) -> Checkpoint:
        """Returns the checkpoint of the last step, evaluated unless the training is only interrupted."""
        checkpoint = self._checkpoints.at(self.step)
        is_evaluated = self._evaluations.step == self.step or not view.eval_input(self.pipeline)
        if checkpoint and (is_evaluated or self._is_stopping()):
            return checkpoint
        self._save(is_interim=self._is_stopping(), is_last=True)
        checkpoint = self._checkpoints.at(self.step)
        assert checkpoint
        return checkpoint

    def _train(self, source: TrainingInput, profile: Profile) -> None:
        pace = Pace(source.feed, self.step, self.settings.num_steps, self.pipeline.data_config.num_epochs)
        made = self.step
        if self._remembered.owes_evaluation:
            self._save()
        if self._evaluations.step == made and self._is_stale(made):
            return
        self._decisions.begin()
        rates = self._optimizers.learning_rates
        of_steps = (source, pace, self._decisions, self._checkpoints, self._growth, rates)
        steps = BegunSteps(*of_steps, self._trace, self._began, self._peers)
        try:
            while (ended := steps.next(made)) and ended.num_rows:
                self._decisions.after_step(ended.answer)
                # Where several workers go on with a checkpoint they all speak, and no step is on its way meanwhile.
                if not (self._peers.are_several and steps.num_begun):
                    self._checkpoints.poll(self._decisions.num_written)
                if ended.answer.is_refused:
                    self._refused(ended, source, steps)
                    made = self.step
                    continue
                made = ended.begun.number
                self._made(ended, source, pace, profile)
                if not steps.num_begun and self._decisions.is_checkpoint_due(made, pace.seconds_since_restart):
                    self._save()
                    self._decisions.saved()
                    if not self._reports.has_told_labels:
                        self._reports.labels(made, source)
                    pace.restart()
                    if self._is_stale(made):
                        return
                    self._tell(events.Phase("training"))
        except UserError:
            # Of a row that cannot be read, perhaps: the step before it was made.
            if (last := steps.end()) and last.num_rows and not last.answer.is_refused:
                self._made(last, source, pace, profile)
            raise

    def _began(self, tensors: Tensors) -> None:
        if self._peers.are_several:
            self._tell(events.Note(traffic_text(self.ranker, tensors, self._peers)))
        self._tell(events.Phase("training"))

    def _refused(self, ended: Ended, source: TrainingInput, steps: BegunSteps) -> None:
        steps.refused()
        begun = ended.begun
        self._bad_batches.meet(begun.number, begun.values.losses, begun.batch, source)
        self._growth.refused(self.step)

    def _made(self, ended: Ended, source: TrainingInput, pace: Pace, profile: Profile) -> None:
        """Counts and tells of a step that was made."""
        step, batch = ended.begun.number, ended.begun.batch
        self._remembered.refusals.sound()
        self._remembered.cursor = batch.cursor
        self._growth.keep()
        self._num_examples += ended.num_rows
        source.count(batch)
        self._evaluations.train_on(batch.rows)
        pace.count(ended.num_rows, batch.progress)
        self._reports.step(step, ended.begun.values, ended.begun.rates, pace)
        profile.after(step)

    def _trace(self, tensors: Tensors) -> TrainStep:
        self._tell(events.Phase("tracing", "the first step"))
        model, signature, is_ahead = (self.ranker, self._optimizers), batch_signature(tensors), runs_ahead(self.ranker)
        step = make_train_step(
            *model, self._step, self.settings, self._dtype, signature, self._descent, self._peers, is_ahead
        )
        step.traced(self.step)
        return step

    def _save(self, is_interim: bool = False, is_last: bool = False) -> None:
        """Evaluates, then publishes a checkpoint that knows the result, then removes old ones.

        Args:
            is_interim: of a training that was told to stop where an uninterrupted one saves nothing. It is not
                evaluated, and is removed once there is a newer one.
            is_last: no step follows.
        """
        # What is told of the checkpoint before comes before what is told of this one.
        self._checkpoints.wait()
        step = self.step
        require_finite_weights(self.pipeline, self.ranker.parameters, step, self._peers)
        has_evaluation = bool(view.eval_input(self.pipeline)) and not is_interim
        owes = has_evaluation and not self._evaluations.run(step, self._decisions.ask)
        self._remembered.owes_evaluation = owes
        self._checkpoints.save(step, is_interim, is_last)

    def _is_stale(self, step: int) -> bool:
        best, metrics = self._evaluations.best, self._evaluations.metrics
        reason_to_stop = why_stale(self.pipeline, best, metrics, step, self._remembered.data_step)
        if reason_to_stop:
            self._tell(events.Note(reason_to_stop))
        self._has_stopped_early = bool(reason_to_stop)
        return self._has_stopped_early
