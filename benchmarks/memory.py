"""What the peak of memory of a training is made of: `python -m benchmarks.memory [--rows 8000000]`.

The taobao DBMTL is trained by processes of their own, each with one thing more than the one before it:

    libraries   Python with TensorFlow and easymtl, before a model is there (the first process tells)
    step        small tables, made-up rows: the dense network, its activations and products
    tables      large tables and the two slots that Adam keeps for each of them
    feed        rows from Parquet: two windows in which they are shuffled, batches that are ready, and what Arrow has
                read of the files at once, of which it tells the most
    save        checkpoints that are written beside the steps, from a copy of tables and slots

A line holds what a process had at its peak against what is expected of it: the peak of the process before it, and what
is known of the one thing more (`easymtl check` adds up the same). What is left over is the rest, as a share of the
peak.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from benchmarks.processes import own_peak
from benchmarks.workloads import DataFiles, SetSize, vocabulary, workload_named
from easymtl.config import load_config
from easymtl.features.declarations import table_sizes
from easymtl.features.machine_memory import size_text
from easymtl.features.memory import tables_rule
from easymtl.features.memory_needs import Needs, needs_of

SMALL_ROWS = 100_000
PARTS = ("step", "tables", "feed", "save")
_SIZES = {"taobao": SetSize(400_000, 1_000, 2)}
_STEPS, _SAVE_AT = 60, 20
_MADE_UP = "data_config.input_type=DummyInput"
_QUIET = ("train_config.save_summary_steps=0", "export_config.exporter_type=none", "eval_input_path=")


@dataclass(frozen=True)
class Line:
    """What one process had.

    Attributes:
        name: of the one thing that it has more.
        peak: of its memory, in bytes.
        before: peak of the process before it, or of the libraries alone.
        known: bytes of the one thing more; None where nothing is known of it beforehand.
    """

    name: str
    peak: int
    before: int
    known: int | None

    @property
    def rest(self) -> float | None:
        """Returns which share of the peak is not explained, below 0 where less was taken than expected."""
        return None if self.known is None else (self.peak - self.before - self.known) / self.peak


def lines(found: Mapping[str, Mapping[str, int]], known: Mapping[str, int]) -> list[Line]:
    """Returns a line for each process.

    Args:
        found: of each part, the bytes of its `peak` and of its `libraries`.
        known: bytes of parts that are known beforehand.
    """
    result: list[Line] = []
    before = next(iter(found.values()))["libraries"]
    for name, said in found.items():
        result.append(Line(name, said["peak"], before, known.get(name)))
        before = said["peak"]
    return result


def known_bytes(large: Needs, small: Needs, feed: int) -> dict[str, int]:
    """Returns what is known of the parts: of large tables beside small ones, of a feed, of the copy of a save."""
    tables = large.tables + large.slots
    return {"tables": tables - small.tables - small.slots, "feed": feed, "save": tables}


def table(found: Sequence[Line]) -> str:
    """Returns the lines as Markdown."""
    head = ["| More than the process before | Known | Measured | Peak | Not explained |", "|---|---|---|---|---|"]
    for one in found:
        known = "-" if one.known is None else size_text(one.known)
        rest = "-" if one.rest is None else f"{one.rest:+.1%}"
        head.append(f"| {one.name} | {known} | {size_text(one.peak - one.before)} | {size_text(one.peak)} | {rest} |")
    return "\n".join(head)


def overrides_of(part: str, data: Sequence[str], many: Sequence[str], few: Sequence[str]) -> list[str]:
    """Returns the changes of the config with which a process has one thing more than that of the part before it."""
    number = PARTS.index(part)
    return [
        *data,
        *(many if number >= PARTS.index("tables") else few),
        *([] if number >= PARTS.index("feed") else [_MADE_UP]),
        f"train_config.save_checkpoints_steps={_SAVE_AT if part == 'save' else 0}",
        *_QUIET,
    ]


def train_and_tell(config: str, overrides: Sequence[str]) -> dict[str, int]:
    """Trains; returns the bytes before there was a model, those of the peak before the last checkpoint, and Arrow's."""
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.training import events
    from easymtl.training.trainer import Trainer

    found = {"libraries": own_peak() or 0}

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            # That of the end, for which steps wait, is made without a copy.
            found["peak"] = own_peak() or 0

    Trainer(load_config(config, overrides), listen).run()
    return {**found, "arrow": pa.default_memory_pool().max_memory() or 0}


def measure(folder: Path, rows: int, tell) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Returns what each process had, and what is known beforehand.

    Args:
        folder: for the data.
        rows: of the large tables together.
        tell: is told what is being done.
    """
    workload = workload_named("taobao_dbmtl")
    path = workload.write_config(folder)
    data = [*DataFiles(folder / "data", _SIZES).overrides(workload), f"train_config.num_steps={_STEPS}"]
    data += ["train_config.log_step_count_steps=1", "train_config.mixed_precision=FLOAT32"]
    few, many = (vocabulary(load_config(str(path)), size) for size in (SMALL_ROWS, rows))
    found: dict[str, dict[str, int]] = {}
    for part in PARTS:
        tell(f"{part}: {_STEPS} steps")
        with tempfile.TemporaryDirectory() as model_dir:
            changes = [*overrides_of(part, data, many, few), f"model_dir={model_dir}"]
            command = [sys.executable, "-m", "benchmarks.memory", "--child", str(path), *changes]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[part] = json.loads(done.stdout.splitlines()[-1])
    large, small = (_needs(path, [*data, *changes]) for changes in (many, few))
    return found, known_bytes(large, small, encoded_bytes(path, data) + found["feed"]["arrow"])


def encoded_bytes(path: Path, data: Sequence[str]) -> int:
    """Returns the bytes of the encoded rows that a feed has at most: two windows, and the batches that are ready."""
    from easymtl.data.feed import MIN_WINDOW_ROWS
    from easymtl.tasks.ranker import Ranker
    from easymtl.training.inputs import TrainingInput

    pipeline = load_config(str(path), data).pipeline
    with TrainingInput(pipeline, Ranker(pipeline), None).feed as feed:
        rows = next(feed).rows
    settings = pipeline.data_config
    return (2 * MIN_WINDOW_ROWS + settings.prefetch_size * settings.batch_size) * rows.nbytes // len(rows)


def _needs(path: Path, overrides: Sequence[str]) -> Needs:
    pipeline = load_config(str(path), overrides).pipeline
    return needs_of(table_sizes(pipeline), tables_rule(pipeline))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000_000, help="of the large tables together")
    parser.add_argument("--child", nargs="+", metavar="CONFIG", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(train_and_tell(options.child[0], options.child[1:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        found, known = measure(Path(folder), options.rows, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(lines(found, known)))


if __name__ == "__main__":
    main()
