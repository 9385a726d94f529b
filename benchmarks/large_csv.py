"""Memory of reading and training on a CSV file larger than what may be held: it stays flat.

    python benchmarks/large_csv.py [--gigabytes 5] [--folder benchmarks/large] [--steps 500]

Makes a taobao CSV, passes once over all of it with the feed of training, then trains 500 steps at its start, in its
middle and at its end (by moving the position that a checkpoint holds), each in a process of its own, and prints the
peak memory of each.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from easymtl.config import load_config, view
from easymtl.data.feed import Cursor
from easymtl.data.sources import open_source
from easymtl.synth import write

CONFIG = Path(__file__).parent.parent / "samples" / "configs" / "dbmtl_on_taobao.config"
BYTES_PER_ROW = 110
LIMIT_GIB = 2.0


def main() -> int:
    """Measures everything, prints a line for each part and returns 1 if one is above 2 GiB."""
    options = _options()
    if options.read:
        _read_all(options.read)
        return 0
    if options.move:
        _move(options.move[0], int(options.move[1]))
        return 0
    data = _data(options.folder, int(options.gigabytes * 1e9 / BYTES_PER_ROW))
    print(f"{data}: {data.stat().st_size / 1e9:.2f} GB")
    me = [sys.executable, __file__]
    peaks = [_measured("one pass of the feed", [*me, "--read", str(data)])]
    num_blocks = len(_source(str(data)).blocks)
    for name, block in (("start", 0), ("middle", num_blocks // 2), ("end", max(num_blocks - 40, 0))):
        peaks.append(_train(options.folder / f"model_{name}", data, block, options.steps, name, me))
    return int(max(peaks) > LIMIT_GIB)


def _train(model_dir: Path, data: Path, block: int, num_steps: int, name: str, me: list[str]) -> float:
    shutil.rmtree(model_dir, ignore_errors=True)
    overrides = [f'train_input_path="{data}"', 'eval_input_path=""', f'model_dir="{model_dir}"']
    overrides += ["export_config.exporter_type=none", "train_config.log_step_count_steps=100"]
    if block:
        _run_train([*overrides, "train_config.num_steps=1"])
        subprocess.run([*me, "--move", str(model_dir), str(block)], check=True)
    return _measured(
        f"{num_steps} steps at the {name}", _train_command([*overrides, f"train_config.num_steps={num_steps}"])
    )


def _train_command(overrides: list[str]) -> list[str]:
    command = [sys.executable, "-m", "easymtl", "train", "--pipeline_config", str(CONFIG)]
    return [*command, *(part for override in overrides for part in ("--set", override))]


def _run_train(overrides: list[str]) -> None:
    subprocess.run(_train_command(overrides), check=True, stdout=subprocess.DEVNULL)


def _measured(name: str, command: list[str]) -> float:
    """Runs a command, prints its time and peak memory, and returns the peak in GiB."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last = [line for line in process.stdout if "examples/s" in line or "rows" in line][-1:]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name}: exit code {process.returncode}")
    peak = usage.ru_maxrss / 2**20
    seconds = time.perf_counter() - begin
    print(f"{name:<24} peak {peak:.2f} GiB  {seconds:6.0f} s  {''.join(last).strip()}", flush=True)
    return peak


def _data(folder: Path, num_rows: int) -> Path:
    path = folder / "train.csv"
    if not path.exists():
        write("taobao", num_rows, out=folder, eval_rows=4096)
    return path


def _source(path: str):
    config = load_config(str(CONFIG), [f'train_input_path="{path}"'])
    fields = list(view.used_fields(config.pipeline))
    return open_source(path, config.pipeline.data_config, fields)


def _read_all(path: str) -> None:
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.data.feed import MIN_WINDOW_ROWS, Feed
    from easymtl.features.encoder import Encoder
    from easymtl.features.feature_set import FeatureSet
    from easymtl.tasks.build import build_tasks, number_columns

    pipeline = load_config(str(CONFIG), [f'train_input_path="{path}"']).pipeline
    encoder = Encoder(FeatureSet(pipeline), number_columns(build_tasks(pipeline)))
    source = open_source(path, pipeline.data_config, encoder.fields)
    num_rows, begin = 0, time.perf_counter()
    with Feed(source, encoder, 4096, shuffle=True, window_rows=MIN_WINDOW_ROWS) as feed:
        for batch in feed:
            num_rows += batch.rows.num_rows
    print(f"{num_rows:,} rows, {num_rows / (time.perf_counter() - begin):,.0f} rows/s")


def _move(model_dir: str, block: int) -> None:
    """Moves the position that the newest checkpoint holds to the beginning of a block."""
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.checkpoints.folder import CheckpointFolder

    folder = CheckpointFolder(model_dir)
    checkpoint = folder.latest()
    state = {**checkpoint.state(), "cursor": Cursor(0, block, 0, 0).to_dict()}
    folder.rewrite_state(
        checkpoint, {name: state[name] for name in state if name not in ("format_version", "step", "files", "seal")}
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/large"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--move", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
