"""How long a checkpoint holds the steps up, how much a delta writes, and what it costs to know which rows changed.

    python benchmarks/saving.py [--gib 1] [--rounds 3] [--folder DIR]
    python benchmarks/saving.py --workers 2

Makes a model with one table of some GiB, which adagrad keeps a slot of the same size for, and saves it in turns: as a
training that waits does, from a copy, and of the rows that have changed alone. Several workers have the rows dealt out
to them, and save together. Times are those of one run on one machine: the ratio is what they are for.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.changed_rows import ChangedRows, counts_of
from easymtl.checkpoints.deltas import DELTA, Base, DeltaWeights
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.weights import Weights
from easymtl.config import load_config
from easymtl.launch.ports import Ports
from easymtl.peers.cluster import VARIABLE, Cluster, join, read_cluster
from easymtl.peers.peers import ONE, Peers
from easymtl.peers.workers import Workers
from easymtl.tasks.ranker import Ranker
from easymtl.training.optimizers import Optimizers
from easymtl.training.saving import SavingTogether
from easymtl.training.touched_rows import TouchedRows

WIDTH = 32
TABLE = "input_layer/item_embedding/embedding_weights"
SHARES = (0.01, 0.1)
STEP_ROWS = 20_000
_CONFIG = """
train_input_path: "none" model_dir: "{folder}"
train_config {{
  optimizer_config {{ adagrad_optimizer {{ learning_rate {{ constant_learning_rate {{ learning_rate: 0.01 }} }} }} }}
  num_steps: 1 mixed_precision: FLOAT32
}}
data_config {{
  batch_size: 32 label_fields: "click" input_fields {{ input_name: "click" input_type: INT32 }}
  input_fields {{ input_name: "item" }}
}}
feature_config {{
  features {{ input_names: "item" feature_type: IdFeature hash_bucket_size: {rows} embedding_dim: {width} }}
}}
model_config {{
  feature_groups {{ group_name: "all" feature_names: "item" wide_deep: DEEP }}
  mmoe {{ expert_dnn {{ hidden_units: 8 }} num_expert: 2
    task_towers {{ tower_name: "ctr" label_name: "click" dnn {{ hidden_units: 4 }} }} }}
}}
"""


class Model:
    """The model, and where its checkpoints are."""

    def __init__(self, folder: Path, rows: int, owners: Peers = ONE):
        path = folder / f"saving-{owners.index}.config"
        path.write_text(_CONFIG.format(folder=folder, rows=rows, width=WIDTH))
        pipeline = load_config(str(path)).pipeline
        self.ranker = Ranker(pipeline, owners)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        self.table = self.ranker.parameters[TABLE]
        optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, self.ranker.dense_variables)
        self.weights = Weights(self.ranker, optimizers)
        self.folder = CheckpointFolder(folder / "model")
        self._step = 0

    def save(self, weights: object, state: dict) -> Checkpoint:
        """Writes the next checkpoint."""
        self._step += 1
        return self.folder.save(self._step, weights, state)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Removes all checkpoints."""
        shutil.rmtree(self.folder.path, ignore_errors=True)


