"""Training on one part, and what a checkpoint says when all of it was trained on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.listeners import to_each
from easymtl.api.training import write_rates
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.parts import STATE, Parts
from easymtl.config import Config, view
from easymtl.errors import UserError
from easymtl.reporting.history import History
from easymtl.reporting.results import Results
from easymtl.reporting.tensorboard import Summaries
from easymtl.training.events import Event, Listener, Note
from easymtl.training.hints import HINTS, EndOfRate, Hints
from easymtl.training.result import TrainingResult
from easymtl.training.trainer import Trainer

if TYPE_CHECKING:
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole

EACH_TIME = ("Continuing from ", "Training on with another ")
"""Beginnings of notes of every part, which the lines around them say better."""


def train_part(
    config: Config,
    parts: Parts,
    console: "Console | JsonConsole",
    is_stopping: Callable[[], bool],
    listeners: Sequence[Listener],
    has_hints: bool,
) -> TrainingResult:
    """Trains on the last part, from its beginning or from where it was interrupted, and writes what a training does.

    Args:
        config: of the training; its `train_input_path` is the part.
        parts: those so far, with this one.
        console: prints what happens.
        is_stopping: asked before each step whether to save and end.
        listeners: are told what happens, too.
        has_hints: whether what a colleague would say is told, as it is of the first part alone.

    Raises:
        UserError: the config, the data and the checkpoint do not fit, or something cannot be written.
    """
    model_dir = Path(config.pipeline.model_dir)
    with Summaries(model_dir, view.result_rows(config.pipeline)) as summaries, History(model_dir) as history:
        results = Results(model_dir)
        tell = _without_repeats(to_each([console, summaries, history, results, *listeners]))
        # More parts come: the end of this one is not that of the training.
        hints = Hints(config.pipeline, tell, [kind for kind in HINTS if kind is not EndOfRate])
        trainer = Trainer(config, to_each([tell, hints]) if has_hints else tell, is_stopping, parts=parts)
        result = trainer.run()
        results.finish(result.counts, result.skipped_rows)
        if has_hints and not result.is_stopped:
            hints.finish(result)
        write_rates(config, trainer.dropout_rates(), tell)
    return result


def _without_repeats(listener: Listener) -> Listener:
    def tell(event: Event) -> None:
        if not (isinstance(event, Note) and event.text.startswith(EACH_TIME)):
            listener(event)

    return tell


def finish_part(model_dir: str | Path, parts: Parts, is_whole: bool = True) -> tuple[Checkpoint, Parts]:
    """Lets the newest checkpoint say that the last part is done with.

    Its weights are those behind the last row. A process that is killed before trains on nothing more of the part, as
    the position is behind it, and comes here again.

    Args:
        model_dir: of the training.
        parts: with the last one begun.
        is_whole: whether all rows of it were trained on; else the rest is left out.

    Raises:
        UserError: the checkpoint could not be written; it is as it was.
    """
    folder = CheckpointFolder(model_dir)
    checkpoint = folder.latest()
    if checkpoint is None:
        raise UserError(f"{folder.path}: the checkpoint of this training is gone. Bring it back, and run again.")
    finished = parts.finished(is_whole)
    state = {name: value for name, value in checkpoint.state().items() if name not in ("files", "checksum")}
    folder.rewrite_state(checkpoint, {**state, STATE: finished.to_dict(), "is_interim": False})
    return checkpoint, finished
