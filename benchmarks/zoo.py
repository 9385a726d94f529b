"""Every sample config from data to a SavedModel, in a few minutes: does all of it work, how fast, how large?

    python -m benchmarks.zoo [NAME ...] [--steps 200] [--out model_dir/zoo]

Each config trains for some steps, is evaluated, exported, and its SavedModel is loaded again, in a process that knows
nothing of easymtl, and scores rows as the checkpoint does. Synthetic data is made small; configs whose data cannot be
made up and is not there are left out, in so many words. The metrics are those of a young model: `make accuracy` trains
in earnest. Without a NAME it is every config of samples/configs and samples/tour, and what none of them uses of the
config language is named (`benchmarks/config_coverage.py`). The exit code is 1 when a config fails, or when something is
unused.
"""

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console as Terminal

from benchmarks.config_coverage import print_report, read_samples
from benchmarks.sample_data import ROOT, DataMissing, data_overrides, sample_path, sample_paths
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config, view
from easymtl.errors import UserError
from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import open_terminal, print_line

ROWS, EVAL_ROWS = 100_000, 20_000
_LOG_STEPS = 10
_WARM_UP_STEPS = 20


@dataclass(frozen=True)
class Outcome:
    """What became of a config.

    Attributes:
        name: of the config.
        metrics: of the evaluation behind the last step, by name.
        num_parameters: trained numbers, by "dense" and "embedding".
        examples_per_second: median over the training, its first steps left out.
        num_compared: rows that SavedModel and checkpoint have both scored; 0 where the config has no rows to evaluate.
        largest_difference: between their scores.
        seconds: that all of it took.
        problem: why there is none of this.
        is_skipped: its data is not there.
    """

    name: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    num_parameters: Mapping[str, int] = field(default_factory=dict)
    examples_per_second: float = 0.0
    num_compared: int = 0
    largest_difference: float = 0.0
    seconds: float = 0.0
    problem: str = ""
    is_skipped: bool = False


def run_config(name: str, num_steps: int, folder: Path, num_rows: int = ROWS, more: Sequence[str] = ()) -> Outcome:
    """Trains, evaluates, exports and reloads a sample config.

    Args:
        name: of the sample config.
        num_steps: updates.
        folder: for models and made-up data; what an earlier run left of the model is removed.
        num_rows: rows of made-up training data.
        more: further overrides.
    """
    begin = time.monotonic()
    try:
        data = data_overrides(name, num_rows, min(EVAL_ROWS, num_rows), folder / "data")
    except DataMissing as error:
        return Outcome(name, problem=str(error), is_skipped=True)
    model_dir = folder / name
    shutil.rmtree(model_dir, ignore_errors=True)
    settings = [f"model_dir={model_dir}", f"train_config.num_steps={num_steps}", "data_config.num_epochs=0"]
    settings += [f"train_config.log_step_count_steps={_LOG_STEPS}", "train_config.save_checkpoints_steps=0"]
    try:
        settings += _start(name, num_steps, folder, num_rows, more)
        return _run([*data, *settings, *more], name, begin)
    except UserError as error:
        return Outcome(name, problem=str(error))


def _start(name: str, num_steps: int, folder: Path, num_rows: int, more: Sequence[str]) -> list[str]:
    """Trains the sample config whose model a config starts from, unless it is there; returns where it is.

    Raises:
        UserError: that training failed.
    """
    start = load_config(str(sample_path(name))).pipeline.train_config.fine_tune_checkpoint
    if not start:
        return []
    first = Path(start).name
    if not (folder / first / "checkpoints").is_dir():
        problem = run_config(first, num_steps, folder, num_rows, more).problem
        if problem:
            raise UserError(f"{first}, which it starts from: {problem}")
    return [f"train_config.fine_tune_checkpoint={folder / first}"]


def _run(overrides: Sequence[str], name: str, begin: float) -> Outcome:
    from easymtl.serving.export import export
    from easymtl.training import events
    from easymtl.training.trainer import Trainer

    config = load_config(str(sample_path(name)), overrides)
    seen: list[events.Event] = []
    result = Trainer(config, seen.append).run()
    exported = export(config.pipeline, result.checkpoint, Path(config.pipeline.model_dir) / "export" / "final")
    parity = exported.parity
    has_rows = bool(view.eval_input(config.pipeline))
    assert parity or not has_rows
    (started,) = (event for event in seen if isinstance(event, events.Started))
    rates = {event.step: event.examples_per_second for event in seen if isinstance(event, events.Progress)}
    warm = [rate for step, rate in rates.items() if step > _WARM_UP_STEPS] or list(rates.values()) or [0.0]
    return Outcome(
        name,
        {metric: result.metrics[metric] for metric in view.metric_results(config.pipeline)} if has_rows else {},
        started.num_parameters,
        statistics.median(warm),
        parity.num_rows if parity else 0,
        parity.largest_difference if parity else 0.0,
        time.monotonic() - begin,
    )


def print_outcomes(outcomes: Sequence[Outcome], terminal: Terminal) -> None:
    """Prints a table of what was run, and why the rest was not."""
    headers = ["config", "metrics", "dense", "embedding", "examples/s", "reloaded", "difference", "seconds"]
    rows = [
        [
            outcome.name,
            "\n".join(f"{name} {value:.4f}" for name, value in outcome.metrics.items()),
            *(f"{outcome.num_parameters[kind]:,}" for kind in ("dense", "embedding")),
            f"{outcome.examples_per_second:,.0f}",
            f"{outcome.num_compared:,} rows",
            f"{outcome.largest_difference:.1e}",
            f"{outcome.seconds:.0f}",
        ]
        for outcome in outcomes
        if not outcome.problem
    ]
    terminal.print(make_table(headers, rows, num_left=2))
    for outcome in outcomes:
        if outcome.problem:
            word = "left out" if outcome.is_skipped else "FAILED"
            print_line(terminal, f"{outcome.name}: {word}: {outcome.problem}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the configs and prints the table; returns the exit code."""
    options = _options(arguments)
    start_tensorflow()
    terminal = open_terminal()
    outcomes = []
    for name in options.names or [path.stem for path in sample_paths()]:
        outcome = run_config(name, options.steps, options.out.resolve(), options.rows)
        outcomes.append(outcome)
        print_line(terminal, f"{name}: {outcome.problem or f'{outcome.seconds:.0f} s'}")
    print_line(terminal, "")
    print_outcomes(outcomes, terminal)
    has_failed = any(outcome.problem and not outcome.is_skipped for outcome in outcomes)
    if not options.names:
        print_line(terminal, "")
        has_failed |= print_report(read_samples()) > 0
    return int(has_failed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a sample config; all of them without one")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=ROWS, help="of made-up training data")
    parser.add_argument("--out", type=Path, default=ROOT / "model_dir" / "zoo")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
