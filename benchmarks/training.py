"""Training as `easymtl train` does it, from files, in stretches with pauses between them.

A model is traced once and then measured in every round of a benchmark, in turn with other things. When a training
pauses, its feed reads on until its buffers are full; `run` waits for that, so that nothing else is measured meanwhile.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Queue

from benchmarks.workloads import saving_once
from easymtl.config import load_config
from easymtl.training import events
from easymtl.training.trainer import Trainer

LOG_EVERY = 2
WARM_UP = 4
"""Steps at the begin of a stretch that are not measured."""

_LEAST_STEPS = 4

_QUIET_SHARE = 0.1
_QUIET_SECONDS = 0.1
_MOST_SECONDS_TO_QUIET = 15.0


class _Ended(Exception):
    """The benchmark is over: the training is to end where it is, without saving."""


@dataclass
class Stretch:
    """Some steps in a row.

    Attributes:
        num_steps: to be measured, at most.
        seconds: to be measured, about; the number of steps is what is reached first.
        times: when each step began, warm-up included; the last is the end.
        wait_shares: share of the time that steps waited for input, for every `LOG_EVERY` of them.
    """

    num_steps: int
    seconds: float
    times: list[float] = field(default_factory=list)
    wait_shares: list[float] = field(default_factory=list)

    def is_over(self) -> bool:
        """Returns whether enough is measured: whole groups of `LOG_EVERY` steps, so that the waiting is known."""
        measured = len(self.times) - 1 - WARM_UP
        if measured < _LEAST_STEPS or measured % LOG_EVERY:
            return False
        return measured >= self.num_steps or self.times[-1] - self.times[WARM_UP] >= self.seconds

    @property
    def step_seconds(self) -> float:
        """Returns the mean seconds of a step behind the warm-up."""
        return (self.times[-1] - self.times[WARM_UP]) / (len(self.times) - 1 - WARM_UP)

    @property
    def wait_share(self) -> float:
        """Returns the share of waiting behind the warm-up."""
        shares = self.wait_shares[WARM_UP // LOG_EVERY :]
        return sum(shares) / len(shares)


class PausedTraining:
    """A training that runs when it is told to.

    Attributes:
        batch_size: rows of a step.
    """

    def __init__(self, config: str, overrides: Sequence[str]):
        """Builds the model and makes the first steps, which trace it."""
        self._folder = tempfile.TemporaryDirectory()
        settings = [*overrides, *saving_once(self._folder.name, LOG_EVERY), "eval_input_path="]
        self._config = load_config(config, settings)
        self.batch_size = self._config.pipeline.data_config.batch_size
        self._stretch: Stretch | None = None
        self._error: BaseException | None = None
        self._orders: Queue[Stretch | None] = Queue()
        self._done: Queue[Stretch | None] = Queue()
        self._thread = threading.Thread(target=self._run, name="paused-training", daemon=True)
        self._thread.start()
        self.run(1, 0.0)

    def run(self, num_steps: int, seconds: float) -> Stretch:
        """Trains a stretch, and waits until the feed is at rest.

        Raises:
            RuntimeError: the data have come to their end.
        """
        self._orders.put(Stretch(num_steps, seconds))
        stretch = self._done.get()
        if self._error is not None:
            raise self._error
        if stretch is None:
            raise RuntimeError("The training is at the end of its data: more rows are needed for so many steps.")
        wait_for_quiet()
        return stretch

    def close(self) -> None:
        """Ends the training."""
        self._orders.put(None)
        self._thread.join()
        self._folder.cleanup()

    def _run(self) -> None:
        try:
            Trainer(self._config, self._listen, self._before_step).run()
        except _Ended:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._done.put(None)

    def _listen(self, event: events.Event) -> None:
        if isinstance(event, events.Progress) and self._stretch:
            self._stretch.wait_shares.append(event.wait_share)

    def _before_step(self) -> bool:
        """Is asked by the training before each step whether to stop."""
        if self._stretch:
            self._stretch.times.append(time.perf_counter())
            if not self._stretch.is_over():
                return False
            self._done.put(self._stretch)
        self._stretch = self._orders.get()
        if self._stretch is None:
            raise _Ended
        self._stretch.times.append(time.perf_counter())
        return False


def wait_for_quiet() -> None:
    """Returns when this process has come to rest."""
    end = time.perf_counter() + _MOST_SECONDS_TO_QUIET
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_QUIET_SECONDS)
        if time.process_time() - before < _QUIET_SHARE * _QUIET_SECONDS:
            return
