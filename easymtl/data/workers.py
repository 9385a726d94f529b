"""The threads that do the work of a feed: reading, encoding and cutting, what is urgent before the rest."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pyarrow as pa

MOST_THREADS = 8
"""More would hold more blocks in memory, and wait for Python's lock."""


def num_threads() -> int:
    """Returns how many threads a feed has unless it is told: those of Arrow, as long as each has a processor.

    Arrow goes by the processors, too, and by `OMP_NUM_THREADS`, which says what each of several workers on a host gets.
    """
    # Not on every system can a process be kept from some of the processors.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(pa.cpu_count(), allowed, MOST_THREADS)


class Workers:
    """Threads that run functions, in the order in which they are submitted; none may wait for another one.

    Attributes:
        num_threads: how many there are.
        urgent: submits what is run before everything else that waits.
    """

    def __init__(self, threads: int, name: str):
        """Starts the threads.

        Args:
            threads: how many.
            name: begins their names.
        """
        self.num_threads = threads
        self._tasks = _Tasks()
        self.urgent = _Lane(self._tasks, self._tasks.urgent)
        self._usual = _Lane(self._tasks, self._tasks.usual)
        # They know the tasks alone: who drops the workers may end them.
        self._threads = [
            threading.Thread(target=_work, args=(self._tasks,), name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Returns the future result of a function."""
        return self._usual.submit(function, *arguments)

    def close(self) -> None:
        """Drops what waits, and tells the threads to end."""
        self._tasks.close()

    def join(self) -> None:
        """Waits until the threads have ended."""
        for thread in self._threads:
            thread.join()


class _Lane:
    """Submits tasks to one of the two queues."""

    def __init__(self, tasks: "_Tasks", queue: deque):
        self._tasks = tasks
        self._queue = queue

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Returns the future result of a function."""
        future: Future = Future()
        self._tasks.put(self._queue, (future, function, arguments))
        return future


class _Tasks:
    """What waits to be run.

    Attributes:
        urgent: what is run first.
        usual: the rest.
    """

    def __init__(self) -> None:
        self.urgent: deque = deque()
        self.usual: deque = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, queue: deque, task: tuple) -> None:
        """Adds a task; one behind the end is cancelled."""
        with self._changed:
            if not self._closed:
                queue.append(task)
                self._changed.notify()
                return
        task[0].cancel()

    def get(self) -> tuple | None:
        """Returns the next task when there is one, None behind the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.urgent or self.usual)
            if self._closed:
                return None
            return self.urgent.popleft() if self.urgent else self.usual.popleft()

    def close(self) -> None:
        """Cancels all that waits; there will be nothing more."""
        with self._changed:
            self._closed = True
            waiting = [*self.urgent, *self.usual]
            self.urgent.clear()
            self.usual.clear()
            self._changed.notify_all()
        for future, _, _ in waiting:
            future.cancel()


def _work(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        _run(*task)
        # While it waits for the next one, a thread holds nothing of the last.
        del task


def _run(future: Future, function: Callable, arguments: tuple) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(*arguments))
    except BaseException as error:
        future.set_exception(error)
