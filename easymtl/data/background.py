"""An iterator that runs ahead in a thread of its own."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Yields the items of an iterator that a thread computes ahead of time.

    The thread begins an item only when fewer than `ahead` items wait, so with `ahead` 1 there are never more than
    two: the one that is being used and the next. An error of the thread is raised at the item it belongs to,
    with its traceback.
    """

    def __init__(self, items: Iterator[Item], ahead: int, name: str):
        """Starts the thread.

        Args:
            items: computed in the thread; closed when it ends.
            ahead: how many items may wait.
            name: the name of the thread.
        """
        self._items = items
        self._ahead = ahead
        self._ready: deque[Item] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._closed)
            if self._ready and not self._closed:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._closed:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        """Tells the thread to end, and drops what waits."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def join(self) -> None:
        """Waits until the thread has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._has_room():
                try:
                    item = next(self._items)
                except StopIteration:
                    break
                self._put(item)
                del item
        except BaseException as error:
            self._error = error
        finally:
            if hasattr(self._items, "close"):
                self._items.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._ready) < self._ahead)
            return not self._closed

    def _put(self, item: Item) -> None:
        with self._changed:
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
