"""`easymtl eval`: the metrics of a checkpoint or of a SavedModel, on any data."""

from argparse import Namespace
from pathlib import Path

from easymtl.config import load_config
from easymtl.verbs.tensorflow_start import start_tensorflow


def run(options: Namespace) -> None:
    """Evaluates, prints a table and writes it as JSON.

    Raises:
      UserError: the config, the checkpoint or the data are wrong.
    """
    config = load_config(options.pipeline_config, options.overrides)
    start_tensorflow()
    from easymtl.reporting.console import Console
    from easymtl.reporting.results import write_evaluation
    from easymtl.tasks.task import build_tasks
    from easymtl.training.evaluation import evaluate
    from easymtl.verbs.model_choice import choose_scorer

    with Console(notes=config.notes) as console:
        scorer, step = choose_scorer(config.pipeline, options)
        result = evaluate(config.pipeline, build_tasks(config.pipeline), scorer, options.input)
        console.evaluation(result, step)
        output = Path(options.output or Path(config.pipeline.model_dir) / "eval_result.json")
        write_evaluation(output, result, step)
        console.line(f"Wrote {output}.")
