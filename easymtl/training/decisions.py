"""When a training stops, ends and saves: decided by one worker alone, or by all of them for the same step."""

from collections.abc import Callable

import numpy as np

from easymtl.peers.peers import ENDS, NUM_FLAGS, SAVES, STOPS, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.training.answers import Answer
from easymtl.training.ending import is_late, is_save_due, is_step_due


class Decisions:
    """What is decided on the way of a training.

    Clocks and signals are those of one process. Where several workers make each step together, a worker raises a flag
    before a step and all of them see it with the answer of the step, so that they do the same: any worker may be told
    to stop, and the chief's clock says when to save and when the time is over.
    """

    def __init__(self, settings: TrainConfig, peers: Peers, is_asked: Callable[[], bool]):
        """Decides nothing yet.

        Args:
            settings: when to save and to end.
            peers: the workers.
            is_asked: whether this process is asked to save and end.
        """
        self._settings, self._peers, self._is_asked = settings, peers, is_asked
        self._seen = np.zeros(NUM_FLAGS, bool)

    def is_stopping(self) -> bool:
        """Returns whether to save and end, as of the last answer."""
        return bool(self._seen[STOPS]) if self._peers.are_several else self._is_asked()

    def ask(self) -> bool:
        """Returns the same as of now, where no step is made: all workers have to ask."""
        if self._peers.are_several:
            self._seen[STOPS] |= self._peers.agree(self._is_asked())
        return self.is_stopping()

    def is_over(self, step: int) -> bool:
        """Returns whether no further step is to be made after `step` updates: the last one is, or the time is over."""
        if 0 < self._settings.num_steps <= step:
            return True
        return bool(self._seen[ENDS]) if self._peers.are_several else is_late(self._settings)

    def is_checkpoint_due(self, step: int, seconds: float) -> bool:
        """Returns whether to save after `step` updates, `seconds` after the last time."""
        by_time = bool(self._seen[SAVES]) if self._peers.are_several else is_save_due(self._settings, seconds)
        return by_time or is_step_due(self._settings, step)

    def begin(self) -> None:
        """Begins the steps, the time may be over by now."""
        if self._peers.are_several:
            self._seen[ENDS] = self._peers.agree(self._peers.is_chief and is_late(self._settings))

    def before_step(self, seconds: float) -> None:
        """Raises this worker's flags, `seconds` after the last time that was saved."""
        if not self._peers.are_several:
            return
        assert self._peers.flags is not None
        flags = np.zeros(NUM_FLAGS, np.float32)
        flags[STOPS] = self._is_asked()
        if self._peers.is_chief:
            flags[SAVES], flags[ENDS] = is_save_due(self._settings, seconds), is_late(self._settings)
        self._peers.flags.assign(flags)

    def after_step(self, answer: Answer) -> None:
        """Sees the flags of all workers."""
        if answer.flags is not None:
            self._seen = np.where(np.arange(NUM_FLAGS) == SAVES, answer.flags, answer.flags | self._seen)

    def saved(self) -> None:
        """Tells that a checkpoint was saved, whoever has asked for it."""
        self._seen[SAVES] = False
