"""`easymtl compare`: whether one model is better than another, with how sure that is."""

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import require_apart, require_local, require_writable
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.checkpoints.publishing import write_text
from easymtl.config import view
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.outcomes import Compared
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.tuning.processes import ProcessRunner
from easymtl.verbs.paired_runs import Run, runs_of, train
from easymtl.verbs.stop_signals import StopSignals, tell_stop

if TYPE_CHECKING:
    from rich.console import Console as Terminal

    from easymtl.scoring.comparing import Difference
    from easymtl.tasks.evaluation import Evaluation

_LEAST_RESAMPLES = 20


def run(options: Namespace) -> None:
    """Trains both sides with the same seeds where they are not trained, scores the same rows, and prints differences.

    SIGTERM and Ctrl-C save the training that is being made and end the command; the same command goes on.

    Raises:
        UserError: an option, a config, a training or the data are wrong, or the sides have no metric or rows in common.
        Interrupted: Ctrl-C has ended it.
    """
    for flag, least in (("seeds", 1), ("resamples", _LEAST_RESAMPLES)):
        if getattr(options, flag) < least:
            raise UserError(f"--{flag} is {getattr(options, flag)}: it must be at least {least}.")
    require_local("--work_dir", options.work_dir, "folder")
    begin("reading", f"{options.a}, {options.b}")
    folder, seeds = Path(options.work_dir), range(1, options.seeds + 1)
    sides = [
        runs_of(side, source, seeds, options.overrides, folder) for side, source in (("A", options.a), ("B", options.b))
    ]
    _require_different(sides, options)
    paths = _rows_of(sides, options.input)
    output = options.output or ("" if all(one.is_given for side in sides for one in side) else folder / "compare.json")
    if output:
        require_writable("--output", output)
        for side in sides:
            require_apart(side[0].config(), [("--output", str(output))], {"--input": options.input})
    from easymtl.reporting.terminal import open_terminal, print_line

    terminal = open_terminal()
    if not _train(sides, terminal):
        return
    start_tensorflow()
    found = [[_scored(one, options.checkpoint, paths) for one in side] for side in sides]
    begin("computing", f"errors of the differences from {options.resamples:,} draws of rows")
    differences = compare(found[0], found[1], options.resamples)
    document = _document(differences, sides, paths, options.resamples)
    if output:
        write_text(Path(output), json.dumps(document, indent=2))

    def show() -> None:
        _print(differences, sides, terminal)
        if output:
            print_line(terminal, f"Wrote {output}")

    current().result(Compared(**document, written=str(output)), show)


def _train(sides: Sequence[Sequence[Run]], terminal: "Terminal") -> bool:
    """Trains what is not trained, in turns: what is there when time runs out are pairs.

    Returns:
        Whether all of it is trained, and nothing was told to stop.
    """
    from easymtl.reporting.bars import bar
    from easymtl.reporting.terminal import print_line

    runs = [one for pair in zip(*sides) for one in pair if not one.is_given]
    is_quiet = current().is_quiet
    stop = StopSignals()
    runner = ProcessRunner(stop.is_received)
    with stop, bar(None, "Training", len(runs), unit=f"of {len(runs)}") as advance:
        for one in runs:
            has_ended = train(one, runner, lambda line: None if is_quiet else print_line(terminal, line))
            if stop.is_received():
                break
            if not has_ended:
                raise UserError(f"{one.title}: the training was stopped. Run the same command again to go on.")
            advance(1)
    if stop.is_received():
        tell_stop(stop, lambda line: print_line(terminal, line))
    return not stop.is_received()


def compare(
    first: Sequence["Evaluation"], second: Sequence["Evaluation"], resamples: int
) -> Mapping[str, "Difference"]:
    """Returns how B differs from A by metric: those that both have.

    Args:
        first: what was gathered of A, for each seed.
        second: of B.
        resamples: draws of rows.

    Raises:
        UserError: there is no metric in common, or they were measured on different rows.
    """
    from easymtl.scoring.comparing import is_error, paired_difference, value_of

    measured = [[one.measured() for one in side] for side in (first, second)]
    common = [name for name in measured[0][0] if all(name in one for side in measured for one in side)]
    if not common:
        raise UserError(
            f"A is measured by {quoted(measured[0][0])}, B by {quoted(measured[1][0])}, and a comparison takes what "
            "both have: give their towers the same names, and a metrics_set in common."
        )
    result = {}
    for name in common:
        rows = [[one[name] for one in side] for side in measured]
        reference = rows[0][0]
        for inputs in (inputs for side in rows for inputs in side):
            if not np.array_equal(inputs.labels, reference.labels):
                raise UserError(f"{name}: A and B count other rows or labels. Their towers have to be of one label.")
        of_a, of_b = (
            [value_of(evaluation.metrics[name], inputs) for evaluation, inputs in zip(side, of_side)]
            for side, of_side in zip((first, second), rows)
        )
        units = np.arange(len(reference.labels)) if reference.groups is None else reference.groups
        metric, units = first[0].metrics[name], np.unique(units, return_inverse=True)[1]
        shown = f"|{name} - 1|" if metric.is_calibration else name
        result[shown] = replace(paired_difference(of_a, of_b, units, resamples), is_error=is_error(metric))
    return result


