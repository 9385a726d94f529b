"""Steps that were refused because a number was not finite: what `nan_policy` makes of them, and how often."""

import enum
from collections.abc import Mapping
from typing import Any

from easymtl.protos.train_pb2 import TrainConfig

MOST_IN_A_ROW = 10
"""Batches that SKIP_BATCH leaves out one behind the other: then it is no batch that is wrong."""

MOST_ROLLBACKS = 10
"""Times that ROLLBACK goes back in a training."""

FREE = 20
MOST_SHARE = 0.01
"""Batches that SKIP_BATCH leaves out in all: the first `FREE`, and beyond them this share."""


class Decision(enum.Enum):
    """What becomes of a training whose step was refused."""

    STOP = "stop"
    SKIP = "skip"
    ROLLBACK = "rollback"


class Refusals:
    """The refused steps of a training, counted over all its runs.

    Attributes:
        skipped: batches that were left out.
        in_a_row: of these, those since the last step that was made.
        rollbacks: how often the training went back.
        number: which one the last refused step was, of those that may have been of the same step: from 1 on.
    """

    def __init__(self, settings: TrainConfig):
        self._policy = settings.nan_policy
        self.skipped = self.in_a_row = self.rollbacks = 0
        self.number = 1

    @property
    def needs_checkpoint(self) -> bool:
        """Returns whether there has to be a checkpoint before the first step."""
        return self._policy == TrainConfig.ROLLBACK

    def decide(self, step: int) -> Decision:
        """Counts one more refused step, and returns what becomes of the training.

        Args:
            step: updates made.
        """
        if self._policy == TrainConfig.SKIP_BATCH:
            self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
            self.number = self.in_a_row
            is_rare = self.skipped <= max(FREE, MOST_SHARE * (step + self.skipped))
            return Decision.SKIP if self.in_a_row < MOST_IN_A_ROW and is_rare else Decision.STOP
        if self._policy == TrainConfig.ROLLBACK:
            self.number = self.rollbacks + 1
            if self.rollbacks < MOST_ROLLBACKS:
                self.rollbacks += 1
                return Decision.ROLLBACK
        return Decision.STOP

    def why_stopped(self) -> str:
        """Returns why a training that goes on behind bad batches does not behind this one; empty under STOP."""
        if self._policy == TrainConfig.SKIP_BATCH:
            if self.in_a_row >= MOST_IN_A_ROW:
                return f"nan_policy SKIP_BATCH: {self.in_a_row} batches in a row were refused, so that none is to blame"
            limit = f"more than {FREE}, and than {MOST_SHARE:.0%} of all"
            return f"nan_policy SKIP_BATCH: {self.skipped} batches were refused, which is {limit}"
        if self._policy == TrainConfig.ROLLBACK:
            return f"nan_policy ROLLBACK: training has gone back {self.rollbacks} times before"
        return ""

    def sound(self) -> None:
        """Tells that a step was made."""
        self.in_a_row = 0

    def state(self) -> dict[str, Any]:
        """Returns what `restore` takes."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "rollbacks": self.rollbacks}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over what a checkpoint remembers; nothing, of one of an earlier version."""
        self.skipped, self.in_a_row, self.rollbacks = (
            int(state.get(name, 0)) for name in ("skipped", "in_a_row", "rollbacks")
        )
