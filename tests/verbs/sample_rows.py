"""Rows made up for any config, and the overrides that make its model tiny."""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.view import features
from easymtl.data.fields import input_fields
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

CONFIGS = sorted((Path(__file__).parents[2] / "samples" / "configs").glob("*.config"))
_TEXTS = 90
_LONGEST = 5
_TINY = {
    "embedding_dim": "4",
    "hash_bucket_size": "50",
    # Of the integers from -1 to 39 that are made up, some are out of this range.
    "num_buckets": "30",
    # Without batch norm all units of a tiny layer may be 0 for every row.
    "use_bn": "true",
}


def write_rows(pipeline: Pipeline, path: Path, num_rows: int, seed: int = 0) -> Path:
    """Writes rows of the declared columns, some of them empty, as the config reads them."""
    random = np.random.default_rng(seed)
    labels = set(pipeline.data_config.label_fields)
    columns = {
        name: _column(random, field.type, num_rows, name in labels)
        for name, field in input_fields(pipeline.data_config).items()
    }
    lengths = random.integers(0, _LONGEST, num_rows)
    for feature in features(pipeline):
        if feature.feature_type == FeatureConfig.SequenceFeature:
            columns |= {name: _history(random, lengths) for name in feature.input_names}
    if pipeline.data_config.input_type == DatasetConfig.ParquetInput:
        pq.write_table(pa.table(columns), path)
    else:
        pyarrow.csv.write_csv(
            pa.table(columns), path, pyarrow.csv.WriteOptions(include_header=pipeline.data_config.with_header)
        )
    return path


def _history(random: np.random.Generator, lengths: np.ndarray) -> pa.Array:
    # Histories that are read together have equal lengths.
    return pa.array(["|".join(map(str, random.integers(0, 40, length))) or None for length in lengths], pa.string())


def _column(random: np.random.Generator, kind: pa.DataType, num_rows: int, is_label: bool) -> pa.Array:
    if is_label:
        values = random.integers(0, 2, num_rows) * (random.gamma(2.0, size=num_rows) if kind == pa.float32() else 1)
        return pa.array(values.astype(kind.to_pandas_dtype()))
    gone = random.random(num_rows) < 0.1
    if kind == pa.string():
        texts = ["|".join(map(str, random.integers(0, 40, 1 + number % 3))) for number in range(_TEXTS)]
        return pa.array(np.array(texts, object)[random.integers(0, _TEXTS, num_rows)], mask=gone)
    values = random.integers(-1, 40, num_rows) if pa.types.is_integer(kind) else random.gamma(2.0, 20.0, num_rows)
    return pa.array(values.astype(kind.to_pandas_dtype()), mask=gone)


def tiny(pipeline: Pipeline, hidden_units: Sequence[int]) -> list[str]:
    """Returns the overrides that shrink every table, and every DNN to layers of these widths."""
    values = _TINY | {"hidden_units": str(list(hidden_units)), "dropout_ratio": str([0.1] * len(hidden_units))}
    return [f"{path}={values[path.rpartition('.')[2]]}" for path in _paths(pipeline, values, "")]


def cut(pipeline: Pipeline, most: int) -> None:
    """Leaves out features of one plain group alone, down to so many in the group; of each kind there is one left."""
    groups = pipeline.model_config.feature_groups
    uses = Counter(name for group in groups for name in group.feature_names)
    declared = {feature.feature_name or feature.input_names[0]: feature for feature in features(pipeline)}
    for group in groups:
        if group.sequence_features or len(group.feature_names) <= most:
            continue
        first = {_kind(declared[name]): name for name in reversed(group.feature_names)}.values()
        others = [name for name in group.feature_names if name not in first and uses[name] == 1]
        gone = set(others[max(most - len(first), 0) :])
        group.feature_names[:] = [name for name in group.feature_names if name not in gone]
        for container in (pipeline.feature_config.features, pipeline.feature_configs):
            kept = [one for one in container if (one.feature_name or one.input_names[0]) not in gone]
            del container[:]
            container.extend(kept)


def _kind(feature: FeatureConfig) -> tuple:
    """Returns what a feature is, without its names and sizes."""
    return (feature.feature_type, *(field.name for field, _ in feature.ListFields()))


def _paths(message: Message, names: Container[str], prefix: str) -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.name in names:
            yield path
        elif field.name == "seq_dnn":
            continue  # Its last layer is the score of a step, of width 1.
        elif field.type == FieldDescriptor.TYPE_MESSAGE and field.is_repeated:
            for place, item in enumerate(value):
                yield from _paths(item, names, f"{path}[{place}].")
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _paths(value, names, f"{path}.")
