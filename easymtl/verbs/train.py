"""`easymtl train`: read, train, evaluate, checkpoint, export."""

from argparse import Namespace
from pathlib import Path

from easymtl.config import load_config, view
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.verbs.data_check import require_files
from easymtl.verbs.tensorflow_start import start_tensorflow


def run(options: Namespace) -> None:
    """Trains the model of a config, or continues an earlier training in its model_dir.

    Evaluates at every checkpoint. At the end it writes `eval_result.json` and exports what `exporter_type` names.

    Raises:
      UserError: the config or the data are wrong.
    """
    config = load_config(options.pipeline_config, options.overrides)
    require_files(view.train_input(config.pipeline), view.eval_input(config.pipeline))
    settings = config.pipeline.train_config
    start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
    from easymtl.reporting.console import Console
    from easymtl.reporting.results import Results
    from easymtl.reporting.tensorboard import Summaries
    from easymtl.training.events import Note
    from easymtl.training.trainer import Trainer
    from easymtl.verbs.exporting import Exporter

    model_dir = Path(config.pipeline.model_dir)
    towers = [tower.tower_name for tower in view.task_towers(config.pipeline)]
    with Console(towers, str(model_dir)) as console, Summaries(model_dir, towers) as summaries:
        for note in config.notes:
            console(Note(note))
        results = Results(model_dir)
        exporter = Exporter(config.pipeline, console.terminal)

        def listener(event) -> None:
            for listen in (console, summaries, results, exporter):
                listen(event)

        trainer = Trainer(config, listener)
        first = trainer.step
        result = trainer.run()
        has_trained = result.step > first
        if not has_trained:
            console(Note(_is_done(config.pipeline, first)))
        results.finish(result.counts)
        console.summary(result)
        exporter.finish(result, has_trained)


def _is_done(pipeline: Pipeline, step: int) -> str:
    settings = pipeline.train_config
    limit = f"train_config.num_steps is {settings.num_steps}"
    if not 0 < settings.num_steps <= step:
        limit = f"data_config.num_epochs is {pipeline.data_config.num_epochs}, and all of them are read"
    if settings.dead_line:
        limit += f" (dead_line {settings.dead_line})"
    return f"Nothing is left to train at step {step}: {limit}. Raise it to train on."
