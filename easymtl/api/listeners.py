"""Who is told what happens in a training, and who may ask it to stop."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from easymtl.errors import StopTraining

if TYPE_CHECKING:
    from easymtl.training.events import Event, Listener


class Stop(Protocol):
    """What may ask a training to save and end; it is listened to inside of a `with` statement."""

    def __enter__(self) -> object:
        """Begins to listen."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""

    def is_received(self) -> bool:
        """Returns whether it has been asked."""


def to_each(listeners: Sequence["Listener"]) -> "Listener":
    """Returns a listener that tells each of several, in their order."""

    def listener(event: "Event") -> None:
        for listen in listeners:
            listen(event)

    return listener


class Callbacks:
    """Hands events to callbacks, and asks the training to stop when one of them raises `StopTraining`."""

    def __init__(self, callbacks: Sequence["Listener"]):
        self._callbacks = callbacks
        self._is_received = False

    def __enter__(self) -> "Callbacks":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Has nothing to give back."""

    def __call__(self, event: "Event") -> None:
        """Tells each of them, also those behind one that stops the training."""
        for callback in self._callbacks:
            try:
                callback(event)
            except StopTraining:
                self._is_received = True

    def is_received(self) -> bool:
        """Returns whether one has asked to stop."""
        return self._is_received
