"""The data of sample configs: made up where `easymtl synth` can, else taken from where samples/README.md puts it.

    python -m benchmarks.sample_data NAME [--rows 100000]

writes the data of a config of samples/tour to where the config reads it, in the form in which it reads it: that may be
CSV with another separator, or TFRecord, which `easymtl synth` does not write.
"""

import argparse
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from easymtl.config import Config, load_config, view
from easymtl.data.record_frames import checksums
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.example_pb2 import Example
from easymtl.synth import DATA_SETS, read_batches, write

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "samples" / "configs"
TOUR = ROOT / "samples" / "tour"
EXTENSION = ROOT / "samples" / "extension"
"""Its config needs the package beside it installed: tests/samples/test_extension.py trains it."""
PARTS = ("train", "eval")
ROWS, EVAL_ROWS = 100_000, 20_000


class DataMissing(Exception):
    """The data of a config is not there and cannot be made up; the message says how to get it."""


def sample_names() -> list[str]:
    """Returns the names of the sample configs that stand for an architecture on a data set."""
    return sorted(path.stem for path in CONFIGS.glob("*.config"))


def sample_name(text: str) -> str:
    """Returns the name of a sample config, for a parser of arguments.

    Raises:
        ArgumentTypeError: there is none of the name.
    """
    if text not in sample_names():
        raise argparse.ArgumentTypeError(f"no such sample config: {text}")
    return text


def sample_paths() -> list[Path]:
    """Returns the paths of all sample configs, those of the tour through all fields at the end."""
    return [path for folder in (CONFIGS, TOUR) for path in sorted(folder.glob("*.config"))]


def sample_path(name: str) -> Path:
    """Returns the path of the sample config of a name."""
    return next((path for path in sample_paths() if path.stem == name), CONFIGS / f"{name}.config")


def data_set_of(config: Config) -> str:
    """Returns the data set that a sample config reads: `census` of `samples/data/census/train.parquet`."""
    return Path(view.train_input(config.pipeline)).parent.name


def data_overrides(name: str, num_rows: int, eval_rows: int, folder: Path) -> list[str]:
    """Returns the overrides that point a sample config to its data; none if the config makes its rows up.

    Synthetic data is made below `folder`, unless it is there: the files in samples/data may have any number of rows.

    Args:
        name: of the sample config.
        num_rows: rows of the training file, if it is made.
        eval_rows: rows of the evaluation file, if it is made.
        folder: for what is made.

    Raises:
        DataMissing: it cannot be made, and is not in samples/data.
    """
    config = load_config(str(sample_path(name)))
    if config.pipeline.data_config.input_type == DatasetConfig.DummyInput:
        return []
    data_set = data_set_of(config)
    paths = {"train": ROOT / view.train_input(config.pipeline), "eval": ROOT / view.eval_input(config.pipeline)}
    if data_set in DATA_SETS:
        own = data_set if _is_as_written(data_set, config.pipeline.data_config) else name
        paths = _made(data_set, config.pipeline.data_config, num_rows, eval_rows, folder / f"{own}_{num_rows}")
    missing = [path for path in paths.values() if not path.exists()]
    if missing:
        raise DataMissing(
            f"{missing[0].relative_to(ROOT)} is not there: samples/README.md says where the {data_set} data comes from "
            "and how it is converted"
        )
    overrides = [f"{part}_input_path={path}" for part, path in paths.items()]
    if config.pipeline.eval_config.calibration_input_path:
        overrides.append(f"eval_config.calibration_input_path={paths['eval']}")
    if config.pipeline.data_config.encoded_cache.path:
        overrides.append(f"data_config.encoded_cache.path={folder / 'encoded_cache'}")
    return overrides


def _made(data_set: str, data: DatasetConfig, num_rows: int, eval_rows: int, folder: Path) -> dict[str, Path]:
    if not _is_as_written(data_set, data):
        paths = {part: folder / f"{part}{_ending(data)}" for part in PARTS}
        for (part, path), rows in zip(paths.items(), (num_rows, eval_rows)):
            if not path.exists():
                write_as_read(data_set, data, path, rows, part)
        return paths
    suffix = DATA_SETS[data_set].format
    paths = {part: folder / f"{part}.{suffix}" for part in PARTS}
    if not all(path.exists() for path in paths.values()):
        write(data_set, num_rows, out=folder, eval_rows=eval_rows)
    return paths