def _require_different(sides: Sequence[Sequence[Run]], options: Namespace) -> None:
    """Refuses to train one config twice with the same seeds; trainings that are there may be anything.

    Raises:
        UserError: the sides differ in nothing.
    """
    if any(side[0].is_given for side in sides):
        return
    pipelines = []
    for side in sides:
        pipelines.append(Pipeline())
        pipelines[-1].CopyFrom(side[0].config().pipeline)
        pipelines[-1].ClearField("model_dir")
    if pipelines[0] == pipelines[1]:
        raise UserError(
            f"A, {options.a}, and B, {options.b}, are one and the same config, trained with the same seeds: they "
            "cannot differ. Name another config as B. How much seeds do is told by model_dirs that were trained with "
            "different ones."
        )


def _rows_of(sides: Sequence[Sequence[Run]], given: str | None) -> str:
    """Returns the files that both sides are scored on.

    Raises:
        UserError: the sides are not of equal numbers, or do not evaluate on the same files.
    """
    counts = [len(side) for side in sides]
    if counts[0] != counts[1]:
        raise UserError(
            f"A has {counts[0]} and B {counts[1]} models, and they are compared in pairs. Name as many model_dirs of "
            "both, or set --seeds to their number."
        )
    # Both are checked before anything is trained.
    inputs = [view.eval_input(side[0].config().pipeline) for side in sides]
    paths = given or inputs[0]
    if not given and inputs[0] != inputs[1]:
        raise UserError(f'A evaluates on "{inputs[0]}", B on "{inputs[1]}": name the rows for both with --input.')
    if not paths:
        raise UserError("A and B have no eval_input_path: name the rows that both are scored on with --input.")
    require_files(paths)
    return paths


def _scored(one: Run, choice: str, paths: str) -> "Evaluation":
    import tensorflow as tf

    from easymtl.checkpoints.restore import find_checkpoint, load_ranker
    from easymtl.reporting.bars import pass_bar
    from easymtl.scoring.evaluation import gather
    from easymtl.scoring.scorer import RankerScorer

    begin("building", f"the model of {one.title}")
    pipeline = one.config().pipeline
    ranker = load_ranker(pipeline, find_checkpoint(pipeline, choice), begin=begin)
    with pass_bar(f"Scoring {one.title}") as tell_progress:
        return gather(pipeline, ranker.tasks, RankerScorer(ranker, tf.float32), paths, tell_progress)


def _print(differences: Mapping[str, "Difference"], sides: Sequence[Sequence[Run]], terminal: "Terminal") -> None:
    from easymtl.reporting.tables import print_table
    from easymtl.reporting.terminal import print_line

    rows = [
        [
            name,
            *(f"{np.mean(values):.5f}" for values in (one.first, one.second)),
            f"{one.mean:+.5f}",
            f"{one.error:.5f}",
            f"{one.low:+.5f} to {one.high:+.5f}",
            one.verdict,
        ]
        for name, one in differences.items()
    ]
    headers = ["metric", "A", "B", "B - A", "standard error", "95 % interval", "B is"]
    print_table(terminal, headers, rows)
    if len(sides[0]) == 1:
        text = "One seed: how much another one would change is not in the errors. Take --seeds 3 or more."
        print_line(terminal, text, "yellow")
        return
    shares = [one.of_seeds for one in differences.values() if one.of_seeds == one.of_seeds]
    if shares:
        print_line(
            terminal,
            f"Of the squared errors {min(shares):.0%} to {max(shares):.0%} come from seeds, which more --seeds make "
            "smaller; the rest comes from the rows.",
        )


def _document(
    differences: Mapping[str, "Difference"], sides: Sequence[Sequence[Run]], paths: str, resamples: int
) -> dict[str, Any]:
    """Returns the result as JSON can hold it; what is not known is null."""

    def number(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    metrics = {
        name: {
            "a": [*map(number, one.first)],
            "b": [*map(number, one.second)],
            "difference": number(one.mean),
            "standard_error": number(one.error),
            "low": number(one.low),
            "high": number(one.high),
            "of_seeds": number(one.of_seeds),
            "verdict": one.verdict,
        }
        for name, one in differences.items()
    }
    models = {side: [str(one.model_dir) for one in runs] for side, runs in zip("ab", sides)}
    return {**models, "rows": paths, "resamples": resamples, "metrics": metrics}
