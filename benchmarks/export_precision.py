"""What an export in fewer bytes saves and costs: bytes, metrics, scores and processor time, by precision.

    python -m benchmarks.export_precision [NAME ...] [--steps 400] [--rows 60000] [--eval_rows 20000] [--calls 50]

Each sample config is trained once and exported in each precision, as `easymtl export` does it, with what it measures:
the largest change of an AUC on the evaluation rows, the largest change of a probability, and the difference that was
left between the SavedModel and the checkpoint in the same precision, beside the tolerance that it was held to. `ms` is
the processor's time of a call of `encoded`, one thread, median, for 1 and 1,024 rows.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.sample_data import DataMissing, data_overrides, sample_path
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import Config, load_config

DEFAULT_CONFIGS = ("dbmtl_on_livestream",)
PRECISIONS = (
    ("FLOAT32", "FLOAT32"),
    ("FLOAT32", "FLOAT16"),
    ("FLOAT32", "BFLOAT16"),
    ("FLOAT32", "INT8"),
    ("FLOAT16", "FLOAT32"),
    ("BFLOAT16", "FLOAT32"),
    ("BFLOAT16", "INT8"),
)
BATCHES = (1, 1024)
_HEADERS = ("products", "rows", "tables", "network", "all files", "AUC", "probability", "proof", "ms, 1", "ms, 1,024")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, and prints a table for each config."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(DEFAULT_CONFIGS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--eval_rows", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=50)
    options = parser.parse_args(arguments)
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    start_tensorflow()
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                data = data_overrides(name, options.rows, options.eval_rows, Path(folder))
            except DataMissing as error:
                print(f"{name}: left out: {error}", flush=True)
                continue
            own = ["export_config.exporter_type=none", "export_config.max_auc_change=1", f"model_dir={folder}/model"]
            config = load_config(str(sample_path(name)), [*data, *own, f"train_config.num_steps={options.steps}"])
            table = Table(*_HEADERS, title=f"{name}, {options.steps} steps")
            for row in measured(config, Path(folder), options.calls):
                table.add_row(*row)
            Console(width=140).print(table)


def measured(config: Config, folder: Path, calls: int) -> Iterator[tuple[str, ...]]:
    """Trains a config and yields a row of the table for each precision."""
    from easymtl.checkpoints.restore import find_checkpoint
    from easymtl.protos import export_pb2
    from easymtl.serving.export import export
    from easymtl.serving.narrowing import Narrowing, guarded
    from easymtl.training.trainer import Trainer

    Trainer(config, lambda event: None).run()
    checkpoint = find_checkpoint(config.pipeline)
    for products, rows in PRECISIONS:
        config.pipeline.export_config.precision = config.pipeline.export_config.Precision.Value(products)
        config.pipeline.export_config.row_precision = export_pb2.RowPrecision.Value(rows)
        done = export(config.pipeline, checkpoint, folder / "exports")
        lost = done.narrowing or Narrowing()
        aucs = [lost.after[name] - lost.before[name] for name in guarded(config.pipeline, lost)]
        probabilities = [change for name, change in lost.score_changes.items() if name.startswith("probs_")]
        yield (
            products,
            rows,
            f"{done.sizes.tables:,}",
            f"{done.sizes.network:,}",
            f"{sum(one.stat().st_size for one in done.path.rglob('*') if one.is_file()):,}",
            f"{max(aucs, key=abs, default=0.0):+.1e}",
            f"{max(probabilities, default=0.0):.1e}",
            f"{done.parity.largest_difference:.0e} of {done.parity.tolerance:.0e}" if done.parity else "",
            *(f"{milliseconds(done.path, batch, calls):.2f}" for batch in BATCHES),
        )


def milliseconds(folder: Path, batch: int, calls: int) -> float:
    """Returns the processor's time of a call of `encoded` with so many rows, the median of some calls."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    encode, encoded = (model.signatures[name] for name in ("encode", "encoded"))
    request = {
        name: tf.zeros([batch, *(1 for _ in spec.shape[1:])], spec.dtype)
        if spec.dtype != tf.string
        else tf.constant([f"value {row}" for row in range(batch)])
        for name, spec in encode.structured_input_signature[1].items()
    }
    packed = encode(**request)
    seconds = []
    for _ in range(calls + 5):
        begin = time.process_time()
        encoded(**packed)
        seconds.append(time.process_time() - begin)
    return 1000 * float(np.median(seconds[5:]))


if __name__ == "__main__":
    main()
