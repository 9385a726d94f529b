"""`easymtl check`: everything that can be told of a config without training."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from easymtl.api.data_notes import feature_notes, label_notes, scale_notes
from easymtl.api.first_rows import first_rows
from easymtl.config import Config, load_config, view
from easymtl.config.extension_parameters import used_extensions
from easymtl.config.falling_rates import misfits, steps_of_rows
from easymtl.config.starting_weights import has_checkpoint, require_starting_weights
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError, quoted
from easymtl.features.declarations import table_sizes
from easymtl.features.machine_memory import Room, size_text
from easymtl.features.memory import GPU_DEVICE, bytes_of_growing, export_memory_report, memory_report
from easymtl.features.table_sharding import are_dealt_out
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import REPLICATED, SHARDED, TableSharding
from easymtl.reporting.formats import counted
from easymtl.reporting.outcomes_around import Checked
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.serving.formats.packages import require_packages
from easymtl.serving.warmup_file import require_own_warmup
from easymtl.training.traffic import told, traffic
from easymtl.verbs.data_check import data_problems, quote_problems, unread_columns
from easymtl.verbs.value_check import default_problems, label_problems

if TYPE_CHECKING:
    from easymtl.tasks.ranker import Ranker


def run(options: Namespace) -> None:
    """Checks a config and its data, and prints what was found; with `--network` also the model.

    Raises:
        UserError: the config is wrong, or does not fit the data.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    for note in config.notes:
        _remark(f"note: {note}")
    require_starting_weights(config)
    pipeline = config.pipeline
    require_own_warmup(pipeline)
    require_packages(pipeline)
    if pipeline.model_config.HasField("backbone"):
        _check_graph(config)
    num_workers = max(options.workers, 1)
    calibration = pipeline.eval_config.calibration_input_path
    inputs = {"train": view.train_input(pipeline), "eval": view.eval_input(pipeline), "calibration": calibration}
    problems = [
        problem for part, paths in inputs.items() if paths for problem in check_data(config, part, paths, num_workers)
    ]
    if problems:
        title = f"{config.path}: {counted(len(problems), 'problem')} with the data:"
        raise UserError("\n".join([title, *problems]))
    is_sharded = _is_sharded(pipeline, num_workers, Room.here())
    of_training = memory_report(pipeline, num_workers if is_sharded else 1)
    _remark(f"memory of an export: {export_memory_report(pipeline)}; of a training: {of_training}")
    if num_workers > 1:
        _remark(_layout(pipeline, num_workers, is_sharded))
        _remark(_on_this_machine(pipeline, num_workers))
    for extension, _ in used_extensions(pipeline):
        _remark(f"extension: {extension.title}")
    if pipeline.data_config.encoded_cache.path:
        _tell_cache(pipeline)
    towers, model = [tower.tower_name for tower in view.task_towers(pipeline)], view.model_title(pipeline)
    verdict = f"{config.path}: ok. {model} with {counted(len(towers), 'task')} ({', '.join(towers)})."
    current().result(Checked(config.path, model, towers), lambda: say(verdict, sys.stdout))
    if options.network:
        _print_network(config)


def check_data(config: Config, part: str, paths: str, num_workers: int = 1) -> list[str]:
    """Returns what is wrong with the training or evaluation data; prints a line when nothing is."""
    begin("reading", f"the first rows of {paths}")
    pipeline, data_config = config.pipeline, config.pipeline.data_config
    fields = list(view.used_fields(pipeline)) if part == "train" else view.scored_fields(pipeline)
    notes: list[str] = []
    problems = data_problems(paths, data_config, fields, text_forms(pipeline))
    if not problems:
        problems, notes = label_problems(paths, pipeline, fields)
        problems += default_problems(pipeline) if part == "train" else []
        more_problems, more_notes = quote_problems(paths, pipeline, fields)
        problems, notes = [*problems, *more_problems], [*notes, *more_notes]
    if problems:
        return [f"{part} input: {problem}" for problem in problems]
    unread = unread_columns(paths, data_config, fields)
    rest = f"; not read: {quoted(unread, limit=8)}" if unread else ""
    _remark(f"{part} input: {paths}: {counted(len(fields), 'column')} read as declared in the first rows{rest}.")
    for note in notes:
        say(f"warning: {part} input: {note}", sys.stdout)
    if part == "train":
        batch = first_rows(paths, pipeline, fields)
        for note in [*label_notes(batch, pipeline), *feature_notes(batch, pipeline), *scale_notes(batch, pipeline)]:
            _remark(f"note: {note}")
        num_rows = open_source(paths, data_config, fields, forms=text_forms(pipeline)).num_rows
        for note in misfits(pipeline, steps_of_rows(pipeline, num_rows, num_workers)) if num_rows else ():
            _remark(f"note: {note}")
    return []


