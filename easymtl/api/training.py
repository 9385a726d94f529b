"""A training from its checks to its export, for commands and for programs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.configs import config_of
from easymtl.api.data_files import require_files
from easymtl.api.data_input import Data, data_as_paths, held_tables
from easymtl.api.drafted import DraftedConfig
from easymtl.api.listeners import Callbacks, Stop, to_each
from easymtl.api.overwriting import require_apart_from_training
from easymtl.api.python_words import in_python
from easymtl.api.start_hints import start_hints
from easymtl.api.working_together import ALONE, WAITS, Waits, Worker, as_worker, asked, beats
from easymtl.checkpoints.lock import TrainingLock
from easymtl.checkpoints.publishing import drafted_bytes
from easymtl.config import Config, view
from easymtl.config.arguments import require_functions
from easymtl.config.starting_weights import has_checkpoint, require_starting_weights
from easymtl.data.memory import HeldTable
from easymtl.errors import UserError
from easymtl.peers.signs import Signs
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.formats.packages import require_packages
from easymtl.serving.warmup_file import require_own_warmup

if TYPE_CHECKING:
    from easymtl.api.run import Run
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole
    from easymtl.training.events import Event, Listener
    from easymtl.training.result import TrainingResult


@contextmanager
def ready_to_train(
    config: Config, continue_train: bool = True, waits: Waits = WAITS, new_data: bool = False
) -> Iterator[Worker]:
    """Checks all that can be checked at once, takes the model_dir for this training and starts TensorFlow.

    Of several workers, which `TF_CONFIG` names, the chief takes the model_dir for all; they have met when the block
    begins, and watch over each other while it runs.

    Args:
        config: what is to be trained.
        continue_train: whether a training may go on from a checkpoint in the model_dir.
        waits: how long workers wait for each other.
        new_data: whether other data than those of the checkpoint are to be read; by all workers, or by none.

    Raises:
        UserError: the config or the data are wrong, or another training is in the model_dir.
        PeersError: another worker did not come, or was lost.
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
    command = "train --new_data" if new_data else "train"
    with as_worker(config, command, waits) as worker, worker.alone(TrainingLock(pipeline.model_dir)):
        settings = pipeline.train_config
        worker.start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
        yield worker


def run_training(
    config: Config,
    console: "Console | JsonConsole",
    stop: Stop,
    listeners: Sequence["Listener"] = (),
    new_data: bool = False,
    worker: Worker = ALONE,
) -> "TrainingResult":
    """Trains to the end, or until it is stopped, and writes what a training leaves in its model_dir.

    Args:
        config: of which `ready_to_train` has approved.
        console: is told first what happens, and says at the end how it went.
        stop: listened to while steps are made; an export at the end is not stopped.
        listeners: are told what happens, too.
        new_data: whether other data than those of the checkpoint are read, from their beginning.
        worker: which this process is, as `ready_to_train` says.

    Raises:
        UserError: the config, the data and the checkpoint do not fit, or something cannot be written.
    """
    from easymtl.models.backbone import graph_notes
    from easymtl.training.events import Note
    from easymtl.training.hints import HINTS, Hints
    from easymtl.training.trainer import Trainer

    with ExitStack() as stack:
        kept = stack.enter_context(_Kept(config, console, worker.signs)) if worker.cluster.is_chief else None
        tell = to_each([beats(worker.signs), console, *(kept.listeners if kept else ()), *listeners])
        # All workers see the same, and one of them says it.
        hints = Hints(config.pipeline, tell, HINTS if kept else ())
        listener = to_each([tell, hints])
        for note in (*config.notes, *start_hints(config)) if kept else ():
            listener(Note(note))
        drafts = Path(config.pipeline.model_dir) / "checkpoints"
        stack.enter_context(worker.signs.follow(lambda: drafted_bytes(drafts)))
        with stop:
            trainer = Trainer(config, listener, asked(worker.signs, stop.is_received), new_data, worker.peers())
            for note in graph_notes(config) if kept else ():
                listener(Note(note))
            first = trainer.step
            result = trainer.run(kept.exporter.steps_ended if kept else lambda: None)
        if kept:
            kept.results.finish(result.counts, result.skipped_rows)
        hints.finish(result)
        if result.is_stopped:
            console.close()
            return result
        if result.step == first:
            listener(Note(_is_done(config.pipeline, result)))
        if kept:
            console.summary(result)
            rates = trainer.dropout_rates()
            # An export reads the checkpoint, and the process that proves it has the tables.
            trainer.give_up_tables()
            kept.exporter.finish(result, first)
            write_rates(config, rates, listener)
        return result


