"""An embedding table as TensorBoard's projector reads it: vectors, names and a config beside the summaries."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, load_config, view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.feature_set import Slot, Table
from easymtl.reporting.event_files import EventFile
from easymtl.reporting.phases import begin
from easymtl.reporting.tensorboard import FOLDER
from easymtl.scoring.row_values import RowValues, can_tell_values, names_of_rows, row_values
from easymtl.tasks.ranker import Ranker

MOST_POINTS = 10_000
_CONFIG_NAME = "projector_config.pbtxt"


def write_projector(model_dir: str | Path, feature: str, most_points: int = MOST_POINTS) -> str:
    """Writes the vectors of a feature's values, from the newest checkpoint, for the projector of TensorBoard.

    Points are the rows of its table that the evaluation data use most, named by the values that lead to them. Without
    such data, or of a feature that is made of several fields, they are rows from end to end of the table, by number.

    Args:
        model_dir: of a training; its `pipeline.config` says what is where.
        feature: name of a feature that has a table, or of the table.
        most_points: which are not exceeded.

    Returns:
        What was written, in a sentence.

    Raises:
        UserError: there is no checkpoint, or no such feature, or the files cannot be written.
    """
    config = _config_of(Path(model_dir))
    checkpoint = find_checkpoint(config.pipeline)
    ranker = load_ranker(config.pipeline, checkpoint, begin=begin)
    slot, table = _slot(ranker, feature)
    values, why = _values(config, ranker, slot)
    points = _points(table, values, most_points)
    rows = np.array(list(points), np.int64)
    vectors = tf.gather(ranker.embeddings.variable(table.width), rows + table.offset).numpy()
    folder = Path(model_dir) / FOLDER / "train"
    try:
        _write(folder, feature, vectors, _metadata(points, values))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {reason(error)}. Check model_dir.") from None
    named = why or "named by the values of the evaluation data that lead to them most often"
    return f"{len(points):,} rows of {table.name} at step {checkpoint.step}, {named}"


def _config_of(model_dir: Path) -> Config:
    path = model_dir / CONFIG_NAME
    if not path.is_file():
        raise UserError(f"{path}: there is no such file: --embeddings takes the model_dir of one training.")
    config = load_config(str(path), ())
    config.pipeline.model_dir = str(model_dir)
    return config


def _slot(ranker: Ranker, feature: str) -> tuple[Slot, Table]:
    """Returns where a feature is looked up, by its name or by that of its table."""
    slots = [(slot, slot.table) for slot in ranker.feature_set.slots if slot.table]
    by_name = {table.name: (slot, table) for slot, table in reversed(slots)}
    by_name |= {slot.feature: (slot, table) for slot, table in reversed(slots)}
    if feature in by_name:
        return by_name[feature]
    names = list(dict.fromkeys(slot.feature for slot, _ in slots))
    found = f"those with an embedding table are {quoted(names)}" if names else "none of its features has a table"
    raise UserError(f'--embeddings: the model has no table of "{feature}"; {found}.{did_you_mean(feature, by_name)}')


def _values(config: Config, ranker: Ranker, slot: Slot) -> tuple[Mapping[int, RowValues], str]:
    """Returns what the rows stand for, and if it is not known, how they are named instead, and why."""
    transform = ranker.feature_set.transforms[slot.feature]
    paths = view.eval_input(config.pipeline)
    if not can_tell_values(transform):
        return {}, "by their numbers: the feature is made of several fields"
    if not paths:
        return {}, "by their numbers: the config has no evaluation data"
    try:
        return row_values(config.pipeline, ranker.feature_set, transform, paths), ""
    except UserError as error:
        return {}, f"by their numbers, because the evaluation data cannot be read: {str(error).rstrip('.')}"


def _points(table: Table, values: Mapping[int, RowValues], most: int) -> dict[int, str]:
    """Returns the rows that become points, and their names."""
    if values:
        return dict(list(names_of_rows(values).items())[:most])
    rows = np.linspace(0, table.rows - 1, min(table.rows, most)).astype(np.int64)
    return {int(row): f"row {row}" for row in rows}


def _metadata(points: Mapping[int, str], values: Mapping[int, RowValues]) -> str:
    """Returns a table: the name of each point, its row, and how often its values come."""
    lines = ["value\trow\tcount"]
    for row, name in points.items():
        count = values[row].frequency if row in values else 0
        lines.append(f"{_in_one_cell(name)}\t{row}\t{count}")
    return "\n".join(lines) + "\n"


def _in_one_cell(text: str) -> str:
    return " ".join(text.split()) or "(empty)"


def _write(folder: Path, feature: str, vectors: np.ndarray, metadata: str) -> None:
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in feature)
    vectors = np.where(np.isfinite(vectors), vectors, 0.0)
    lines = ("\t".join(f"{number:.6g}" for number in row) for row in vectors)
    write_text(folder / "projector" / f"{name}.vectors.tsv", "\n".join(lines) + "\n")
    write_text(folder / "projector" / f"{name}.metadata.tsv", metadata)
    config = ProjectorConfig()
    config.embeddings.add(
        tensor_name=feature,
        tensor_path=f"projector/{name}.vectors.tsv",
        metadata_path=f"projector/{name}.metadata.tsv",
        tensor_shape=vectors.shape,
    )
    write_text(folder / _CONFIG_NAME, text_format.MessageToString(config))
    if not any(folder.glob("events.out.tfevents.*")):
        EventFile(folder).close()  # TensorBoard sees no run in a folder without one.
