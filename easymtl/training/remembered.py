"""What a training remembers beside its weights: the state of its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.meaning import optimizers_of
from easymtl.checkpoints.parts import STATE as PARTS
from easymtl.checkpoints.parts import Parts
from easymtl.checkpoints.same_data import DataIdentity
from easymtl.checkpoints.saved_averages import STATE as AVERAGES
from easymtl.data.order import Cursor
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.balancing.choice import balancing_name
from easymtl.training.evaluations import Evaluations
from easymtl.training.optimizers import Optimizers
from easymtl.training.position import cursor_state, position_of
from easymtl.training.refusals import Refusals

_REFUSALS = "refusals"


class Remembered:
    """What a training has to know, beside its weights, to go on as if it had never stopped.

    Attributes:
        cursor: the place in the training data behind the last batch; None at their beginning.
        data_step: updates that had been made when these data were begun.
        owes_evaluation: whether the newest checkpoint was to be evaluated, and the training was told to stop meanwhile.
        refusals: the steps that were refused so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        optimizers: Optimizers,
        evaluations: Evaluations,
        meaning: Mapping[str, Any],
        data: DataIdentity,
        peers: Peers = ONE,
        parts: Parts | None = None,
    ):
        """Stands at the beginning.

        Args:
            pipeline: the config.
            optimizers: say which averages there are.
            evaluations: what they have found is kept.
            meaning: what rows and columns of the model mean, of when it was made: see `meaning_of`.
            data: the training data that are there now.
            peers: the workers that train together, each at a place of its own.
            parts: those that were trained on, and the one that these data are; None for those of the checkpoint.
        """
        self.cursor: Cursor | None = None
        self.data_step = 0
        self.owes_evaluation = False
        self.refusals = Refusals(pipeline.train_config)
        self._pipeline, self._optimizers, self._evaluations = pipeline, optimizers, evaluations
        self._meaning, self._data, self._peers, self._parts = meaning, data, peers, parts

    def follow(self, state: Mapping[str, Any], path: Path) -> None:
        """Has the part of data that is to be trained on follow those of a checkpoint.

        Args:
            state: of the checkpoint; empty where there is none.
            path: of it, or of where checkpoints will be.

        Raises:
            UserError: another part is the next one.
        """
        there = Parts.from_state(state)
        if self._parts:
            self._parts.require_next_of(there, path)
        self._parts = self._parts or there

    def go_back(self, latest: Checkpoint, state: Mapping[str, Any]) -> None:
        """Takes over what evaluations had found, and what is owed, given a checkpoint and its state."""
        self._evaluations.restore(state, latest.step)
        self.owes_evaluation = state.get("owes_evaluation", False)

    def go_on(self, latest: Checkpoint, state: Mapping[str, Any], new_data: bool) -> tuple[str, ...]:
        """Takes over the position in the data and the counts of refused steps.

        Args:
            latest: the checkpoint that the training goes on from.
            state: its state.
            new_data: whether training data that are not those of the checkpoint are read from their beginning, rather
                than refused.

        Returns:
            What the user should know of the position, a sentence each.

        Raises:
            UserError: the data and the checkpoint do not fit.
        """
        position = position_of(self._pipeline, self._data, latest, state, new_data, self._peers)
        self.cursor, self.data_step = position.cursor, position.data_step
        self.refusals.restore(state.get(_REFUSALS, {}))
        if self.cursor is None:
            self.refusals.begin_data()
        return position.notes

    def state(self, is_interim: bool) -> Mapping[str, Any]:
        """Returns the state of a checkpoint; all workers have to ask.

        Args:
            is_interim: whether an uninterrupted training would not save it.
        """
        return {
            **cursor_state(self.cursor or Cursor(), self._peers),
            "data": self._data.to_dict(),
            "data_step": self.data_step,
            **({PARTS: self._parts.to_dict()} if self._parts else {}),
            **self._evaluations.state(),
            "owes_evaluation": self.owes_evaluation,
            "is_interim": is_interim,
            _REFUSALS: self.refusals.state(),
            "meaning": self._meaning,
            "balancing": balancing_name(self._pipeline),
            "optimizers": optimizers_of(self._pipeline),
            AVERAGES: self._optimizers.averaging(),
        }
