"""`easymtl train`: read, train, evaluate, checkpoint, export."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.checkpoints.lock import TrainingLock
from easymtl.config import Config, load_config, view
from easymtl.config.starting_weights import has_checkpoint, require_starting_weights
from easymtl.errors import Interrupted, UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.serving.formats.packages import require_packages
from easymtl.serving.warmup_file import require_own_warmup
from easymtl.verbs.data_files import require_files
from easymtl.verbs.overwriting import require_apart_from_training
from easymtl.verbs.start_hints import start_hints
from easymtl.verbs.stop_signals import StopSignals
from easymtl.verbs.tensorflow_start import start_tensorflow

if TYPE_CHECKING:
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole
    from easymtl.training.result import TrainingResult


def run(options: Namespace) -> None:
    """Trains the model of a config, or continues an earlier training in its model_dir.

    Evaluates at every checkpoint, into `eval_result.json`, and exports at the end what `exporter_type` names. SIGTERM
    and Ctrl-C save a checkpoint behind the step that is being made and end the command.

    Raises:
        UserError: the config or the data are wrong, the model_dir cannot be written, or another training is in it.
        Interrupted: Ctrl-C has ended it, and a checkpoint is saved.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    require_apart_from_training(config)
    if not options.continue_train:
        _require_no_checkpoint(config)
    require_starting_weights(config)
    require_own_warmup(config.pipeline)
    if config.pipeline.export_config.exporter_type != "none":
        require_packages(config.pipeline)
    require_files(view.train_input(config.pipeline), view.eval_input(config.pipeline))
    with TrainingLock(config.pipeline.model_dir):
        _train(config, options.new_data)


def _require_no_checkpoint(config: Config) -> None:
    if has_checkpoint(config.pipeline):
        raise UserError(
            f"--continue_train=false: {config.pipeline.model_dir} has checkpoints of an earlier training, which would "
            "go on from the newest. Name another folder, --model_dir ..., or move this one away."
        )


def _train(config: Config, new_data: bool = False) -> None:
    settings = config.pipeline.train_config
    start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
    from easymtl.models.backbone import graph_notes
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole
    from easymtl.reporting.learnt_rates import write_learnt_rates
    from easymtl.reporting.results import Results
    from easymtl.reporting.tensorboard import Summaries
    from easymtl.training.events import Note
    from easymtl.training.hints import Hints
    from easymtl.training.trainer import Trainer
    from easymtl.verbs.exporting import Exporter

    model_dir = Path(config.pipeline.model_dir)
    towers = view.result_rows(config.pipeline)
    output = current()
    open_console = JsonConsole(output) if output.is_json else Console(towers, str(model_dir))
    with open_console as console, Summaries(model_dir, towers) as summaries:
        for note in config.notes:
            console(Note(note))
        results = Results(model_dir)
        exporter = Exporter(config, console.terminal)

        def listener(event) -> None:
            for listen in (console, summaries, results, exporter, hints):
                listen(event)

        hints = Hints(config.pipeline, listener)
        for text in start_hints(config):
            listener(Note(text))

        with StopSignals() as stop:
            trainer = Trainer(config, listener, stop.is_received, new_data)
            for note in graph_notes(config):
                console(Note(note))
            first = trainer.step
            result = trainer.run()
        results.finish(result.counts, result.skipped_rows)
        hints.finish(result)
        if result.is_stopped:
            _tell_stop(console, stop, result)
            return
        if result.step == first:
            console(Note(_is_done(config.pipeline, result)))
        console.summary(result)
        exporter.finish(result, first)
        written = write_learnt_rates(config.pipeline.model_dir, trainer.dropout_rates())
        if written:
            console(Note(f"What variational_dropout has learnt is in {', '.join(map(str, written))}."))


def _tell_stop(console: "Console | JsonConsole", stop: StopSignals, result: "TrainingResult") -> None:
    console.close()
    text = (
        f"Stopped by {stop.name} at step {result.step}, saved in {result.checkpoint.path}. Run the same command again "
        "to go on."
    )
    output = current()
    output.is_unfinished = True
    if output.is_json:
        console.summary(result)
    else:
        say(text, sys.stdout)
    if stop.is_interrupt:
        raise Interrupted


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
