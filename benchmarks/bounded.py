"""A table with Adam's slots that one process of a bounded size refuses trains on two of a smaller one.

    python -m benchmarks.bounded [--table 1.5] [--one 4] [--each 3.5] [--steps 300] [--folder DIR]

Sizes are in GB. Each command is run behind `ulimit -d`: none of its processes may have more data of its own than that
(RLIMIT_DATA, which counts private writable memory, also what is reserved and not touched); what would go beyond it
fails. And none may have more in memory, files that it has mapped among it: that is looked at. The stacks of the 120
threads of a worker would count for 8 MiB each, of which they touch little: `ulimit -s` makes that less.

One process with the limit `--one` is to refuse before it begins. Two with the limit `--each` train together, evaluate,
save and export; then eval, predict and export do their work behind the same limit, and the scores of the export are
held against those of the checkpoint. Ends with 1 where something of this is not so.

    python -m benchmarks.bounded --formats [--table 1.07]

exports the table, and one of a thousand rows, in each format, behind no limit.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import easymtl
from benchmarks.watched import Ran, easymtl_command, markdown, run_bounded, ulimit

WIDTH = 64
BATCH_SIZE = 512
EVAL_ROWS = 20_000
_SLOTS = 2
_GB = 10**9
_CONFIG = """
train_input_path: "{folder}/train.parquet"
eval_input_path: "{folder}/eval.parquet"
model_dir: "{folder}/model"
train_config {{
  optimizer_config {{ adam_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.002 }} }} }} }}
  num_steps: {steps} save_checkpoints_steps: {half} keep_checkpoint_max: 1 log_step_count_steps: 100
}}
data_config {{
  batch_size: {batch_size} num_epochs: 0 label_fields: ["click", "like"]
  input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "like" input_type: INT32 }}
  input_fields {{ input_name: "item" input_type: INT64 }}
  input_fields {{ input_name: "place" input_type: INT64 }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: {rows} embedding_dim: {width} }}
  features {{ input_names: "place" feature_type: IdFeature num_buckets: 1000 embedding_dim: 16 }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: ["item", "place"] wide_deep: DEEP }}
  mmoe {{
    expert_dnn {{ hidden_units: [64, 32] }} num_expert: 3
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 16 }} }}
    task_towers {{ tower_name: "like" label_name: "like" dnn {{ hidden_units: 16 }} }}
  }}
}}
"""


class Case:
    """The data, the config, and the commands that were run.

    Attributes:
        config: its path.
        ran: the words of each command, its limit, and what became of it.
        problems: what is not as it should be.
    """

    def __init__(self, folder: Path, rows: int, steps: int):
        """Writes data and config.

        Args:
            folder: where to.
            rows: of the large table.
            steps: of the training.
        """
        self.config = str(folder / "bounded.config")
        self.ran: list[tuple[str, int | None, Ran]] = []
        self.problems: list[str] = []
        for seed, (name, num_rows) in enumerate({"train": 2 * BATCH_SIZE * steps, "eval": EVAL_ROWS}.items()):
            pq.write_table(some_rows(num_rows, rows, seed), folder / f"{name}.parquet")
        settings = {"folder": folder, "rows": rows, "width": WIDTH, "batch_size": BATCH_SIZE}
        Path(self.config).write_text(_CONFIG.format(**settings, steps=steps, half=-(-steps // 2)), encoding="utf-8")

    def run(self, limit: int | None, *words: str, shown: str = "", code: int = 0) -> str:
        """Runs `easymtl <words>` behind a limit, shows what it said, and returns it.

        Args:
            limit: bytes; None for any number.
            words: of the command.
            shown: the words as they are told; by itself the first one.
            code: the exit code that it has to end with.
        """
        shown = shown or words[0]
        begin = time.monotonic()
        done = run_bounded(easymtl_command(*words), limit)
        seconds = time.monotonic() - begin
        allowed = f"{ulimit(limit)} && " if limit else ""
        print(f"\n$ {allowed}easymtl {shown}  ({seconds:.0f} s, exit code {done.code})")
        print(done.text.rstrip(), flush=True)
        self.ran.append((shown, limit, done))
        self.require(done.code == code, f"{shown} ended with {done.code}")
        for one in done.processes:
            fits = limit is None or one.resident <= limit
            self.require(fits, f"{shown}: {one.title} had {one.resident / _GB:.2f} GB in memory")
        return done.text

    def require(self, is_so: bool, otherwise: str) -> None:
        """Notes a problem where something is not so."""
        if not is_so:
            self.problems.append(otherwise)


def some_rows(num_rows: int, num_items: int, seed: int) -> pa.Table:
    """Returns rows of items from the whole table, whose labels depend on a column that is easily learnt."""
    random = np.random.default_rng(seed)
    place = random.integers(0, 1000, num_rows)
    chance = 1 / (1 + np.exp(-2 * np.sin(place)))
    return pa.table(
        {
            "item": random.integers(0, num_items, num_rows),
            "place": place,
            "click": (random.random(num_rows) < chance).astype(np.int32),
            "like": (random.random(num_rows) < 0.5 * chance).astype(np.int32),
        }
    )


def refuses(case: Case, limit: int) -> None:
    """Has one process see that it is too small."""
    for verb in ("check", "train"):
        said = case.run(limit, verb, case.config, code=2)
        for wanted in ("does not fit in memory", "ulimit -d", "feature item", "launch --workers 2", "SHARDED"):
            case.require(wanted in said, f"{verb} does not say {wanted}")
    case.require("does not fit" in case.run(limit, "plan", case.config), "plan does not say that it does not fit")


def trains(case: Case, limit: int) -> None:
    """Has two processes train, evaluate, save and export."""
    launch = ("launch", "--workers", "2", "--")
    case.run(limit, "check", case.config, "--workers", "2", shown="check --workers 2")
    said = case.run(limit, *launch, "train", case.config, shown="launch --workers 2 -- train")
    case.require("Evaluation at step" in said, "there was no evaluation")
    case.run(limit, *launch, "eval", case.config, shown="launch --workers 2 -- eval")


def scores_alike(case: Case, limit: int) -> None:
    """Exports, and holds the scores of the export against those that two workers compute from the checkpoint."""
    folder = Path(case.config).parent
    rows = ("--input", str(folder / "eval.parquet"))
    files = [str(folder / f"{name}.parquet") for name in ("of_checkpoint", "of_export")]
    launched = ("launch", "--workers", "2", "--", "predict", case.config, *rows, "--output", files[0])
    case.run(limit, *launched, shown="launch --workers 2 -- predict")
    case.run(limit, "export", case.config)
    newest = str(max((folder / "model" / "export").glob("*/[0-9]*")))
    served = ("predict", case.config, *rows, "--output", files[1], "--saved_model", newest)
    case.run(limit, *served, shown="predict --saved_model")
    wanted, found = (pq.read_table(file) for file in files)
    names = [name for name in wanted.column_names if name in found.column_names]
    case.require(bool(names) and wanted.num_rows == found.num_rows == EVAL_ROWS, "there are not as many scores")
    largest = max(np.abs(wanted[name].to_numpy() - found[name].to_numpy()).max() for name in names)
    print(f"\n{EVAL_ROWS:,} rows, {', '.join(names)}: the largest difference of a score is {largest:.1e}")
    case.require(largest <= 1e-5, f"scores differ by {largest:.1e}")


def exports_all_formats(case: Case) -> None:
    """Exports a few steps of a training in each format: with few rows, which shows what is needed beside the table."""
    for rows, name in ((1000, "few rows"), (None, "all rows")):
        sized = (f"feature_config.features[0].hash_bucket_size={rows}", f"model_dir={case.config}.few") if rows else ()
        settings = [word for one in (*sized, "eval_config.num_examples=1000") for word in ("--set", one)]
        untold = ("--set", "export_config.exporter_type=none")
        case.run(None, "train", case.config, *settings, *untold, shown=f"train ({name})")
        for formats in ("SAVED_MODEL", "ONNX", "OPENVINO"):
            chosen = ("--set", f"export_config.formats=[{formats}]")
            case.run(None, "export", case.config, *settings, *chosen, shown=f"export, {formats} ({name})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all, prints a table of the processes, and returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=float, default=1.5, help="GB of the table, without its slots")
    parser.add_argument("--one", type=float, default=4.0, help="GB that one process may take")
    parser.add_argument("--each", type=float, default=3.5, help="GB that each process may take after that")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where a temporary folder is made")
    parser.add_argument("--formats", action="store_true", help="measure exports in other formats instead")
    options = parser.parse_args(arguments)
    rows = int(options.table * _GB) // (4 * WIDTH)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        case = Case(Path(name), rows, options.steps)
        if options.formats:
            exports_all_formats(case)
        else:
            refuses(case, int(options.one * _GB))
            for part in (trains, scores_alike):
                if not case.problems:
                    part(case, int(options.each * _GB))
    size = f"a table of {rows:,} rows x {WIDTH}, {4 * WIDTH * rows / _GB:.2f} GB, and {_SLOTS} slots as large"
    print(f"\neasymtl {easymtl.__version__}, {time.strftime('%Y-%m-%d')}, Linux {platform.release()}: {size}\n")
    print(markdown(case.ran))
    for problem in case.problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if case.problems else 0


if __name__ == "__main__":
    sys.exit(main())
