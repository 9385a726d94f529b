"""The small project in which each mistake of `cases.py` is made: one config, a few rows, and a command run there."""

import io
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from easymtl.cli import main
from easymtl.reporting import output
from easymtl.reporting.phases import Silent

CONFIG = """\
train_input_path: "train.csv"
eval_input_path: "eval.csv"
model_dir: "model"
train_config {
  optimizer_config {
    adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }
  }
  num_steps: 2
}
export_config { exporter_type: "none" }
data_config {
  batch_size: 8
  label_fields: ["click", "order", "seconds"]
  input_fields { input_name: "click" input_type: INT32 }
  input_fields { input_name: "order" input_type: INT32 }
  input_fields { input_name: "seconds" input_type: FLOAT }
  input_fields { input_name: "user" input_type: STRING }
  input_fields { input_name: "tags" input_type: STRING }
  input_fields { input_name: "price" input_type: FLOAT }
}
feature_config {
  features { input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
  features { input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 }
  features { input_names: "price" feature_type: RawFeature }
}
model_config {
  feature_groups { group_name: "all" feature_names: ["user", "tags", "price"] }
  dbmtl {
    bottom_dnn { hidden_units: [8, 6] }
    task_towers {
      tower_name: "ctr"
      label_name: "click"
      dnn { hidden_units: [4] }
      metrics_set { auc { } }
    }
    task_towers {
      tower_name: "cvr"
      label_name: "order"
      dnn { hidden_units: [4] }
      metrics_set { auc { } }
      relation_tower_names: "ctr"
    }
    task_towers {
      tower_name: "stay"
      label_name: "seconds"
      loss_type: L2_LOSS
      metrics_set { mean_squared_error { } }
    }
  }
}
"""
FOLDER = "/project"
"""What stands in messages for the folder of a project."""
NAMES = ("click", "order", "seconds", "user", "tags", "price")


class Outcome(NamedTuple):
    """How a command ended: its exit code, what it printed, and what it said to standard error."""

    code: int
    out: str
    message: str


class Project:
    """A folder with the config and its data; a command sees only relative paths, so messages are the same anywhere."""

    def __init__(self, folder: Path, config: str = CONFIG):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write("x.config", config)
        self.write("train.csv", rows(24))
        self.write("eval.csv", rows(12))

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def replace(self, name: str, *changes: tuple[str, str]) -> None:
        """Replaces the first occurrence of each text, which must be there."""
        self.write(name, replaced((self.folder / name).read_text(encoding="utf-8"), *changes))

    def run(self, command: str) -> Outcome:
        """Runs `easymtl COMMAND` in this process and in the folder, on a machine where nothing takes long."""
        silent = mock.patch.object(output, "PlainPhases", lambda stream: Silent())
        with _inside(self.folder), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, silent:
            try:
                code = main(shlex.split(command))
            except SystemExit as end:
                code = end.code
        return Outcome(code, *(text.getvalue().replace(str(self.folder.resolve()), FOLDER) for text in (out, err)))


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Returns a text after the first occurrence of each part, which must be there, became another."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in the text"
        text = text.replace(old, new, 1)
    return text


def rows(count: int, names: Sequence[str] = NAMES) -> str:
    """Returns CSV lines of the named columns, without a header."""
    lines = []
    for row in range(count):
        values = {
            "click": row % 2,
            "order": int(row % 5 == 0),
            "seconds": row * 1.5,
            "user": f"u{row % 7}",
            "tags": f"a{row % 3}|b{row % 4}",
            "price": row / 4,
        }
        lines.append(",".join(str(values[name]) for name in names))
    return "\n".join(lines) + "\n"


def to_parquet(change: Callable[[pa.Table], pa.Table] = lambda table: table) -> Callable[[Project], None]:
    """Returns an edit that writes train.parquet and eval.parquet with the rows of the CSV files, changed."""

    def edit(project: Project) -> None:
        options = pyarrow.csv.ReadOptions(column_names=NAMES)
        types = {"click": pa.int32(), "order": pa.int32(), "seconds": pa.float32(), "price": pa.float32()}
        for part in ("train", "eval"):
            table = pyarrow.csv.read_csv(
                project.folder / f"{part}.csv", options, convert_options=pyarrow.csv.ConvertOptions(column_types=types)
            )
            pq.write_table(change(table), project.folder / f"{part}.parquet")

    return edit


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
