"""Scalars and histograms for TensorBoard, in `model_dir/summaries/train` and `/eval`."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError
from easymtl.reporting.names import split_result
from easymtl.training import events

_MOST_VALUES = 100_000


class Summaries:
    """A listener of training that writes TensorBoard summaries. A continued training adds to them.

    Metrics are tagged `eval/<metric>/<task>`, so that the charts of a metric stand side by side.
    """

    def __init__(self, model_dir: str | Path, towers: Sequence[str]):
        """Writes nothing yet.

        Args:
            model_dir: where the folder `summaries` is.
            towers: names of the task towers, by which results are told apart.
        """
        self.path = Path(model_dir) / "summaries"
        self._towers = list(towers)
        self._first_step = 0
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._tell: dict[type, Callable[[Any], None]] = {
            events.Started: self._started,
            events.Progress: self._progress,
            events.Summary: self._summary,
            events.GradientConflict: self._conflict,
            events.Evaluated: self._evaluated,
        }

    def __enter__(self) -> "Summaries":
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the files."""
        self.close()

    def __call__(self, event: events.Event) -> None:
        """Writes what an event has for TensorBoard.

        Raises:
            UserError: the files cannot be written.
        """
        tell = self._tell.get(type(event))
        if not tell:
            return
        try:
            tell(event)
        except (OSError, tf.errors.OpError) as error:
            raise UserError(f"{self.path}: cannot be written: {reason(error)}. Check model_dir.") from None

    def close(self) -> None:
        """Closes the files; what does not fit on the disk any more is lost, and a training does not end of it."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError, tf.errors.OpError):
                writer.close()
        self._writers.clear()

    def _writer(self, name: str) -> tf.summary.SummaryWriter:
        if name not in self._writers:
            _mark_start(self.path / name, self._first_step)
            self._writers[name] = tf.summary.create_file_writer(str(self.path / name))
        return self._writers[name]

    def _scalars(self, folder: str, step: int, values: Mapping[str, float]) -> None:
        with self._writer(folder).as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def _started(self, event: events.Started) -> None:
        self._first_step = event.first_step

    def _progress(self, event: events.Progress) -> None:
        speed = {"train/examples_per_second": event.examples_per_second, "train/input_wait": event.wait_share}
        self._scalars("train", event.step, speed)

    def _summary(self, event: events.Summary) -> None:
        embedding_rate, dense_rate = event.learning_rates
        values = {f"train/{self._tag(name)}": value for name, value in event.losses.items()}
        values |= {f"train/weight/{name}": weight for name, weight in event.weights.items()}
        values |= {"train/learning_rate/embedding": embedding_rate, "train/learning_rate/dense": dense_rate}
        self._scalars("train", event.step, values)
        with self._writer("train").as_default(event.step):
            for name, read in event.variables.items():
                tf.summary.histogram(name, sampled(read()))
        self._writer("train").flush()

    def _conflict(self, event: events.GradientConflict) -> None:
        self._scalars("train", event.step, {f"gradient_cosine/{pair}": value for pair, value in event.cosines.items()})

    def _evaluated(self, event: events.Evaluated) -> None:
        self._scalars("eval", event.step, {f"eval/{self._tag(n)}": value for n, value in event.metrics.items()})
        self._writer("eval").flush()

    def _tag(self, name: str) -> str:
        kind, tower = split_result(name, self._towers)
        return f"{kind}/{tower}" if tower else kind


def _mark_start(folder: Path, first_step: int) -> None:
    """Tells TensorBoard to forget what an earlier run wrote behind its last checkpoint: those steps are made anew.

    The marker is a file of its own, named a second older than the file it belongs to: TensorBoard goes by names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    session = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    with tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{int(now) - 1}.start-{first_step}")) as file:
        file.write(tf.compat.v1.Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        start = tf.compat.v1.Event(wall_time=now, step=first_step + 1, session_log=session)
        file.write(start.SerializeToString())


def sampled(values: tf.Tensor, most: int = _MOST_VALUES) -> tf.Tensor:
    """Returns at most `most` of the values, evenly spaced, `[n]`."""
    flat = tf.reshape(values, [-1])
    size = int(flat.shape[0])
    if size <= most:
        return flat
    positions = tf.cast(tf.linspace(tf.constant(0.0, tf.float64), float(size - 1), most), tf.int64)
    return tf.gather(flat, positions)
