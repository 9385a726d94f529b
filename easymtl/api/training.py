"""A training from its checks to its export, for commands and for programs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import require_apart_from_training
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.checkpoints.lock import TrainingLock
from easymtl.config import Config, view
from easymtl.config.starting_weights import has_checkpoint, require_starting_weights
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.formats.packages import require_packages
from easymtl.serving.warmup_file import require_own_warmup

if TYPE_CHECKING:
    from easymtl.reporting.console import Console
    from easymtl.training.events import Event, Listener
    from easymtl.training.result import TrainingResult


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


@contextmanager
def ready_to_train(config: Config, continue_train: bool = True) -> Iterator[None]:
    """Checks all that can be checked at once, takes the model_dir for this training and starts TensorFlow.

    Args:
        config: what is to be trained.
        continue_train: whether a training may go on from a checkpoint in the model_dir.

    Raises:
        UserError: the config or the data are wrong, or another training is in the model_dir.
    """
    pipeline = config.pipeline
    require_apart_from_training(config)
    if not continue_train and has_checkpoint(pipeline):
        raise UserError(
            f"--continue_train=false: {pipeline.model_dir} has checkpoints of an earlier training, which would "
            "go on from the newest. Name another folder, --model_dir ..., or move this one away."
        )
    require_starting_weights(config)
    require_own_warmup(pipeline)
    if pipeline.export_config.exporter_type != "none":
        require_packages(pipeline)
    require_files(view.train_input(pipeline), view.eval_input(pipeline))
    with TrainingLock(pipeline.model_dir):
        settings = pipeline.train_config
        start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
        yield


def run_training(
    config: Config, console: "Console", stop: Stop, listeners: Sequence["Listener"] = (), new_data: bool = False
) -> "TrainingResult":
    """Trains to the end, or until it is stopped, and writes what a training leaves in its model_dir.

    Args:
        config: of which `ready_to_train` has approved.
        console: is told first what happens, and says at the end how it went.
        stop: listened to while steps are made; an export at the end is not stopped.
        listeners: are told what happens, too.
        new_data: whether other data than those of the checkpoint are read, from their beginning.

    Raises:
        UserError: the config, the data and the checkpoint do not fit, or something cannot be written.
    """
    from easymtl.api.exporting import Exporter
    from easymtl.models.backbone import graph_notes
    from easymtl.reporting.history import History
    from easymtl.reporting.results import Results
    from easymtl.reporting.tensorboard import Summaries
    from easymtl.training.events import Note
    from easymtl.training.trainer import Trainer

    model_dir = Path(config.pipeline.model_dir)
    with Summaries(model_dir, view.result_rows(config.pipeline)) as summaries, History(model_dir) as history:
        results = Results(model_dir)
        exporter = Exporter(config, console.terminal)
        listener = _to_each([console, summaries, history, results, exporter, *listeners])
        for note in config.notes:
            listener(Note(note))
        with stop:
            trainer = Trainer(config, listener, stop.is_received, new_data)
            for note in graph_notes(config):
                listener(Note(note))
            first = trainer.step
            result = trainer.run()
        results.finish(result.counts, result.skipped_rows)
        if result.is_stopped:
            console.close()
            return result
        if result.step == first:
            listener(Note(_is_done(config.pipeline, result)))
        console.summary(result)
        exporter.finish(result, first)
        _write_learnt_rates(config, trainer.dropout_rates(), listener)
        return result


def _to_each(listeners: Sequence["Listener"]) -> "Listener":
    def listener(event: "Event") -> None:
        for listen in listeners:
            listen(event)

    return listener


def _write_learnt_rates(config: Config, rates: dict, tell: Callable[["Event"], None]) -> None:
    from easymtl.reporting.learnt_rates import write_learnt_rates
    from easymtl.training.events import Note

    written = write_learnt_rates(config.pipeline.model_dir, rates)
    if written:
        tell(Note(f"What variational_dropout has learnt is in {', '.join(map(str, written))}."))


def _is_done(pipeline: Pipeline, result: "TrainingResult") -> str:
    settings, step = pipeline.train_config, result.step
    patience = pipeline.export_config.max_check_steps
    is_stale = result.best_step is not None and step - result.best_step >= patience
    if pipeline.export_config.enable_early_stop and is_stale:
        return f"Nothing is left to train at step {step}: it stopped early. Raise export_config.max_check_steps."
    limit = f"train_config.num_steps is {settings.num_steps}"
    if not 0 < settings.num_steps <= step:
        limit = f"data_config.num_epochs is {pipeline.data_config.num_epochs}, and all of them are read"
    if settings.dead_line:
        limit += f" (dead_line {settings.dead_line})"
    return f"Nothing is left to train at step {step}: {limit}. Raise it to train on."
