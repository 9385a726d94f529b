"""The data of sample configs: made up where `easymtl synth` can, else taken from where samples/README.md puts it."""

from pathlib import Path

import pyarrow.parquet as pq

from easymtl.config import Config, load_config, view
from easymtl.synth import DATA_SETS, write

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "samples" / "configs"


class DataMissing(Exception):
    """The data of a config is not there and cannot be made up; the message says how to get it."""


def sample_names() -> list[str]:
    """Returns the names of all sample configs."""
    return sorted(path.stem for path in CONFIGS.glob("*.config"))


def data_set_of(config: Config) -> str:
    """Returns the data set that a sample config reads: `census` of `samples/data/census/train.parquet`."""
    return Path(view.train_input(config.pipeline)).parent.name


def data_overrides(name: str, num_rows: int, eval_rows: int, folder: Path) -> list[str]:
    """Returns the overrides that point a sample config to its data.

    Synthetic data is made below `folder`, unless it is there: the files in samples/data may have any number of rows.

    Args:
        name: of the sample config.
        num_rows: rows of the training file, if it is made.
        eval_rows: rows of the evaluation file, if it is made.
        folder: for what is made.

    Raises:
        DataMissing: it cannot be made, and is not in samples/data.
    """
    config = load_config(str(CONFIGS / f"{name}.config"))
    data_set = data_set_of(config)
    paths = {"train": ROOT / view.train_input(config.pipeline), "eval": ROOT / view.eval_input(config.pipeline)}
    if data_set in DATA_SETS:
        paths = _made(data_set, num_rows, eval_rows, folder / f"{data_set}_{num_rows}")
    missing = [path for path in paths.values() if not path.exists()]
    if missing:
        raise DataMissing(
            f"{missing[0].relative_to(ROOT)} is not there: samples/README.md says where the {data_set} data comes from "
            "and how it is converted"
        )
    return [f"{part}_input_path={path}" for part, path in paths.items()]


def _made(data_set: str, num_rows: int, eval_rows: int, folder: Path) -> dict[str, Path]:
    suffix = DATA_SETS[data_set].format
    paths = {part: folder / f"{part}.{suffix}" for part in ("train", "eval")}
    if not all(path.exists() for path in paths.values()):
        write(data_set, num_rows, out=folder, eval_rows=eval_rows)
    return paths


def num_parquet_rows(path: str) -> int:
    """Returns the rows of a Parquet file."""
    return pq.ParquetFile(path).metadata.num_rows
