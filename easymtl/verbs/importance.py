"""`easymtl importance`: which features a model needs, by permutation or learnt rates, and what moved single scores."""

from argparse import Namespace
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.data_files import require_all_columns, require_files
from easymtl.api.overwriting import model_folders, require_apart, require_local, require_writable
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import Config, load_config, view
from easymtl.config.names import IMPORTANCE_WAYS
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.reporting.outcomes import Ranked, RatesRead, RowsExplained
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.rates_files import rates_files

if TYPE_CHECKING:
    from rich.console import Console

_LEAST = {"repeats": 1, "rows": 2, "seed": 0, "by_row": 1}
_ENDINGS = {"output": (".csv", ".json"), "plot": (".svg", ".png", ".pdf")}
_OF_PERMUTATIONS = ("input", "metric", "by", "by_row", "repeats", "rows", "seed", "output")
_NOT_OF_ROWS = ("metric", "plot")
_DEFAULTS = {"by": "feature", "repeats": 5, "rows": 100_000, "seed": 0}
_DEFAULTS_OF_ROWS = {"by": "feature", "repeats": 100, "rows": 10_000, "seed": 0}


def run(options: Namespace) -> None:
    """Ranks features of a checkpoint, prints a table per task or group, and writes it to a file.

    Raises:
        UserError: an option, the config, the checkpoint or the data are wrong.
    """
    _check_options(options)
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    writes = [(f"--{name}", path) for name in _ENDINGS if (path := getattr(options, name))]
    require_apart(config, writes, {"--input": options.input}, model_folders(config.pipeline, options))
    for option, path in writes:
        _require_place(option, path)
    if options.plot and find_spec("matplotlib") is None:
        raise UserError("--plot needs matplotlib, which is not installed: pip install matplotlib.")
    if options.variational:
        _write_rates(config, options)
        return
    paths = options.input or view.eval_input(config.pipeline)
    require_files(paths)
    require_all_columns(paths, config.pipeline)
    if options.by_row:
        _explain_rows(config, options, paths)
    else:
        _permute(config, options, paths)


def _check_options(options: Namespace) -> None:
    """Checks what needs no config, and fills in defaults."""
    if options.variational:
        given = [f"--{name}" for name in _OF_PERMUTATIONS if getattr(options, name) is not None]
        if given:
            raise UserError(
                f"--variational reads no data and writes into model_dir: {', '.join(given)} would have no effect. "
                "Leave it out, or leave --variational out."
            )
    if options.by_row is not None and (given := [f"--{one}" for one in _NOT_OF_ROWS if getattr(options, one)]):
        raise UserError(
            f"--by_row tells what moved the scores of rows: {', '.join(given)} would have no effect. Leave it out, or "
            "leave --by_row out to rank features by all rows."
        )
    for name, default in (_DEFAULTS if options.by_row is None else _DEFAULTS_OF_ROWS).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    if options.by not in IMPORTANCE_WAYS:
        raise UserError(
            f'--by: "{options.by}" is none of {quoted(IMPORTANCE_WAYS)}.{did_you_mean(options.by, IMPORTANCE_WAYS)}'
        )
    for name, least in _LEAST.items():
        if (value := getattr(options, name)) is not None and value < least:
            raise UserError(f"--{name}: {value} is too small; the least is {least}.")
    for name, endings in _ENDINGS.items():
        path = getattr(options, name)
        if path and Path(path).suffix not in endings:
            raise UserError(f"--{name}: {path} has to end in one of {quoted(endings)}.")


def _require_place(option: str, path: str) -> None:
    """Refuses before the work what could not be written after it."""
    require_local(option, path, "file")
    if Path(path).is_dir():
        raise UserError(f"{option}: {path} is a folder. Name a file in it.")
    require_writable(option, path)


