"""The thread in which a checkpoint is written while training goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from easymtl.checkpoints.folder import Checkpoint


class SaveThread:
    """Writes one checkpoint at a time; what goes wrong there is raised where its end is waited for."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "easymtl-save")
        self._running: Future[Checkpoint] | None = None

    @property
    def is_done(self) -> bool:
        """Returns whether a checkpoint has come to its end that nobody has waited for yet."""
        return self._running is not None and self._running.done()

    def begin(self, save: Callable[[], Checkpoint]) -> None:
        """Begins to write one; that before it has been waited for."""
        assert self._running is None
        self._running = self._executor.submit(save)

    def wait(self) -> Checkpoint | None:
        """Waits for the one that is being written, and returns it; None if none is.

        Raises:
            Exception: what has gone wrong.
        """
        running, self._running = self._running, None
        return running.result() if running else None

    def close(self) -> None:
        """Waits, and ends the thread. What goes wrong now is left alone: something else has gone wrong before."""
        self._running = None
        self._executor.shutdown()
