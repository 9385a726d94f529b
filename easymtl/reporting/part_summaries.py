"""Parts of data in TensorBoard: the run `parts`, in which a step is the number of a part."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from easymtl.checkpoints.publishing import reason
from easymtl.errors import UserError
from easymtl.reporting.event_files import EventFile
from easymtl.reporting.tensorboard import FOLDER, tagged
from easymtl.training.events import PartTrained

RUN = "parts"


class PartSummaries:
    """Writes a point for each part; the file is made with the first one."""

    def __init__(self, model_dir: str | Path, towers: Sequence[str], num_trained: int):
        """Writes nothing yet.

        Args:
            model_dir: where the folder `summaries` is.
            towers: names of the task towers, by which results are told apart.
            num_trained: parts that are told; TensorBoard is to forget what a killed process told of a further one.
        """
        self.path = Path(model_dir) / FOLDER / RUN
        self._towers, self._num_trained = list(towers), num_trained
        self._file: EventFile | None = None

    def __call__(self, event: PartTrained) -> None:
        """Writes metrics, means and shares of a part.

        Raises:
            UserError: they cannot be written.
        """
        values = tagged({name: value for name, value in event.metrics.items() if value is not None}, self._towers)
        values |= {f"mean_label/{task}": value for task, value in event.labels.items()}
        values |= {f"mean_score/{task}": value for task, value in event.scores.items()}
        values |= {
            f"share_{kind}/{name}": number / event.rows
            for name, kinds in event.counts.items()
            for kind, number in kinds.items()
            if event.rows
        }
        try:
            self._file = self._file or EventFile(self.path, self._num_trained)
            self._file.add_scalars(event.number, {**values, "rows": event.rows})
        except (OSError, tf.errors.OpError) as error:
            raise UserError(f"{self.path}: cannot be written: {reason(error)}. Check model_dir.") from None

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            with contextlib.suppress(OSError, tf.errors.OpError):
                self._file.close()
            self._file = None
