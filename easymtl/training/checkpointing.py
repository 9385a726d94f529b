"""The checkpoints of a training: its weights, and what it remembers beside them."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.meaning import require_same_meaning, require_same_optimizers
from easymtl.checkpoints.saved_averages import STATE
from easymtl.checkpoints.weights import Weights
from easymtl.checkpoints.written_together import by_chief
from easymtl.errors import UserError
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.averages import continue_averages
from easymtl.training.balancing.choice import require_same_balancing
from easymtl.training.checkpoint_writer import CheckpointWriter
from easymtl.training.delta_saving import DeltaSaving
from easymtl.training.optimizers import Optimizers
from easymtl.training.remembered import Remembered
from easymtl.training.saving import Saving, SavingTogether
from easymtl.training.starting_weights import start_training


class Checkpointing:
    """The checkpoints of one training: where it goes on from, and what it leaves.

    A checkpoint that is written beside the steps is told, and what is wrong with it raised, where it is waited for: as
    soon as a step finds that it is done, before the next evaluation, and where the `with` statement ends. Only one is
    written at a time, and nothing here reads checkpoints meanwhile.

    Attributes:
        remembered: what the training knows beside its weights.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ranker: Ranker,
        optimizers: Optimizers,
        step: tf.Variable,
        remembered: Remembered,
        listener: events.Listener,
        is_stopping: Callable[[], bool],
        is_waiting: bool,
        peers: Peers = ONE,
    ):
        """Reads and writes nothing yet.

        Args:
            pipeline: the config.
            ranker: its weights are kept.
            optimizers: their slots and averages are.
            step: int64 scalar, number of updates made.
            remembered: is kept beside them.
            listener: is told what happens.
            is_stopping: whether the training ends with what is being done, for who is told.
            is_waiting: whether steps wait while a checkpoint is written, for there is no room for a copy.
            peers: the workers that train together. The chief reads what is there first and writes for all of them, who
                see its folder.
        """
        self.remembered = remembered
        self._pipeline, self._ranker, self._optimizers, self._step = pipeline, ranker, optimizers, step
        self._tell = listener
        self._weights = Weights(ranker, optimizers)
        # All workers write what they have of tables that are dealt out; else the chief writes.
        are_all_writing = ranker.embeddings.are_dealt_out
        self._is_writing = are_all_writing or peers.is_chief
        owners = peers if are_all_writing else ONE
        self._deltas = DeltaSaving(pipeline.train_config, ranker, optimizers, listener, owners)
        # What is large takes longer to be read than a worker may be silent.
        self._beat = peers.signs.tick
        self._folder = CheckpointFolder(pipeline.model_dir, self._beat)
        self._interim_step: int | None = None
        self._is_stopping = is_stopping
        self._is_waiting = is_waiting or not pipeline.train_config.save_asynchronously
        self._saving = SavingTogether(self._folder, peers) if are_all_writing else Saving()
        keep_max = pipeline.train_config.keep_checkpoint_max
        self._writer = CheckpointWriter(self._folder, self._weights, self._deltas, self._saving, keep_max, owners)
        self._peers = peers

    def __enter__(self) -> "Checkpointing":
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Waits for what is being written.

        Raises:
            UserError: it could not be written.
        """
        try:
            if kind is None:
                self.wait()
        finally:
            self._saving.close()
        if kind is None:
            self._peers.agree(True)

    def restore(self, new_data: bool) -> None:
        """Brings the training back from its newest whole checkpoint; without one it begins.

        Args:
            new_data: whether training data that are not those of the checkpoint are read from their beginning, rather
                than refused.

        Raises:
            UserError: the config or the data and the checkpoint do not fit.
        """
        self._tell(events.Phase("reading", "checkpoints"))
        with self._peers.signs.doing("reading checkpoints"):
            self._restore(new_data)

    def _restore(self, new_data: bool) -> None:
        latest = self._settle()
        if latest is None:
            self.remembered.follow({}, self._folder.path)
            is_writing = self._peers.is_chief
            start_training(self._pipeline, self._ranker, self._optimizers, self._tell, is_writing, self._beat)
            return
        state = latest.state()
        self.remembered.follow(state, latest.path)
        require_same_balancing(self._pipeline, latest, state)
        try:
            self._take(latest, state)
        except UserError:
            require_same_optimizers(self._pipeline, latest, state)
            raise
        require_same_meaning(self._pipeline, latest, state, is_training=True)
        notes = self.remembered.go_on(latest, state, new_data)
        # A run that was killed right behind publishing it has removed nothing, and perhaps no step is left to save.
        by_chief(self._peers, lambda: self._writer.remove_old(state, self._folder.interim_before(latest.step)))
        for note in [*notes, *version_notes(self._pipeline, state), f"Continuing from {latest.path}."]:
            self._tell(events.Note(note))

    def go_back(self) -> Checkpoint:
        """Brings the newest whole checkpoint back, but for the position in the data and the counts of refused steps.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        self.wait()
        with self._peers.signs.doing("reading checkpoints"):
            latest = self._settle()
            if latest is None:
                text = "there is no checkpoint to go back to: somebody has removed them."
                raise UserError(f"{self._folder.path}: {text}")
            self._take(latest, latest.state())
        return latest

    def _settle(self) -> Checkpoint | None:
        """Returns the newest whole checkpoint, as the chief sees it."""
        latest, problems = self._folder.settle() if self._peers.is_chief else (None, [])
        for problem in problems:
            self._tell(events.Note(problem))
        [step, *_] = self._peers.share(latest and latest.step)
        return None if step is None else self._folder.of(step)

    def _take(self, latest: Checkpoint, state: Mapping[str, Any]) -> None:
        """Overwrites weights, slots, averages, the step and what evaluations have found with those of a checkpoint."""
        has_same_averages = state.get(STATE, {}) == self._optimizers.averaging()
        self._weights.read(latest.path, has_same_averages, self._beat)
        if not has_same_averages:
            continue_averages(self._ranker.parameters, self._optimizers.average_of, latest.path, state)
        self._step.assign(latest.step)
        self.remembered.go_back(latest, state)
        self._deltas.restore(latest, state, has_same_averages)
        self._interim_step = latest.step if state.get("is_interim") else None

    def begin(self, step: int) -> None:
        """Saves where a training begins, if it may have to go back there; it is removed once there is a newer one.

        Raises:
            UserError: it could not be written.
        """
        if not self.remembered.refusals.needs_checkpoint or self._peers.share(bool(self._folder.all()))[0]:
            return
        self._tell(events.Phase("saving", f"step {step:,}"))
        state = self.remembered.state(is_interim=True)
        if self._is_writing:
            self._writer.begin(step, state, is_interim=True, superseded=[], is_beside=False)
            checkpoint = self._saving.finish()
            assert checkpoint
            self._deltas.saved(checkpoint)
        self._interim_step = step

    @property
    def has_written(self) -> bool:
        """Returns whether this worker has done what it does of a checkpoint, where all write beside their steps."""
        return self._saving.has_written

    def are_all_done(self, num_written: int) -> bool:
        """Returns whether several workers are done with a stage of a checkpoint, so that `poll` speaks to all of them.

        Args:
            num_written: how many workers `has_written`, as all of them know.
        """
        return self._peers.are_several and self._saving.are_all_done(num_written)

    def poll(self, num_written: int = 0) -> None:
        """Tells of a checkpoint whose writing has come to its end; waits for none.

        Args:
            num_written: how many workers `has_written`, as all of them know.

        Raises:
            UserError: it could not be written.
        """
        if self._saving.are_all_done(num_written):
            self._published(self._saving.go_on())

    def wait(self) -> None:
        """Waits for the checkpoint that is being written, if one is, and tells of it.

        Raises:
            UserError: it could not be written; those before it are as they were.
        """
        if self._saving.is_busy:
            self._tell(events.Phase("saving", "the checkpoint before"))
        with self._peers.signs.doing("saving"):
            checkpoint = self._saving.finish()
        self._published(checkpoint)

    def _published(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint:
            self._deltas.saved(checkpoint)
            self._tell(events.Saved(checkpoint.step, checkpoint.path, self._is_stopping()))

    def at(self, step: int) -> Checkpoint | None:
        """Returns the checkpoint of a step, as the chief sees it; all workers have to ask."""
        is_there = self._peers.share(self._folder.at(step) is not None)[0]
        return self._folder.of(step) if is_there else None

    def save(self, step: int, is_interim: bool, is_last: bool) -> None:
        """Publishes a checkpoint, or what it says anew where its weights are there; then removes old ones.

        Steps wait for no more than a copy of the weights, if there is room for one: see `wait`.

        Args:
            step: updates made.
            is_interim: of a training that was told to stop where an uninterrupted one saves nothing: it is removed once
                there is a newer one.
            is_last: whether no step follows, so that it is waited for anyway.

        Raises:
            UserError: it, or the one before it, could not be written; those before are as they were.
        """
        self.wait()
        self._tell(events.Phase("saving", f"step {step:,}"))
        state = self.remembered.state(is_interim)
        superseded = [self._interim_step] if self._interim_step not in (None, step) else []
        self._interim_step = step if is_interim else None
        earlier = self.at(step)
        if not self._is_writing:
            return
        if earlier:
            self._writer.rewrite(earlier, state, is_interim, superseded)
            self._published(earlier)
            return
        is_beside = not (is_last or self._is_waiting)
        self._writer.begin(step, state, is_interim, superseded, is_beside)
        if not is_beside:
            self._published(self._saving.finish())
