"""Writing checkpoints beside the steps: by one process, or by all workers, each what it has of the tables."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.shards import Copiable, Writable, WriteBeside
from easymtl.checkpoints.written_together import AllParts, draft_for_all, problem_of, write_part
from easymtl.errors import UserError
from easymtl.peers.peers import Peers

Publish = Callable[[Writable], Checkpoint]
"""Makes a checkpoint of weights: in any thread, and with no word to other workers."""


class _Thread:
    """Does one piece of work at a time; what goes wrong there is raised where its end is waited for."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "easymtl-save")
        self._running: Future[Any] | None = None

    @property
    def is_busy(self) -> bool:
        """Returns whether it is doing something."""
        return self._running is not None and not self._running.done()

    @property
    def is_done(self) -> bool:
        """Returns whether something has come to its end that nobody has waited for yet."""
        return self._running is not None and self._running.done()

    def begin(self, work: Callable[[], Any], is_beside: bool = True) -> None:
        """Begins to do something; what was begun before has been waited for.

        Args:
            work: is done.
            is_beside: whether by the thread; otherwise it is done now, and waited for in the same way.
        """
        assert self._running is None
        if is_beside:
            self._running = self._executor.submit(work)
            return
        result = work()
        self._running = Future()
        self._running.set_result(result)

    def wait(self) -> Any:
        """Waits for what is being done, and returns its result; None if nothing is.

        Raises:
            Exception: what has gone wrong.
        """
        running, self._running = self._running, None
        return running.result() if running else None

    def close(self) -> None:
        """Waits, and ends the thread. What goes wrong now is left alone: something else has gone wrong before."""
        self._running = None
        self._executor.shutdown()


class Saving:
    """Saves one checkpoint at a time, in a process that has all that is to be written."""

    def __init__(self) -> None:
        self._thread = _Thread()

    @property
    def has_written(self) -> bool:
        """Returns whether this worker is done with what it does of a checkpoint, and the others are to know."""
        return False

    @property
    def is_busy(self) -> bool:
        """Returns whether `finish` would have to wait."""
        return self._thread.is_busy

    def are_all_done(self, num_written: int) -> bool:
        """Returns whether `go_on` is to be called, and waits for nobody.

        Args:
            num_written: how many workers had `has_written` before the last step.
        """
        return self._thread.is_done

    def begin(self, step: int, weights: Copiable, publish: Publish, is_beside: bool) -> None:
        """Begins to save; that before has been finished.

        Args:
            step: updates made.
            weights: what is written.
            publish: makes a checkpoint of what is to be written.
            is_beside: whether steps go on meanwhile: from a copy, then.

        Raises:
            UserError: it could not be written; beside the steps that is raised later.
        """
        self._thread.begin(partial(publish, weights.copied() if is_beside else weights), is_beside)

    def go_on(self) -> Checkpoint | None:
        """Returns the checkpoint if it is published by now.

        Raises:
            UserError: it could not be.
        """
        return self.finish()

    def finish(self) -> Checkpoint | None:
        """Waits until the checkpoint that is on its way is published, and returns it; None if none is.

        Raises:
            UserError: it could not be.
        """
        return self._thread.wait()

    def close(self) -> None:
        """Waits for what is being written, and ends the thread. What goes wrong now is left alone."""
        self._thread.close()


@dataclass
class _OnItsWay:
    """A checkpoint on its way.

    Attributes:
        step: of which it is.
        weights: what is written.
        write_beside: writes what is no tensor, as of the step.
        publish: what the chief does with the parts of all workers.
        is_beside: whether steps go on meanwhile.
        are_parts_written: whether it is the chief's turn.
    """

    step: int
    weights: Copiable
    write_beside: WriteBeside
    publish: Publish
    is_beside: bool
    are_parts_written: bool = False


class SavingTogether(Saving):
    """Saves one checkpoint at a time: all write their parts, then the chief publishes what they have written.

    Threads write, and never speak to other workers: operations of all workers have one order, which is that of the main
    threads. A worker that is done with a stage says so with a flag of the next step (`has_written`). Behind the step in
    which all of them have, each goes on to the next stage (`go_on`), so that nobody waits for a disk.
    """

    def __init__(self, folder: CheckpointFolder, peers: Peers):
        """Begins nothing.

        Args:
            folder: where checkpoints are.
            peers: the workers. All of them have to call each method in the same order, but for `has_written`.
        """
        super().__init__()
        self._folder, self._peers = folder, peers
        self._saving: _OnItsWay | None = None

    @property
    def is_busy(self) -> bool:
        """Returns whether a checkpoint is on its way."""
        return self._saving is not None

    @property
    def has_written(self) -> bool:
        """Returns whether this worker is done with its stage and has a word in it: publishing is the chief's."""
        saving = self._saving
        has_word = saving is not None and (self._peers.is_chief or not saving.are_parts_written)
        return has_word and self._thread.is_done

    def are_all_done(self, num_written: int) -> bool:
        """Returns whether the stage is, as many workers having said so; see `Saving`."""
        saving = self._saving
        return saving is not None and num_written == (1 if saving.are_parts_written else self._peers.size)

    def begin(self, step: int, weights: Copiable, publish: Publish, is_beside: bool) -> None:
        """Begins to save, see `Saving`; the chief alone publishes, once all parts are there.

        Raises:
            UserError: the folder could not be made; on all workers.
        """
        assert self._saving is None
        draft = draft_for_all(self._folder, step, self._peers)
        part = weights.own_part(self._peers.index, is_beside)
        # Others have in their part what they write beside it.
        write_beside = weights.writes_beside() if self._peers.is_chief else lambda folder: {}
        self._saving = _OnItsWay(step, weights, write_beside, publish, is_beside)
        self._thread.begin(partial(write_part, part, draft), is_beside)

    def go_on(self) -> Checkpoint | None:
        """Ends a stage, waiting for all workers, and begins the next one.

        Returns:
            The checkpoint if that was the last one, and it is published.

        Raises:
            UserError: a worker could not write, or the chief could not publish; on all workers.
        """
        saving = self._saving
        assert saving
        found = self._peers.share(self._thread.wait())
        if not saving.are_parts_written:
            saving.are_parts_written = True
            if self._peers.is_chief:
                parts = AllParts(found, saving.weights, saving.write_beside)
                self._thread.begin(lambda: problem_of(lambda: saving.publish(parts)), saving.is_beside)
            return None
        self._saving = None
        if found[0] is not None:
            raise UserError(found[0])
        return self._folder.of(saving.step)

    def finish(self) -> Checkpoint | None:
        """Waits until the checkpoint that is on its way is published, and returns it; None if none is.

        Raises:
            UserError: as `go_on` does.
        """
        checkpoint = None
        while self._saving:
            checkpoint = self.go_on()
        return checkpoint

    def close(self) -> None:
        """Waits for what this worker is writing, and ends its thread; what is not published is left to be swept."""
        self._saving = None
        super().close()
