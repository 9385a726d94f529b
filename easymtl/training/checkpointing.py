"""What a training remembers beside its weights, and the checkpoints that hold both."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.meaning import optimizers_of, require_same_meaning, require_same_optimizers
from easymtl.checkpoints.parts import STATE as PARTS
from easymtl.checkpoints.parts import Parts
from easymtl.checkpoints.same_data import DataIdentity
from easymtl.checkpoints.saved_averages import STATE
from easymtl.checkpoints.weights import Weights
from easymtl.data.feed import Cursor
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.averages import continue_averages
from easymtl.training.balancing.choice import balancing_name, require_same_balancing
from easymtl.training.evaluations import Evaluations
from easymtl.training.optimizers import Optimizers
from easymtl.training.position import position_of
from easymtl.training.starting_weights import start_training


class Checkpointing:
    """The checkpoints of one training: where it goes on from, and what it leaves.

    Attributes:
        cursor: the place in the training data behind the last update; None at their beginning.
        data_step: updates that had been made when these data were begun.
        owes_evaluation: whether the newest checkpoint was to be evaluated, and the training was told to stop meanwhile.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ranker: Ranker,
        optimizers: Optimizers,
        step: tf.Variable,
        evaluations: Evaluations,
        meaning: Mapping[str, Any],
        data: DataIdentity,
        listener: events.Listener,
        parts: Parts | None = None,
    ):
        """Reads and writes nothing yet.

        Args:
            pipeline: the config.
            ranker: its weights are kept.
            optimizers: their slots and averages are.
            step: int64 scalar, number of updates made.
            evaluations: what they have found is kept.
            meaning: what rows and columns of the model mean, of when it was made: see `meaning_of`.
            data: the training data that are there now.
            listener: is told what happens.
            parts: those that were trained on, and the one that these data are; None for those of the checkpoint.
        """
        self.cursor: Cursor | None = None
        self.data_step = 0
        self.owes_evaluation = False
        self._pipeline, self._ranker, self._optimizers, self._step = pipeline, ranker, optimizers, step
        self._evaluations, self._data, self._tell = evaluations, data, listener
        self._meaning = meaning
        self._parts = parts
        self._weights = Weights(ranker, optimizers)
        self._folder = CheckpointFolder(pipeline.model_dir)
        self._interim_step: int | None = None

    def restore(self, new_data: bool) -> None:
        """Brings the training back from its newest whole checkpoint; without one it begins.

        Args:
            new_data: whether training data that are not those of the checkpoint are read from their beginning, rather
                than refused.

        Raises:
            UserError: the config or the data and the checkpoint do not fit.
        """
        self._tell(events.Phase("reading", "checkpoints"))
        latest, problems = self._folder.settle()
        for problem in problems:
            self._tell(events.Note(problem))
        if latest is None:
            if self._parts:
                self._parts.require_next_of(None, self._folder.path)
            start_training(self._pipeline, self._ranker, self._optimizers, self._tell)
            return
        state = latest.state()
        there = Parts.from_state(state)
        if self._parts:
            self._parts.require_next_of(there, latest.path)
        self._parts = self._parts or there
        require_same_balancing(self._pipeline, latest, state)
        has_same_averages = state.get(STATE, {}) == self._optimizers.averaging()
        try:
            self._weights.read(latest.path, with_averages=has_same_averages)
        except UserError:
            require_same_optimizers(self._pipeline, latest, state)
            raise
        require_same_meaning(self._pipeline, latest, state, is_training=True)
        if not has_same_averages:
            continue_averages(self._ranker.parameters, self._optimizers.average_of, latest.path, state)
        self._step.assign(latest.step)
        position = position_of(self._pipeline, self._data, latest, state, new_data)
        self.cursor, self.data_step = position.cursor, position.data_step
        self._evaluations.restore(state, latest.step)
        self.owes_evaluation = state.get("owes_evaluation", False)
        self._interim_step = latest.step if state.get("is_interim") else None
        for note in [*position.notes, *version_notes(self._pipeline, state), f"Continuing from {latest.path}."]:
            self._tell(events.Note(note))

    def at(self, step: int) -> Checkpoint | None:
        """Returns the checkpoint of a step."""
        return self._folder.at(step)

    def save(self, step: int, is_interim: bool, is_stopping: bool) -> Checkpoint:
        """Publishes a checkpoint, or what it says anew where its weights are there; then removes old ones.

        Args:
            step: updates made.
            is_interim: of a training that was told to stop where an uninterrupted one saves nothing: it is removed once
                there is a newer one.
            is_stopping: whether the training ends with it, for who is told.

        Raises:
            UserError: it could not be written; those before it are as they were.
        """
        self._tell(events.Phase("saving", f"step {step:,}"))
        state = self._state(is_interim)
        checkpoint = self._folder.at(step)
        if checkpoint:
            self._folder.rewrite_state(checkpoint, state)
        else:
            checkpoint = self._folder.save(step, self._weights, state)
        best = self._evaluations.best
        protected = [] if best.value is None else [best.step]
        superseded = [self._interim_step] if self._interim_step not in (None, step) else []
        self._folder.prune(self._pipeline.train_config.keep_checkpoint_max, protected, superseded)
        self._interim_step = step if is_interim else None
        self._tell(events.Saved(step, checkpoint.path, is_stopping))
        return checkpoint

    def _state(self, is_interim: bool) -> Mapping[str, Any]:
        return {
            "cursor": (self.cursor or Cursor()).to_dict(),
            "data": self._data.to_dict(),
            "data_step": self.data_step,
            **({PARTS: self._parts.to_dict()} if self._parts else {}),
            **self._evaluations.state(),
            "owes_evaluation": self.owes_evaluation,
            "is_interim": is_interim,
            "meaning": self._meaning,
            "balancing": balancing_name(self._pipeline),
            "optimizers": optimizers_of(self._pipeline),
            STATE: self._optimizers.averaging(),
        }
