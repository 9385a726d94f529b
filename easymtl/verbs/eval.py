"""`easymtl eval`: the metrics of a checkpoint or of a SavedModel, on any data."""

import sys
from argparse import Namespace
from pathlib import Path

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import model_folders, require_apart, require_writable
from easymtl.api.working_together import Waits, Worker, as_worker
from easymtl.config import Config, load_config, view
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.outcomes import Evaluation
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.verbs.eval_details import Details


def run(options: Namespace) -> None:
    """Evaluates, prints a table and writes it as JSON.

    `eval_result.json` of the model_dir is that of its latest checkpoint on the config's evaluation data. The best one
    is written to `eval_result_best.json`, that of a step to `eval_result_step_<step>.json`; other data, a SavedModel
    and a checkpoint of another folder only where `--output` says. `--by` adds a table of segments, which is kept beside
    the result, and `--errors` a file of the rows with the largest losses. A choice of tasks is that of the checkpoint,
    which refuses others.

    Raises:
        UserError: the config, the checkpoint or the data are wrong.
        PeersError: another worker of `TF_CONFIG` did not come, or was lost.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    output = options.output or _default_output(config.pipeline, options)
    details = Details.of(options, config.pipeline, output)
    writes = [("--output" if options.output else "The result", output)] if output else []
    require_apart(
        config, [*writes, *details.writes], {"--input": options.input}, model_folders(config.pipeline, options)
    )
    if output and Path(output).is_dir():
        raise UserError(f"{output}: cannot be written: it is a folder. Name a file, such as {output}/result.json.")
    for option, path in [*writes, *details.writes]:
        require_writable(option, path)
    paths = options.input or view.eval_input(config.pipeline)
    require_files(paths)
    data = details.declare(config.pipeline, paths)
    with as_worker(config, f"eval {paths}", Waits(options.join_timeout, options.peer_timeout)) as worker:
        worker.start_tensorflow()
        _evaluate(config, options, output, details, data, worker)


def _evaluate(
    config: Config, options: Namespace, output: str, details: Details, data: Pipeline | None, worker: Worker
) -> None:
    """Evaluates, with the other workers where there are some, of which the chief tells what came of it."""
    from easymtl.api.opening import open_chosen
    from easymtl.reporting.bars import pass_bar
    from easymtl.reporting.results import flat_counts, write_results
    from easymtl.reporting.terminal import open_terminal
    from easymtl.training.events import Note
    from easymtl.training.hints import worse_than_chance

    pipeline = config.pipeline
    peers = worker.peers()
    model = open_chosen(config, options.checkpoint, options.saved_model, peers)
    with pass_bar("Evaluating") as tell_progress:
        result = model.evaluate_files(
            options.input,
            data,
            details.collectors(model.tasks),
            with_uncalibrated=True,
            tell_progress=worker.beating(tell_progress, "evaluating"),
            peers=peers,
        )
    if not worker.cluster.is_chief:
        return
    with worker.signs.doing("writing results"):
        details.write()
    outcome = Evaluation(
        str(model.source),
        model.step,
        result.metrics,
        result.num_examples,
        result.seconds,
        result.warnings,
        result.counts,
        result.skipped_rows,
        output,
        result.uncalibrated,
        details.records(),
        details.errors_output if details.num_errors else "",
    )
    notes = [f"note: {note}" for note in model.notes]
    hints = [*notes, *worse_than_chance(pipeline, result.metrics, result.num_examples, model.step)]
    for hint in hints:
        current().tell(Note(hint))
    if not current().is_json:
        _print(pipeline, outcome, hints, options)
        details.show(open_terminal())
    if output:
        oddities = flat_counts(result.counts, result.skipped_rows)
        before = {f"{name}_before_calibration": value for name, value in result.uncalibrated.items()}
        write_results(output, {**result.metrics, **before}, model.step, result.num_examples, oddities)
    nothing = "Nothing was written: name a file with --output to keep this result."
    current().result(outcome, lambda: say(f"Wrote {output}" if output else nothing, sys.stdout))


def _print(pipeline: Pipeline, result: Evaluation, hints: list[str], options: Namespace) -> None:
    from easymtl.reporting.formats import counted
    from easymtl.reporting.tables import print_counts, print_metrics
    from easymtl.reporting.terminal import open_terminal, print_line

    terminal = open_terminal()
    title = f"{result.source}: {counted(result.num_examples, 'row')} in {result.seconds:.1f} s"
    towers = view.result_rows(pipeline)
    print_metrics(result.metrics, towers, terminal, title, result.warnings)
    if result.uncalibrated:
        print_metrics(result.uncalibrated, towers, terminal, "The same without post_calibration")
        if not pipeline.eval_config.calibration_input_path and not options.input:
            text = "post_calibration was fitted on these rows; on others it may gain less. Keep some for it:"
            print_line(terminal, f"{text} eval_config.calibration_input_path.", "yellow")
    print_counts(result.counts, result.num_examples, result.skipped_rows, terminal)
    if options.saved_model:
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
