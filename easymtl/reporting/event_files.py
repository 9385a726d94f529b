"""Event files, as TensorBoard reads them."""

import os
import socket
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

_VERSION = "brain.Event:2"
_NUMBERS = count()


class EventFile:
    """A file of summaries in a folder; the folder is what TensorBoard calls a run."""

    def __init__(self, folder: Path, first_step: int | None = None):
        """Makes the file.

        Args:
            folder: the run; others may have written into it before.
            first_step: of a training that goes on: what an earlier one wrote behind this step is of steps that are
                made anew, and TensorBoard is told to forget it. None leaves everything.

        Raises:
            OSError, tf.errors.OpError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        now = int(time.time())
        if first_step is not None:
            _mark_start(folder, now, first_step)
        name = f"events.out.tfevents.{now}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._write(Event(wall_time=time.time(), file_version=_VERSION))

    def add(self, step: int, summary: Summary) -> None:
        """Writes values of a step; they are in the file when this returns.

        Raises:
            OSError, tf.errors.OpError: they cannot be written.
        """
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes numbers by their tags, see `add`."""
        summary = Summary()
        for tag, value in values.items():
            summary.value.add(tag=tag, simple_value=value)
        self.add(step, summary)

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _write(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()


def _mark_start(folder: Path, now: int, first_step: int) -> None:
    """Tells TensorBoard to forget what was written behind a step.

    The marker is a file of its own, named a second older than the file it belongs to: TensorBoard goes by names.
    """
    with tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{now - 1}.start-{first_step}")) as file:
        file.write(Event(wall_time=now, file_version=_VERSION).SerializeToString())
        start = Event(wall_time=now, step=first_step + 1, session_log=SessionLog(status=SessionLog.START))
        file.write(start.SerializeToString())
