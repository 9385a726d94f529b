"""`easymtl train`: read, train, evaluate, checkpoint, export."""

from argparse import Namespace
from pathlib import Path

from easymtl.config import load_config
from easymtl.verbs.tensorflow_start import start_tensorflow


def run(options: Namespace) -> None:
    """Trains the model of a config, or continues an earlier training in its model_dir.

    Evaluates at every checkpoint. At the end it writes `eval_result.json` and exports what `exporter_type` names.

    Raises:
      UserError: the config or the data are wrong.
    """
    config = load_config(options.pipeline_config, options.overrides)
    settings = config.pipeline.train_config
    start_tensorflow(settings.inter_op_parallelism_threads, settings.intra_op_parallelism_threads)
    from easymtl.reporting.console import Console
    from easymtl.reporting.results import write_result
    from easymtl.reporting.tensorboard import Summaries
    from easymtl.training.trainer import Trainer
    from easymtl.verbs.exporting import Exporter

    model_dir = Path(config.pipeline.model_dir)
    with Console(notes=config.notes) as console:
        summaries = Summaries(model_dir)
        exporter = Exporter(config.pipeline, console)

        def listener(event) -> None:
            console(event)
            summaries(event)
            exporter(event)

        trainer = Trainer(config, listener)
        result = trainer.run()
        write_result(model_dir / "eval_result.json", result)
        exporter.finish(result)
        console.training_summary(result)