def _is_as_written(data_set: str, data: DatasetConfig) -> bool:
    """Returns whether a config reads a data set in the form in which `easymtl synth` writes it."""
    if _is_parquet(data):
        return DATA_SETS[data_set].format == "parquet"
    is_csv = DATA_SETS[data_set].format == "csv" and data.input_type != DatasetConfig.TFRecordInput
    return is_csv and data.separator == "," and not data.with_header


def _is_parquet(data: DatasetConfig) -> bool:
    return DatasetConfig.InputType.Name(data.input_type).startswith("Parquet")


def _ending(data: DatasetConfig) -> str:
    return ".tfrecord" if data.input_type == DatasetConfig.TFRecordInput else ".txt"


def write_as_read(data_set: str, data: DatasetConfig, path: Path, num_rows: int, part: str) -> None:
    """Writes rows of a synthetic data set as a data_config reads them: its columns, in its order and form."""
    names = [name for field in data.input_fields for name in view.expand_range(field.input_name)]
    batches = (batch.select(names) for batch in read_batches(data_set, num_rows, part=part))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    if data.input_type == DatasetConfig.TFRecordInput:
        _write_records(partial, batches)
    else:
        _write_csv(partial, data, names, batches)
    partial.replace(path)


def _write_csv(path: Path, data: DatasetConfig, names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> None:
    style = "needed" if data.quote else "none"
    options = pa.csv.WriteOptions(include_header=False, delimiter=data.separator, quoting_style=style)
    with path.open("wb") as file:
        if data.with_header:  # By hand: Arrow quotes a header whatever the style.
            file.write((data.separator.join(names) + "\n").encode())
        for batch in batches:
            pa.csv.write_csv(batch, file, options)


def _write_records(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    with path.open("wb") as file:
        for batch in batches:
            records = [_example(row) for row in batch.to_pylist()]
            lengths = [struct.pack("<Q", len(record)) for record in records]
            ends = zip(lengths, checksums(lengths), records, checksums(records))
            for length, of_length, record, of_record in ends:
                file.write(length + struct.pack("<I", of_length) + record + struct.pack("<I", of_record))


def _example(row: dict) -> bytes:
    """Returns a row as a serialized tf.train.Example; a value that is null is left out."""
    example = Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value] if value is not None else []
        feature = example.features.feature[name]
        if values and isinstance(values[0], str):
            feature.bytes_list.value.extend(one.encode() for one in values)
        elif values and isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        elif values:
            feature.float_list.value.extend(values)
    return example.SerializeToString()


def num_parquet_rows(path: str) -> int:
    """Returns the rows of a Parquet file."""
    return pq.ParquetFile(path).metadata.num_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the data of a sample config to where it reads it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [path.stem for path in sample_paths()]
    parser.add_argument("name", metavar="NAME", choices=names, help="a sample config")
    parser.add_argument("--rows", type=int, default=ROWS, help="of training data")
    options = parser.parse_args(arguments)
    pipeline = load_config(str(sample_path(options.name))).pipeline
    data, paths = pipeline.data_config, dict(zip(PARTS, (view.train_input(pipeline), view.eval_input(pipeline))))
    data_set, num_rows = Path(paths["train"]).parent.name, dict(zip(PARTS, (options.rows, max(options.rows // 5, 1))))
    if data_set not in DATA_SETS:
        print(f"{options.name} reads no data that can be made up.")
        return 1
    if _is_as_written(data_set, data):
        write(data_set, options.rows, out=(ROOT / paths["train"]).parent, eval_rows=num_rows["eval"])
    else:
        for part, path in paths.items():
            write_as_read(data_set, data, ROOT / path, num_rows[part], part)
    print("\n".join(f"{part}: {path}" for part, path in paths.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
