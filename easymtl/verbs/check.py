"""`easymtl check`: everything that can be told of a config without training."""

import sys
from argparse import Namespace

from easymtl.config import Config, load_config, view
from easymtl.data.sources import describe, open_source
from easymtl.errors import UserError


def run(options: Namespace) -> None:
    """Checks a config and its data, and prints what was found; with `--network` also the model.

    Raises:
      UserError: the config is wrong, or does not fit the data.
    """
    config = load_config(options.pipeline_config, options.overrides)
    for note in config.notes:
        print(f"note: {note}")
    problems = [problem for part in ("train", "eval") for problem in check_data(config, part)]
    if problems:
        raise UserError("\n".join([f"{config.path}: {len(problems)} problem(s) with the data:", *problems]))
    towers = view.task_towers(config.pipeline)
    names = ", ".join(tower.tower_name for tower in towers)
    print(f"{config.path}: ok. {view.model_name(config.pipeline)} with {len(towers)} tasks ({names}).")
    if options.network:
        _print_network(config)
    else:
        sys.stdout.flush()


def check_data(config: Config, part: str) -> list[str]:
    """Returns what is wrong with the training or evaluation data: a sentence for each problem."""
    pipeline = config.pipeline
    paths = view.train_input(pipeline) if part == "train" else view.eval_input(pipeline)
    if not paths:
        return []
    try:
        columns = describe(paths, pipeline.data_config)
        source = open_source(
            paths, pipeline.data_config, list(view.used_fields(pipeline)), block_bytes=1 << 16, batch_rows=1024
        )
        next(source.read(source.blocks[0]), None)
    except UserError as error:
        return [f"{part} input: {error}"]
    print(f"{part} input: {paths}: {len(columns)} columns, the first rows read as declared.")
    return []


def _print_network(config: Config) -> None:
    from easymtl.verbs.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.reporting.network import print_network
    from easymtl.tasks.ranker import Ranker

    print_network(Ranker(config.pipeline), config.pipeline)
