"""The data that `python -m benchmarks.feed` reads, and their configs."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from google.protobuf import text_format

from benchmarks import encoder
from benchmarks.workloads import SAMPLES
from easymtl.config import load_config
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.synth import read_batches

LABELS = ("clk", "buy")
FORMATS = ("parquet", "csv", "csv.gz")
ROW_GROUP = 65536
_BASE = "dbmtl_on_taobao.config"


@dataclass(frozen=True)
class Case:
    """Something to be fed.

    Attributes:
        name: in tables.
        config: path of the config.
        columns: of a row, labels included.
        file_format: one of `FORMATS`.
        items: of a row, on average, where they are counted; 0 elsewhere.
    """

    name: str
    config: Path
    columns: int
    file_format: str
    items: float = 0.0

    @property
    def is_history(self) -> bool:
        """Returns whether its rows are one history each, without labels."""
        return self.items > 0


def row_cases(folder: Path, rows: int, repeats: int, columns: Sequence[int], formats: Sequence[str]) -> Iterator[Case]:
    """Yields rows of the taobao set, with some of its columns, all, or all and more like them.

    Args:
        folder: where files and configs are written.
        rows: of a file.
        repeats: how often a file is read, as if it were so many.
        columns: numbers of columns, labels included.
        formats: some of `FORMATS`.
    """
    base = load_config(str(SAMPLES / _BASE)).pipeline
    table = pa.Table.from_batches(read_batches("taobao", rows))
    for number in columns:
        pipeline = Pipeline()
        pipeline.CopyFrom(base)
        names = _take_columns(pipeline, number - len(LABELS))
        wide = pa.table({name: table.column(source) for name, source in names.items()})
        for file_format in formats:
            path = folder / f"rows_{number}.{file_format}"
            _write(wide, path)
            yield Case("rows", _config(pipeline, path, repeats), number, file_format)


def history_cases(folder: Path, rows: int) -> Iterator[Case]:
    """Yields rows of one history each, see benchmarks/encoder.py, as lists of Parquet and as texts of CSV."""
    for number, (name, feature) in enumerate(encoder.FEATURES.items()):
        columns = encoder.columns_of(name, rows)
        fields = " ".join(f'input_fields {{ input_name: "{column}" input_type: STRING }}' for column in columns)
        text = f"""
            data_config {{ batch_size: 4096 num_epochs: 1 {fields} }}
            feature_config {{ features {{ feature_name: "f" {feature} }} }}
            model_config {{ feature_groups {{ group_name: "all" feature_names: "f" }} dbmtl {{ }} }}
        """
        items = len(pa.compute.list_flatten(columns["h"])) / rows
        texts = {column: _joined(values) for column, values in columns.items()}
        for file_format, table in (("parquet", columns), ("csv", texts)):
            path = folder / f"history_{number}.{file_format}"
            _write(pa.table(table), path)
            config = _config(text_format.Parse(text, Pipeline()), path, 1)
            yield Case(name, config, len(columns), file_format, items)


def _take_columns(pipeline: Pipeline, number: int) -> dict[str, str]:
    """Cuts a config down to so many features, or adds more like them; returns column -> the column it is a copy of."""
    features: list[FeatureConfig] = list(pipeline.feature_config.features)
    types = {one.input_name: one.input_type for one in pipeline.data_config.input_fields}
    names = {label: label for label in LABELS}
    del pipeline.feature_config.features[:]
    for place in range(number):
        feature = FeatureConfig()
        feature.CopyFrom(features[place % len(features)])
        source = feature.input_names[0]
        name = source if place < len(features) else f"{source}_{place // len(features)}"
        feature.input_names[:] = [name]
        pipeline.feature_config.features.append(feature)
        names[name] = source
    del pipeline.data_config.input_fields[:]
    for name, source in names.items():
        pipeline.data_config.input_fields.add(input_name=name, input_type=types[source])
    pipeline.model_config.feature_groups[0].feature_names[:] = [name for name in names if name not in LABELS]
    return names


def _write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd")
        return
    options = pyarrow.csv.WriteOptions(quoting_style="needed")
    with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
        pyarrow.csv.write_csv(table, file, options)


def _config(pipeline: Pipeline, path: Path, repeats: int) -> Path:
    """Writes a config that reads a file, and returns its path."""
    is_parquet = path.suffix == ".parquet"
    pipeline.train_input_path = ",".join([str(path)] * repeats)
    pipeline.data_config.input_type = DatasetConfig.ParquetInput if is_parquet else DatasetConfig.CSVInput
    pipeline.data_config.with_header = not is_parquet
    config = path.with_name(f"{path.name}.config")
    config.write_text(text_format.MessageToString(pipeline), encoding="utf-8")
    return config


def _joined(lists: pa.Array) -> pa.Array:
    """Returns lists as the texts of a history or of tags."""
    values = lists.values
    if pa.types.is_list(values.type):
        values = pa.compute.binary_join(values.cast(pa.list_(pa.string())), ";")
    texts = pa.ListArray.from_arrays(lists.offsets, values.cast(pa.string()))
    return pa.compute.binary_join(texts, "|")