def _is_sharded(pipeline: Pipeline, num_workers: int, room: Room) -> bool:
    return are_dealt_out(pipeline, num_workers, None if GPU_DEVICE.exists() else room.available)


def _on_this_machine(pipeline: Pipeline, num_workers: int) -> str:
    """Returns what becomes of so many workers that share the memory of this machine."""
    room = Room.here(num_workers)
    is_sharded = _is_sharded(pipeline, num_workers, room)
    try:
        memory_report(pipeline, num_workers if is_sharded else 1, room)
        found = f"table_sharding {_name(is_sharded)}"
        found += f", and {room.text()}" if room.available is not None else ""
    except UserError as error:
        found = str(error).splitlines()[0].rstrip(".")
    return f"all {num_workers} on this machine, as `easymtl launch` starts them: {found}."


def _name(is_sharded: bool) -> str:
    return TableSharding.Name(SHARDED if is_sharded else REPLICATED)


def _layout(pipeline: Pipeline, num_workers: int, is_sharded: bool) -> str:
    """Returns what each of several workers holds, and what the rows that it looks up send."""
    sizes = table_sizes(pipeline)
    widths = dict.fromkeys(sorted(table.width for table in sizes), 1000.0)
    sent = [
        f"{told(traffic(0, {width: rows}, num_workers, is_sharded).sent)} of width {width}"
        for width, rows in widths.items()
    ]
    num_rows = sum(table.rows for table in sizes)
    bytes_of_ids = bytes_of_growing(pipeline, num_workers if is_sharded else 1)
    ids = f", and {'a part of the' if is_sharded else 'all'} ids of those that grow, {size_text(bytes_of_ids)},"
    own = f"about {-(-num_rows // num_workers):,} of the {num_rows:,}" if is_sharded else f"all {num_rows:,}"
    return (
        f"each of {num_workers} workers, if each has a machine like this one: {own} rows of the tables"
        f"{ids if bytes_of_ids else ''} (table_sharding {_name(is_sharded)}); each 1,000 distinct rows of a batch send "
        f"{', '.join(sent) or 'nothing'}. Dense weights are the same on all, and send "
        f"{traffic(1000, {}, num_workers, is_sharded).sent / 1000:.2f} bytes for each weight."
    )


def _remark(text: str) -> None:
    """Prints what is neither wrong nor the verdict."""
    if not current().is_quiet:
        say(text, sys.stdout)


def _tell_cache(pipeline: Pipeline) -> None:
    """Tells what is there of encoded rows; which ones these are follows from the transforms of the features."""
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.scoring.cached_data import cached_data

    begin("reading", "the encoded cache")
    for text in cached_data(pipeline):
        _remark(text)


def _check_graph(config: Config) -> None:
    """Lets the shapes of a block graph be walked, for which nothing has to be trained."""
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.features.feature_set import FeatureSet
    from easymtl.layers.context import Build
    from easymtl.models.backbone import graph_notes, located
    from easymtl.models.input_layer import InputLayer
    from easymtl.models.making import plan_model

    begin("planning", "the block graph")
    pipeline = config.pipeline
    groups = InputLayer(Build(), FeatureSet(pipeline))
    with located(config):
        plan_model(pipeline, groups.shapes)
    for note in graph_notes(config):
        _remark(f"note: {note}")


def _print_network(config: Config) -> None:
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    begin("building", "the model")
    from easymtl.reporting.network import print_network
    from easymtl.tasks.ranker import Ranker

    print()
    ranker = Ranker(config.pipeline)
    print_network(ranker, config.pipeline)
    if config.pipeline.train_config.fine_tune_checkpoint and not has_checkpoint(config.pipeline):
        _print_start(config, ranker)


def _print_start(config: Config, ranker: "Ranker") -> None:
    """Prints what a training would take over from `fine_tune_checkpoint`, optimizer slots left out."""
    from easymtl.reporting.terminal import open_terminal
    from easymtl.reporting.transfer_table import print_transfer
    from easymtl.training.starting_weights import preview_start

    transfer, notes = preview_start(config.pipeline, ranker)
    print()
    print_transfer(transfer, open_terminal(), "A training would start from the weights of")
    for note in notes:
        _remark(f"note: {note}")
