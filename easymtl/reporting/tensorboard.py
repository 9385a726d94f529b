"""A training in TensorBoard: curves, histograms and texts, in `model_dir/summaries/train` and `/eval`."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.publishing import reason
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.errors import UserError
from easymtl.reporting import charts
from easymtl.reporting.event_files import EventFile
from easymtl.reporting.names import is_metric, split_result
from easymtl.training import events

FOLDER = "summaries"
_MOST_VALUES = 100_000
_MOST_ROWS = 10_000


class Summaries:
    """A listener of training that writes what TensorBoard shows. A continued training adds to it.

    Losses and metrics have the same tag in the runs `train` and `eval`, so that both are lines of one chart: `loss`,
    `loss/<task>`, where a task has several of them `loss/<task>/<kind>` too, and `<metric>/<task>`.
    """

    def __init__(self, model_dir: str | Path, towers: Sequence[str]):
        """Writes nothing yet.

        Args:
            model_dir: where the folder `summaries` is.
            towers: names of the task towers, by which results are told apart.
        """
        self.path = Path(model_dir) / FOLDER
        self._towers = list(towers)
        self._first_step = 0
        self._files: dict[str, EventFile] = {}
        self._tell: dict[type, Callable[[Any], None]] = {
            events.Started: self._started,
            events.Progress: self._progress,
            events.Summary: self._summary,
            events.GradientConflict: self._conflict,
            events.Evaluated: self._evaluated,
            events.Gates: self._gates,
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
        for file in self._files.values():
            with contextlib.suppress(OSError, tf.errors.OpError):
                file.close()
        self._files.clear()

    def _file(self, run: str) -> EventFile:
        if run not in self._files:
            self._files[run] = EventFile(self.path / run, self._first_step)
        return self._files[run]

    def _started(self, event: events.Started) -> None:
        # A training that goes back goes on in other files: TensorBoard forgets what these have behind the step.
        self.close()
        self._first_step = event.first_step
        config = self.path.parent / CONFIG_NAME
        if config.is_file():
            self._file("train").add(event.first_step, charts.code("config", config.read_text(encoding="utf-8")))

    def _progress(self, event: events.Progress) -> None:
        speed = {"speed/examples_per_second": event.examples_per_second, "speed/input_wait": event.wait_share}
        self._file("train").add_scalars(event.step, speed)

    def _summary(self, event: events.Summary) -> None:
        embedding_rate, dense_rate = event.learning_rates
        values = tagged(event.losses, self._towers)
        values |= {f"weight/{name}": weight for name, weight in event.weights.items()}
        values |= {"learning_rate/embedding": embedding_rate, "learning_rate/dense": dense_rate}
        self._file("train").add_scalars(event.step, values)
        for name, read in event.variables.items():
            self._file("train").add(event.step, charts.histogram(name, sampled(read()).numpy()))

    def _conflict(self, event: events.GradientConflict) -> None:
        cosines = {f"gradient_cosine/{pair}": value for pair, value in event.cosines.items()}
        self._file("train").add_scalars(event.step, cosines)

    def _evaluated(self, event: events.Evaluated) -> None:
        self._file("eval").add_scalars(event.step, tagged(event.metrics, self._towers))
        curves = [charts.pr_curve(f"pr_curve/{name}", counts) for name, counts in event.thresholds.items()]
        if curves:
            self._file("eval").add(event.step, charts.joined(curves))
        norms = {name: np.linalg.norm(read(_MOST_ROWS), axis=1) for name, read in event.tables.items()}
        if norms:
            self._file("train").add(event.step, charts.histograms("embedding_norm", norms))

    def _gates(self, event: events.Gates) -> None:
        means = {f"gate/{gate}/{expert}": mean for gate, of in event.weights.items() for expert, mean in of.items()}
        entropy = {f"gate_entropy/{gate}": value for gate, value in event.entropy.items()}
        self._file("eval").add_scalars(event.step, means | entropy)
        counts = [charts.histogram_of_gate(f"gate/{gate}", found) for gate, found in event.counts.items()]
        if counts:
            self._file("eval").add(event.step, charts.joined(counts))


def tagged(results: Mapping[str, float], towers: Sequence[str]) -> dict[str, float]:
    """Returns losses and metrics by their tags in TensorBoard: `auc/click`, `loss`, `loss/click`.

    Args:
        results: `<metric or loss>_<tower>`, and what belongs to no tower.
        towers: names of the task towers.
    """
    tags: dict[str, float] = {}
    losses: dict[str, dict[str, float]] = {}
    for name, value in results.items():
        kind, tower = split_result(name, towers)
        if tower is None:
            tags[name] = value
        elif is_metric(kind):
            tags[f"{kind}/{tower}"] = value
        else:
            losses.setdefault(tower, {})[kind] = value
    for tower, found in losses.items():
        tags[f"loss/{tower}"] = sum(found.values())
        if len(found) > 1:
            tags |= {f"loss/{tower}/{kind}": value for kind, value in found.items()}
    return tags


def sampled(values: tf.Tensor, most: int = _MOST_VALUES) -> tf.Tensor:
    """Returns at most `most` of the values, evenly spaced, `[n]`."""
    flat = tf.reshape(values, [-1])
    size = int(flat.shape[0])
    if size <= most:
        return flat
    positions = tf.cast(tf.linspace(tf.constant(0.0, tf.float64), float(size - 1), most), tf.int64)
    return tf.gather(flat, positions)
