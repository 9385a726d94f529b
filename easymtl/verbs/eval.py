"""`easymtl eval`: the metrics of a checkpoint or of a SavedModel, on any data."""

import sys
from argparse import Namespace
from pathlib import Path

from easymtl.config import load_config, view
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.outcomes import Evaluation
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.verbs.data_files import require_files
from easymtl.verbs.overwriting import model_folders, require_apart
from easymtl.verbs.tensorflow_start import start_tensorflow


def run(options: Namespace) -> None:
    """Evaluates, prints a table and writes it as JSON.

    `eval_result.json` of the model_dir is that of its latest checkpoint on the config's evaluation data. The best one
    is written to `eval_result_best.json`, that of a step to `eval_result_step_<step>.json`; other data, a SavedModel
    and a checkpoint of another folder only where `--output` says. A choice of tasks is that of the checkpoint, which
    refuses others.

    Raises:
        UserError: the config, the checkpoint or the data are wrong.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    output = options.output or _default_output(config.pipeline, options)
    if output:
        writes = [("--output" if options.output else "The result", output)]
        require_apart(config, writes, {"--input": options.input}, model_folders(config.pipeline, options))
        if Path(output).is_dir():
            raise UserError(f"{output}: cannot be written: it is a folder. Name a file, such as {output}/result.json.")
    require_files(options.input or view.eval_input(config.pipeline))
    start_tensorflow()
    from easymtl.reporting.bars import pass_bar
    from easymtl.reporting.results import flat_counts, write_results
    from easymtl.scoring.evaluation import evaluate
    from easymtl.tasks.build import build_tasks
    from easymtl.training.events import Note
    from easymtl.training.hints import worse_than_chance
    from easymtl.verbs.model_choice import choose_scorer

    pipeline = config.pipeline
    scorer, source, step = choose_scorer(pipeline, options)
    with pass_bar("Evaluating") as tell_progress:
        result = evaluate(pipeline, build_tasks(pipeline), scorer, options.input, tell_progress=tell_progress)
    outcome = Evaluation(
        source,
        step,
        result.metrics,
        result.num_examples,
        result.seconds,
        result.warnings,
        result.counts,
        result.skipped_rows,
        output,
    )
    hints = list(worse_than_chance(pipeline, result.metrics, result.num_examples, step))
    for hint in hints:
        current().tell(Note(hint))
    if not current().is_json:
        _print(pipeline, outcome, hints, is_saved_model=bool(options.saved_model))
    if output:
        oddities = flat_counts(result.counts, result.skipped_rows)
        write_results(output, result.metrics, step, result.num_examples, oddities)
    nothing = "Nothing was written: name a file with --output to keep this result."
    current().result(outcome, lambda: say(f"Wrote {output}" if output else nothing, sys.stdout))


def _print(pipeline: Pipeline, result: Evaluation, hints: list[str], is_saved_model: bool) -> None:
    from easymtl.reporting.formats import counted
    from easymtl.reporting.tables import print_counts, print_metrics
    from easymtl.reporting.terminal import open_terminal, print_line

    terminal = open_terminal()
    title = f"{result.source}: {counted(result.num_examples, 'row')} in {result.seconds:.1f} s"
    towers = view.result_rows(pipeline)
    print_metrics(result.metrics, towers, terminal, title, result.warnings)
    print_counts(result.counts, result.num_examples, result.skipped_rows, terminal)
    if is_saved_model:
        print_line(terminal, "A SavedModel tells no losses and counts no odd values: its checkpoint does.")
    for hint in hints:
        print_line(terminal, hint, "yellow")


def _default_output(pipeline: Pipeline, options: Namespace) -> str:
    """Returns where a result is kept unless `--output` says it; empty where it is kept nowhere."""
    if options.input or options.saved_model:
        return ""
    names = {"latest": "eval_result.json", "best": "eval_result_best.json"}
    if options.checkpoint.isdigit():
        names[options.checkpoint] = f"eval_result_step_{int(options.checkpoint)}.json"
    name = names.get(options.checkpoint)
    return str(Path(pipeline.model_dir) / name) if name else ""
