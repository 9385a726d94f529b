"""`easymtl importance`: which features a model needs, by permutation or by the rates that it has learnt."""

from argparse import Namespace
from pathlib import Path

from easymtl.config import Config, load_config, view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.verbs.data_files import require_all_columns, require_files
from easymtl.verbs.overwriting import model_folders, rates_file, require_apart
from easymtl.verbs.tensorflow_start import start_tensorflow

_WAYS = ("feature", "input", "group")


def run(options: Namespace) -> None:
    """Ranks features of a checkpoint, prints a table per task or group, and writes it to a file.

    Raises:
        UserError: an option, the config, the checkpoint or the data are wrong.
    """
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    _check_options(options)
    writes = [(f"--{name}", path) for name in ("output", "plot") if (path := getattr(options, name))]
    require_apart(config, writes, {"--input": options.input}, model_folders(config.pipeline, options))
    if options.variational:
        _write_rates(config, options)
        return
    paths = options.input or view.eval_input(config.pipeline)
    require_files(paths)
    require_all_columns(paths, config.pipeline)
    _permute(config, options, paths)


def _check_options(options: Namespace) -> None:
    if options.by not in _WAYS:
        raise UserError(f'--by: "{options.by}" is none of {quoted(_WAYS)}.{did_you_mean(options.by, _WAYS)}')
    for name, least in (("repeats", 1), ("rows", 2), ("seed", 0)):
        if getattr(options, name) < least:
            raise UserError(f"--{name}: {getattr(options, name)} is too small; the least is {least}.")
    for name, suffixes in (("output", (".csv", ".json")), ("plot", (".svg", ".png", ".pdf"))):
        path = getattr(options, name)
        if path and Path(path).suffix not in suffixes:
            raise UserError(f"--{name}: {path} has to end in one of {quoted(suffixes)}.")
    if options.variational and (options.input or options.output or options.metric):
        raise UserError(
            "--variational reads no data and writes into model_dir. Leave out --input, --output and --metric."
        )


def _permute(config: Config, options: Namespace, paths: str) -> None:
    start_tensorflow()
    import tensorflow as tf

    from easymtl.checkpoints.restore import find_checkpoint, load_ranker
    from easymtl.reporting.importance import print_importance, write_importance
    from easymtl.reporting.importance_plot import bars_of_tasks, draw_importance
    from easymtl.reporting.terminal import open_terminal, print_line
    from easymtl.scoring.importance import Judge, chosen_results, permutation_importance, read_rows
    from easymtl.scoring.scorer import RankerScorer

    pipeline = config.pipeline
    results = chosen_results(pipeline, options.metric)
    checkpoint = find_checkpoint(pipeline, options.checkpoint)
    ranker = load_ranker(pipeline, checkpoint)
    scorer = RankerScorer(ranker, tf.float32)
    rows = read_rows(pipeline, scorer, ranker.tasks, paths, options.rows)
    judge = Judge(scorer, ranker.tasks, results, pipeline.data_config.eval_batch_size)
    found = permutation_importance(ranker.feature_set, rows, judge, results, options.by, options.repeats, options.seed)
    terminal = open_terminal()
    print_line(terminal, f"{checkpoint.path}: {rows.num_rows:,} rows, {options.repeats} permutations of each")
    print_importance(found, terminal)
    if options.output:
        write_importance(options.output, found)
        print_line(terminal, f"Wrote {options.output}")
    if options.plot:
        draw_importance(Path(options.plot), bars_of_tasks(found))
        print_line(terminal, f"Wrote {options.plot}")


def _write_rates(config: Config, options: Namespace) -> None:
    pipeline = config.pipeline
    if not pipeline.model_config.HasField("variational_dropout"):
        raise UserError(
            "--variational: model_config has no variational_dropout, so no rates are learnt. Add "
            "variational_dropout { } and train, or leave --variational out to permute features."
        )
    start_tensorflow()
    from easymtl.checkpoints.restore import find_checkpoint, load_ranker
    from easymtl.reporting.importance import print_rates, write_rates
    from easymtl.reporting.importance_plot import bars_of_rates, draw_importance
    from easymtl.reporting.terminal import open_terminal, print_line

    rates = load_ranker(pipeline, find_checkpoint(pipeline, options.checkpoint)).network.input_layer.dropout_rates()
    terminal = open_terminal()
    for group, found in rates.items():
        path = rates_file(pipeline, group)
        require_apart(config, [("The ranking", path)])
        print_rates(group, found, terminal)
        write_rates(path, found)
        print_line(terminal, f"Wrote {path}")
    if options.plot and rates:
        draw_importance(Path(options.plot), bars_of_rates(rates))
        print_line(terminal, f"Wrote {options.plot}")