def _permute(config: Config, options: Namespace, paths: str) -> None:
    start_tensorflow()
    from easymtl.api.opening import open_chosen
    from easymtl.reporting.bars import bar, each
    from easymtl.reporting.importance import print_importance, write_importance
    from easymtl.reporting.importance_plot import bars_of_tasks, draw_importance
    from easymtl.reporting.terminal import open_terminal, print_line
    from easymtl.scoring.judging import criteria

    output, pipeline = current(), config.pipeline
    chosen = criteria(pipeline, options.metric)
    model = open_chosen(config, options.checkpoint)
    terminal = open_terminal()
    for note in model.notes:
        print_line(terminal, f"note: {note}", "yellow")

    def tell_rows(num_rows: int) -> None:
        if not output.is_json and not output.is_quiet:
            of_each = f"{options.repeats} permutations of each {options.by}"
            print_line(terminal, f"{model.source}: {num_rows:,} rows, {of_each}")

    with bar(terminal, "Permuting", model.num_parts(options.by), unit="of them") as advance:
        ranking = model.rank_features(
            paths,
            options.metric,
            options.by,
            options.repeats,
            options.rows,
            options.seed,
            tell_rows,
            each(advance),
        )
    written = [path for path in (options.output, options.plot) if path]
    ranked = Ranked([asdict(one) for one in ranking.found], ranking.warnings, written)
    if not output.is_json:
        print_importance(ranking, terminal)
    judged = {criterion.task for criterion in chosen}
    others = [tower.tower_name for tower in view.task_towers(pipeline) if tower.tower_name not in judged]
    if others:
        print_line(terminal, f'Without the metric "{options.metric}", and left out: {quoted(others)}.')
    if options.output:
        write_importance(options.output, ranking)
    if options.plot:
        draw_importance(Path(options.plot), bars_of_tasks(ranking))
    output.result(ranked, lambda: _print_written(written, terminal))


def _explain_rows(config: Config, options: Namespace, paths: str) -> None:
    start_tensorflow()
    from easymtl.api.opening import open_chosen
    from easymtl.reporting.bars import bar, each
    from easymtl.reporting.importance import print_row_effects, write_row_effects
    from easymtl.reporting.terminal import open_terminal, print_line

    model = open_chosen(config, options.checkpoint)
    terminal = open_terminal()
    for note in model.notes:
        print_line(terminal, f"note: {note}", "yellow")
    with bar(terminal, "Exchanging", model.num_parts(options.by), unit="of them") as advance:
        found = model.effects_on_rows(
            paths, options.by_row, options.by, options.repeats, options.rows, options.seed, each(advance)
        )
    if not current().is_json:
        print_row_effects(found, terminal)
    if options.output:
        write_row_effects(options.output, found)
    written = [options.output] if options.output else []
    outcome = RowsExplained([asdict(one) for one in found], written)
    current().result(outcome, lambda: _print_written(written, terminal))


def _print_written(written: list[str], terminal: "Console") -> None:
    from easymtl.reporting.terminal import print_line

    for path in written:
        print_line(terminal, f"Wrote {path}")


def _write_rates(config: Config, options: Namespace) -> None:
    pipeline = config.pipeline
    if not pipeline.model_config.HasField("variational_dropout"):
        raise UserError(
            "--variational: model_config has no variational_dropout, so no rates are learnt. Add "
            "variational_dropout { } and train, or leave --variational out to permute features."
        )
    start_tensorflow()
    from easymtl.checkpoints.restore import find_checkpoint, load_ranker
    from easymtl.reporting.importance import print_rates, ranked_rates
    from easymtl.reporting.importance_plot import bars_of_rates, draw_importance
    from easymtl.reporting.learnt_rates import write_learnt_rates
    from easymtl.reporting.terminal import open_terminal, print_line

    checkpoint = find_checkpoint(pipeline, options.checkpoint)
    rates = load_ranker(pipeline, checkpoint, begin=begin).network.input_layer.dropout_rates()
    if not rates:
        raise UserError("--variational: no feature group has a feature that is one vector, so no rates are learnt.")
    files = [path for group in rates for path in rates_files(pipeline.model_dir, group).values()]
    require_apart(config, [("The ranking", path) for path in files])
    terminal = open_terminal()
    if not current().is_json:
        for group, found in rates.items():
            print_rates(group, found, terminal)
    written = [str(path) for path in write_learnt_rates(pipeline.model_dir, rates)]
    if options.plot:
        draw_importance(Path(options.plot), bars_of_rates(rates))
        written.append(options.plot)
    means = {group: ranked_rates(found) for group, found in rates.items()}
    current().result(RatesRead(means, written), lambda: print_line(terminal, f"Wrote {', '.join(written)}"))
