"""What a colleague would say before a training begins, from its config and its first rows."""

import os
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format

from easymtl.api.data_notes import scale_notes
from easymtl.api.first_rows import first_rows
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, view
from easymtl.config.changes import Change, changes
from easymtl.config.config import read_text
from easymtl.config.starting_weights import has_checkpoint
from easymtl.errors import UserError
from easymtl.peers.cluster import read_cluster
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import DistributionStrategy, MirroredStrategy, TrainConfig

_SHOWN = 5
_OF_DATA_AND_LENGTH = (
    "train_input_path",
    "eval_input_path",
    "train_config.num_steps",
    "train_config.dead_line",
    "data_config.num_epochs",
)
"""Fields that change from day to day, of which it is enough to be named."""


def start_hints(config: Config) -> Iterator[str]:
    """Yields a sentence for whatever is odd."""
    yield from changed_config(config)
    strategy = config.pipeline.train_config.train_distribute
    if strategy and read_cluster(os.environ).size == 1:
        of_gpus = "; without --workers, as many as it has GPUs" if strategy == MirroredStrategy else ""
        yield (
            f"train_distribute: {DistributionStrategy.Name(strategy)}, and no TF_CONFIG names other workers: this "
            "process trains alone, on one device. Several on this host: easymtl launch --workers N -- train ..."
            f"{of_gpus}"
        )
    yield from (f"Hint: {note}" for note in _scales(config))


def _scales(config: Config) -> list[str]:
    pipeline = config.pipeline
    try:
        batch = first_rows(view.train_input(pipeline), pipeline, list(view.used_fields(pipeline)))
    except UserError:
        # The training says what is wrong with its data, and where.
        return []
    return scale_notes(batch, pipeline)


def changed_config(config: Config) -> Iterator[str]:
    """Yields what differs between a config and the one that its model_dir was trained with so far."""
    path = Path(config.pipeline.model_dir) / CONFIG_NAME
    if not path.is_file() or not has_checkpoint(config.pipeline):
        return
    before, now = Pipeline(), Pipeline()
    try:
        text_format.Parse(read_text(str(path)), before, allow_unknown_field=True)
        text_format.Parse(config.text(), now)
    except (UserError, text_format.ParseError):
        return
    # The same folder may be named in two ways.
    now.model_dir = before.model_dir
    # What was measured is what is stored, and stays.
    if now.train_config.mixed_precision == TrainConfig.AUTO:
        now.train_config.mixed_precision = before.train_config.mixed_precision
    if now.train_config.xla == TrainConfig.MEASURED and before.train_config.HasField("xla"):
        now.train_config.xla = before.train_config.xla
    found = list(changes(before, now))
    short = [change.path for change in found if change.path in _OF_DATA_AND_LENGTH]
    others = [change for change in found if change.path not in _OF_DATA_AND_LENGTH]
    if others:
        yield f"Hint: the config has changed since {config.pipeline.model_dir} was trained with it. {_listed(others)}"
    if short:
        yield f"Training on with another {', '.join(short)}."


def _listed(found: list[Change]) -> str:
    rest = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(map(str, found[:_SHOWN])) + rest
