"""How long a request to an exported model takes: p50 and p99 of one call, by batch size, with text and without.

    python -m benchmarks.latency [NAME ...] [--calls 1000] [--threads 1,1 2,2] [--against FOLDER] [--out FILE]

Each sample config trains for a few steps and is exported as `easymtl export` does it; another process that has
TensorFlow and not easymtl loads the SavedModel and calls it, other rows in each request. The kinds of call take turns:
  raw columns    the signature that servers call: text and numbers as they are in the log
  encoder        the first part of it: from raw columns to numbers of rows of tables
  packed         the second part, as a graph of its own: the tables and the network
  nothing        a graph with the inputs and outputs of the first that does not compute: what a call costs in Python
  conversion     no call: making arrays of Python lists
`processor` is the median of the processor's time in a call, over all threads, which a busy machine disturbs less.

`--against` names another checkout of easymtl, in which its protos are built: its exports are made by it and called by
the same process, in turns, as `raw columns, before` and so on. `ratio` is the median over pairs of calls of the
processor's time over that of before.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.sample_data import CONFIGS, DataMissing, data_overrides, sample_name
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import Config, load_config

RESULTS = Path(__file__).parent / "results" / "latency.json"
DEFAULT_CONFIGS = ("dbmtl_on_taobao", "mmoe_on_census", "dbmtl_on_livestream")
ROWS = 20_000
BATCHES = (1, 128, 1024)
_TRAINING_STEPS = 20
# Requests have more than one number of rows here.
_EXPORT = ["export_config.exporter_type=none", "export_config.batch_size=-1"]
BEFORE = ", before"
_EXPORT_THERE = """
import json, sys
from pathlib import Path
from benchmarks.latency import export_sample
print(json.dumps(export_sample(sys.argv[1], Path(sys.argv[2]))))
"""


@dataclass(frozen=True)
class Latency:
    """What calls of one kind took.

    Attributes:
        p50: median, milliseconds.
        p99: what one call in a hundred takes longer than, milliseconds.
        processor: median of the processor's time over all threads, milliseconds.
        rows_per_second: of one caller that waits for each answer, at the median.
        calls: how many there were.
        ratio: processor's time over that of the same call before, where there is one.
    """

    p50: float
    p99: float
    processor: float
    rows_per_second: float
    calls: int
    ratio: float | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a table for each config, and writes all of it as JSON."""
    options = _options(arguments)
    found: dict[str, dict[str, dict[str, dict[str, Latency]]]] = {}
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            # The memory of training is not to be that of the server.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                try:
                    request = pool.apply(export_sample, (name, Path(folder)))
                except DataMissing as error:
                    print(f"{name}: left out: {error}", flush=True)
                    continue
            requests = {"": request}
            if options.against:
                requests[BEFORE] = export_there(options.against, name, Path(folder) / "before")
            found[name] = {threads: call(requests, threads, options.calls, Path(folder)) for threads in options.threads}
        Console(width=120).print(table(name, found[name]))
    if not found:
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    document = {
        name: {
            threads: {batch: {kind: asdict(one) for kind, one in kinds.items()} for batch, kinds in batches.items()}
            for threads, batches in by_threads.items()
        }
        for name, by_threads in found.items()
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {options.out}")


def export_sample(name: str, folder: Path) -> dict[str, str]:
    """Trains a sample config for some steps and exports it; returns the paths that `serving_calls` wants."""
    data = data_overrides(name, 5 * ROWS, ROWS, folder / "data")
    overrides = [f"model_dir={folder}/model", f"train_config.num_steps={_TRAINING_STEPS}"]
    config = load_config(str(CONFIGS / f"{name}.config"), [*data, *overrides, *_EXPORT])
    start_tensorflow()
    from easymtl.checkpoints.restore import find_checkpoint
    from easymtl.serving.export import export
    from easymtl.serving.saved_model import ServingModel
    from easymtl.training.trainer import Trainer

    trainer = Trainer(config, lambda event: None)
    trainer.run()
    exported = export(config.pipeline, find_checkpoint(config.pipeline), folder / "export")
    model = ServingModel(config.pipeline, trainer.ranker)
    _save_parts(model, exported.outputs, folder / "parts")
    _write_rows(config, model.form, folder / "rows.parquet")
    return {"export": str(exported.path), "parts": str(folder / "parts"), "rows": str(folder / "rows.parquet")}


def export_there(checkout: Path, name: str, folder: Path) -> dict[str, str]:
    """Returns what `export_sample` of another checkout does, by its own package."""
    folder.mkdir()
    command = [sys.executable, "-c", _EXPORT_THERE, name, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=checkout, env=environment)
    if run.returncode:
        raise SystemExit(f"{checkout}: {name} could not be exported:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def _save_parts(model, outputs: Sequence[str], folder: Path) -> None:
    """Saves what the signature is made of: the transforms, what is behind them, and the bare call."""
    import tensorflow as tf

    from easymtl.serving.signatures import ENCODE, ENCODED, Signature, save

    def nothing(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        length = tf.shape(next(iter(batch.values())))
        return {name: tf.identity(length) for name in outputs}

    made = model.signatures()
    signatures = {
        "transform": made[ENCODE],
        "packed": made[ENCODED],
        "nothing": Signature(nothing, model.form.specs()),
    }
    save(model, folder, signatures)


def _write_rows(config: Config, form, path: Path) -> None:
    """Writes the first evaluation rows as a server gets them."""
    from easymtl.config import view
    from easymtl.data.sources import open_source
    from easymtl.data.text_form import text_forms
    from easymtl.serving.request_rows import as_sent, sendable_part

    data, forms = config.pipeline.data_config, text_forms(config.pipeline)
    source = open_source(view.eval_input(config.pipeline), data, list(form.fields), forms=forms, fills_defaults=False)
    batches = (batch for block in source.blocks for batch in source.read(block))
    parts = [sendable_part(form, batch, batch)[0] for batch in batches]
    rows = pa.Table.from_batches(parts).slice(0, ROWS).unify_dictionaries().combine_chunks()
    columns = {name: rows[name].chunk(0) if rows[name].num_chunks else rows[name] for name in form.fields}
    pq.write_table(pa.table(as_sent(form, columns)), path)


def call(
    requests: Mapping[str, Mapping[str, str]], threads: str, calls: int, folder: Path
) -> dict[str, dict[str, Latency]]:
    """Returns what calls took in a process of its own, by batch size and kind.

    Args:
        requests: paths of what is called and of the rows, by what is put behind the kinds; all are called with the rows
            of the first.
        threads: between operations, and within one: "1,2".
        calls: of one row; larger batches have a fifth and a tenth of them.
        folder: where the request is written to.
    """
    inter, intra = (int(number) for number in threads.split(","))
    numbers = dict(zip(BATCHES, (calls, calls // 5, calls // 10)))
    path = folder / "request.json"
    asked = {"models": requests, "rows": requests[""]["rows"], "inter": inter, "intra": intra, "calls": numbers}
    path.write_text(json.dumps(asked), encoding="utf-8")
    # -I: neither the current folder nor PYTHONPATH is searched for modules.
    command = [sys.executable, "-I", str(Path(__file__).with_name("serving_calls.py")), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {run.returncode}:\n{run.stderr[-2000:]}")
    found = json.loads(run.stdout.splitlines()[-1])
    return {
        batch: {kind: latency(one, int(batch), kinds.get(kind + BEFORE)) for kind, one in kinds.items()}
        for batch, kinds in found.items()
    }


def latency(
    seconds: Sequence[Sequence[float]], batch_size: int, before: Sequence[Sequence[float]] | None = None
) -> Latency:
    """Returns the figures of calls, each (seconds, processor seconds); those of before have taken turns with them."""
    passed, processor = np.array(seconds).T * 1e3
    p50, p99 = np.percentile(passed, [50, 99])
    rate = batch_size * 1e3 / p50
    ratio = None if before is None else float(np.median(processor / (np.array(before)[:, 1] * 1e3)))
    return Latency(*(float(value) for value in (p50, p99, np.median(processor), rate)), len(passed), ratio)


def table(name: str, found: Mapping[str, Mapping[str, Mapping[str, Latency]]]) -> Table:
    """Returns a line for each setting of the threads, batch size and kind."""
    result = Table(title=f"{name}: milliseconds of a call")
    for heading in ("threads", "batch", "call"):
        result.add_column(heading)
    for heading in ("p50", "p99", "processor", "rows/s", "ratio"):
        result.add_column(heading, justify="right")
    for threads, batches in found.items():
        for batch, kinds in batches.items():
            for kind, one in kinds.items():
                rate = f"{one.rows_per_second:,.0f}" if kind.removesuffix(BEFORE) in ("raw columns", "packed") else ""
                times = [f"{value:.3f}" for value in (one.p50, one.p99, one.processor)]
                ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
                result.add_row(threads, batch, kind, *times, rate, ratio)
            result.add_section()
    return result


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", type=sample_name, default=DEFAULT_CONFIGS, help="sample configs"
    )
    parser.add_argument("--calls", type=int, default=1000, help="of one row")
    parser.add_argument("--threads", nargs="+", default=["1,1", "2,2"], help="between operations, within an operation")
    parser.add_argument("--against", type=lambda text: Path(text).resolve(), help="another checkout of easymtl")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
