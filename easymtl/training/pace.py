"""How fast a training goes, and how long it will take."""

import time
from collections.abc import Mapping

from easymtl.data.feed import Feed
from easymtl.training.events import Progress


class Pace:
    """Measures examples per second and the share of time that the step waits for input.

    Time for evaluation and checkpoints is left out: call `restart` behind them.
    """

    def __init__(self, feed: Feed, first_step: int, num_steps: int, num_epochs: int):
        self._feed = feed
        self._progress = feed.progress
        self._num_steps = num_steps
        self._num_epochs = num_epochs
        self._first_share = self._share(first_step)
        self._busy_seconds = 0.0
        self._num_examples = 0
        self._begin = time.perf_counter()
        self._last_save = self._begin
        self._wait_before = feed.wait_seconds

    @property
    def seconds_since_restart(self) -> float:
        """Returns the seconds since `restart`, or since the start."""
        return time.perf_counter() - self._last_save

    def count(self, num_examples: int, progress: float) -> None:
        """Adds the examples of a step, behind which there have been so many passes over the data."""
        self._num_examples += num_examples
        self._progress = progress

    def restart(self) -> None:
        """Leaves the time that has passed outside of what is measured."""
        self._last_save = self._begin = time.perf_counter()
        self._num_examples = 0
        self._wait_before = self._feed.wait_seconds

    def progress(
        self,
        step: int,
        losses: Mapping[str, float],
        rates: tuple[float, float],
        weights: Mapping[str, float] | None = None,
    ) -> Progress:
        """Returns what was measured since the last call."""
        seconds = max(time.perf_counter() - self._begin, 1e-9)
        self._busy_seconds += seconds
        share = self._share(step)
        left = None
        if share is not None and share > (self._first_share or 0.0):
            left = self._busy_seconds * (1.0 - share) / (share - (self._first_share or 0.0))
        event = Progress(
            step=step,
            share=share,
            examples_per_second=self._num_examples / seconds,
            wait_share=min((self._feed.wait_seconds - self._wait_before) / seconds, 1.0),
            losses=losses,
            learning_rates=rates,
            seconds_left=left,
            weights=weights or {},
        )
        self._begin, self._num_examples = time.perf_counter(), 0
        self._wait_before = self._feed.wait_seconds
        return event

    def _share(self, step: int) -> float | None:
        """Returns the share of the training that is done: by steps or by passes over the data, whichever ends it."""
        shares = []
        if self._num_steps:
            shares.append(step / self._num_steps)
        if self._num_epochs:
            shares.append(self._progress / self._num_epochs)
        return min(max(shares), 1.0) if shares else None