class _Kept:
    """What a training writes into its model_dir beside checkpoints; of several workers the chief does it."""

    def __init__(self, config: Config, console: "Console | JsonConsole", signs: Signs):
        from easymtl.api.exporting import Exporter
        from easymtl.reporting.history import History
        from easymtl.reporting.results import Results
        from easymtl.reporting.tensorboard import Summaries

        model_dir = Path(config.pipeline.model_dir)
        self._summaries, self._history = Summaries(model_dir, view.result_rows(config.pipeline)), History(model_dir)
        self.results, self.exporter = Results(model_dir), Exporter(config, console.terminal, signs)
        self._stack = ExitStack()

    def __enter__(self) -> "_Kept":
        """Opens the files."""
        self._stack.callback(self.exporter.close)
        self._stack.enter_context(self._summaries)
        self._stack.enter_context(self._history)
        self.listeners: list[Listener] = [self._summaries, self._history, self.results, self.exporter]
        return self

    def __exit__(self, *error: object) -> None:
        """Closes them, and ends what waits for an export."""
        self._stack.close()


def write_rates(config: Config, rates: dict, tell: Callable[["Event"], None]) -> None:
    """Writes what `variational_dropout` has learnt, if it is there, and tells where to."""
    from easymtl.reporting.learnt_rates import write_learnt_rates
    from easymtl.training.events import Note

    written = write_learnt_rates(config.pipeline.model_dir, rates)
    if written:
        tell(Note(f"What variational_dropout has learnt is in {', '.join(map(str, written))}."))


def _is_done(pipeline: Pipeline, result: "TrainingResult") -> str:
    settings, step = pipeline.train_config, result.step
    if result.has_stopped_early:
        return f"Nothing is left to train at step {step}: it stopped early. Raise export_config.max_check_steps."
    limit = f"train_config.num_steps is {settings.num_steps}"
    if not 0 < settings.num_steps <= step:
        limit = f"data_config.num_epochs is {pipeline.data_config.num_epochs}, and all of them are read"
    if settings.dead_line:
        limit += f" (dead_line {settings.dead_line})"
    return f"Nothing is left to train at step {step}: {limit}. Raise it to train on."


@in_python("model_dir", "continue_train", "new_data")
def train(
    config: Config | str | os.PathLike[str],
    train: Data = None,
    eval: Data = None,
    *,
    model_dir: str | os.PathLike[str] | None = None,
    callbacks: Sequence["Listener"] = (),
    continue_train: bool = True,
    new_data: bool = False,
    verbose: bool = True,
) -> "Run":
    """Trains the model of a config, or goes on with an earlier training in its model_dir.

    It does what `easymtl train` does: evaluates at checkpoints, keeps a history, exports at the end what
    `export_config.exporter_type` names. A model_dir that a table in memory has trained can be evaluated and exported by
    commands, with files.

    Args:
        config: a `Config`, or the path of one.
        train: training data in place of the config's: a DataFrame of pandas or polars, a table of pyarrow, or paths. Of
            the table that `easymtl.init` has divided, the rows that it keeps aside are evaluated on.
        eval: evaluation data in place of the config's.
        model_dir: in place of the config's.
        callbacks: each is called with every event of `easymtl.training.events`. One that raises
            `easymtl.StopTraining` ends the training behind the step that is being made; a checkpoint is saved.
        continue_train: whether to go on from a checkpoint in the model_dir; otherwise there must be none.
        new_data: whether to train on with other data than those of the checkpoint, from their beginning.
        verbose: whether to print what `easymtl train` prints.

    Raises:
        UserError: the config or the data are wrong, or the model_dir is of another model, of other data, or in use.

    Example:
        >>> run = easymtl.train("shop.config", train=rows, eval=rows, model_dir="runs/first", verbose=False)
        >>> run.model_dir.name, run.step
        ('first', 20)
    """
    config = config_of(config, "easymtl.train")
    require_functions("easymtl.train", "callbacks", callbacks)
    data: Mapping[str, Data] = {"train": train, "eval": eval}
    if isinstance(config, DraftedConfig):
        data = config.completed(data)
    if config.pipeline.data_config.input_type == DatasetConfig.DummyInput and (train is not None or eval is not None):
        raise UserError(
            f"{config.where('data_config.input_type')}: data_config.input_type is DummyInput, which makes rows up: the "
            "data would not be read. Leave input_type out, or give no data."
        )
    tables = held_tables(data, config.pipeline)
    with data_as_paths(data, config.pipeline, held=tables) as paths:
        given = {f"{name}_input_path": path for name, path in paths.items()}
        if model_dir is not None:
            given["model_dir"] = os.fspath(model_dir)
        config = config.with_paths(**given)
        with ready_to_train(config, continue_train, new_data=new_data) as worker:
            return _train(config, Callbacks(callbacks), tables, new_data, verbose, worker)


def _train(
    config: Config,
    callbacks: Callbacks,
    tables: Mapping[str, HeldTable],
    new_data: bool,
    verbose: bool,
    worker: Worker,
) -> "Run":
    from easymtl.api.run import Run
    from easymtl.reporting.console import Console
    from easymtl.reporting.terminal import open_terminal, print_line

    terminal = open_terminal()
    terminal.quiet = not verbose
    with Console(view.result_rows(config.pipeline), config.pipeline.model_dir, terminal) as console:
        result = run_training(config, console, callbacks, [callbacks], new_data, worker)
        if result.is_stopped:
            text = f"Stopped by a callback at step {result.step}, saved in {result.checkpoint.path}."
            print_line(console.terminal, text)
        return Run(config, result, tables)