def main() -> int:
    """Measures, and prints a table of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    rows = int(options.gib * 2**30 / (4 * WIDTH))
    if VARIABLE in os.environ:
        _as_worker(options.folder, rows, options.rounds)
        return 0
    if options.workers > 1:
        return _together(options)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        model = Model(Path(name), rows)
        print(f"a table of {rows:,} rows x {WIDTH} = {options.gib:g} GiB and a slot of it")
        _holding(model, options.rounds)
        _deltas(model, options.rounds)
        _tracking(model)
    return 0


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def _holding(model: Model, rounds: int) -> None:
    """Saves in turns with and without a copy; the step is held up by the whole or by the copy."""
    held: dict[str, list[float]] = {"waits": [], "from a copy": []}
    written: list[float] = []
    for _ in range(rounds):
        model.clear()
        held["waits"].append(_timed(lambda: model.save(model.weights, {}))[0])
        model.clear()
        seconds, copy = _timed(model.weights.copied)
        held["from a copy"].append(seconds)
        thread = threading.Thread(target=lambda copy=copy: written.append(_timed(lambda: model.save(copy, {}))[0]))
        del copy
        thread.start()
        thread.join()
    medians = {name: statistics.median(times) for name, times in held.items()}
    for name, times in held.items():
        print(f"steps held up, {name:<12} {medians[name]:6.2f} s   ({', '.join(f'{one:.2f}' for one in times)})")
    print(f"written beside them        {statistics.median(written):6.2f} s")
    print(f"ratio                      {medians['waits'] / medians['from a copy']:6.1f}")


def _together(options: argparse.Namespace) -> int:
    """Starts the workers, and returns 1 if one of them fails."""
    words = [sys.executable, __file__, "--gib", str(options.gib), "--rounds", str(options.rounds), "--folder"]
    with tempfile.TemporaryDirectory(dir=options.folder) as name, Ports(options.workers) as ports:
        clusters = [Cluster(index, options.workers, ports.addresses) for index in range(options.workers)]
        environs = [{**os.environ, VARIABLE: cluster.tf_config()} for cluster in clusters]
        processes = [subprocess.Popen([*words, name], env=environ) for environ in environs]
        return max(process.wait() for process in processes)


def _as_worker(folder: Path, rows: int, rounds: int) -> None:
    """Saves in turns, with steps that wait and from a copy of what this worker has; the first one tells."""
    cluster = read_cluster(os.environ)
    join(cluster)
    workers = Workers(cluster.index, cluster.size)
    model = Model(folder, rows, workers)
    saving = SavingTogether(model.folder, workers)
    held: dict[bool, list[float]] = {False: [], True: []}

    def save(number: int, is_beside: bool) -> None:
        saving.begin(number, model.weights, lambda parts: model.folder.save(number, parts, {}), is_beside)
        if not is_beside:
            saving.finish()

    for number in range(2 * rounds):
        is_beside = bool(number % 2)
        workers.agree(True)
        held[is_beside].append(_timed(partial(save, number, is_beside))[0])
        saving.finish()
        if cluster.is_chief:
            model.clear()
    saving.close()
    workers.agree(True)
    if cluster.is_chief:
        print(f"a table of {rows:,} rows x {WIDTH} and a slot of it, of {cluster.size} workers")
        for is_beside, name in ((False, "waits"), (True, "from a copy")):
            shown = ", ".join(f"{one:.2f}" for one in held[is_beside])
            print(f"steps held up, {name:<12} {statistics.median(held[is_beside]):6.2f} s   ({shown})")


def _deltas(model: Model, rounds: int) -> None:
    for share in SHARES:
        model.clear()
        full = model.save(model.weights, {})
        base = Base.of(full.path, full.state())
        random = np.random.default_rng(0)
        count = int(share * model.table.num_rows)
        rows = np.sort(random.choice(model.table.num_rows, count, replace=False))
        changed = {TABLE: ChangedRows.of(model.table, rows, [counts_of(model.table, rows)], 0)}
        held, taken = [], []
        for _ in range(rounds):
            delta = DeltaWeights(model.weights.entries, changed, base, model.weights.check)
            seconds, copy = _timed(delta.copied)
            held.append(seconds)
            seconds, saved = _timed(lambda copy=copy: model.save(copy, {DELTA: {"since_full": 1}}))
            taken.append(seconds)
        sizes = [_own_bytes(one.path) for one in (full, saved)]
        print(
            f"delta of {share:4.0%} of the rows: {sizes[1] / 2**20:8.1f} MiB instead of {sizes[0] / 2**20:8.1f}, "
            f"held up {statistics.median(held):5.2f} s, written in {statistics.median(taken):5.2f} s"
        )


def _own_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _tracking(model: Model) -> None:
    """Which rows changed: marks in the graph of the step, on the host, or a comparison with a copy when it is saved."""
    num_rows, variable = model.table.num_rows, model.table.variable
    numbers = np.unique(np.random.default_rng(1).integers(0, num_rows, STEP_ROWS)).astype(np.int32)
    touched, given = TouchedRows([variable]), tf.constant(numbers)

    @tf.function(autograph=False)
    def nothing(numbers: tf.Tensor) -> tf.Tensor:
        return tf.size(numbers)

    @tf.function(autograph=False)
    def mark(numbers: tf.Tensor) -> tf.Tensor:
        touched.mark(variable, numbers)
        return tf.size(numbers)

    marks = np.zeros(num_rows, bool)

    def on_host() -> None:
        marks[numbers] = True

    empty, in_graph, host = (_repeated(work) for work in (lambda: nothing(given), lambda: mark(given), on_host))
    print(
        f"marking {len(numbers):,} rows in a step: {1e3 * (in_graph - empty):.2f} ms in its graph, "
        f"{1e3 * host:.2f} ms on the host"
    )
    print(f"reading the marks when it is saved: {_timed(lambda: touched.places_of({TABLE: model.table}))[0]:.2f} s")
    kept = variable.numpy()
    seconds = _timed(lambda: np.flatnonzero((variable.numpy() != kept).any(axis=1)))[0]
    print(f"comparing with a kept copy instead: {seconds:.2f} s, and {kept.nbytes / 2**30:.2f} GiB of memory")


def _repeated(work: Callable[[], object], times: int = 100) -> float:
    """Returns the median seconds of a call."""
    work()
    return statistics.median(_timed(work)[0] for _ in range(times))


if __name__ == "__main__":
    sys.exit(main())
