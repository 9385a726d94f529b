"""How long a step and its feed take on this machine, in one process, and how fast its memory is."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.data.feed import Batch
from easymtl.errors import UserError
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.features.memory import require_training_memory
from easymtl.planning.loopback import Network
from easymtl.planning.rates import Rates
from easymtl.planning.rates_file import Measured, digest_of
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.devices import runs_ahead
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.precision import dtype_of, resolve_precision
from easymtl.training.step import make_train_step

_WARM_UP = 3
_LEAST_STEPS = 5
_NUM_BATCHES = 8
_COPIED = 64 << 20
_COPIES = 5


def measure(pipeline: Pipeline, network: Network, seconds: float) -> Measured:
    """Returns how fast this machine is with a config.

    Args:
        pipeline: the config; its training data are read.
        network: what was measured between two processes.
        seconds: for the step, and once more for the feed.

    Raises:
        UserError: the model does not fit in memory, or the data cannot be read.
    """
    require_training_memory(pipeline)
    ranker = Ranker(pipeline)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    batches, feed = _feed(pipeline, ranker, seconds)
    step = _step(pipeline, ranker, batches, seconds)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    device = measured_device()
    rates = Rates(
        *step,
        *feed,
        network.sent_bytes_per_second,
        network.hop_seconds,
        network.cpu_seconds_per_byte,
        network.cpu_seconds_per_hop,
        _copy_rate(),
        num_cores=cores if device == "cpu" else 0,
    )
    machine = f"{_processor()}, {cores} cores, load {load:.1f}"
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return Measured(rates, device, date, machine, digest_of(pipeline))


def measured_device() -> str:
    """Returns what computes here: `cpu`, or what TensorFlow calls its first GPU."""
    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu")) if gpus else "cpu"


def _feed(pipeline: Pipeline, ranker: Ranker, limit: float) -> tuple[list[Batch], tuple[float, float]]:
    """Returns the first batches, and the seconds and seconds of the processor that a batch takes.

    The clock runs from the first batch on: until then files are opened, functions traced, and a window is filled.
    """
    with TrainingInput(pipeline, ranker, None).feed as feed:
        kept = list(islice(feed, 1))
        if not kept:
            raise UserError("--measure: the training data have no rows. Name some: --train_input_path PATHS.")
        begin, cpu, num_rows = time.perf_counter(), time.process_time(), 0
        for batch in feed:
            num_rows += batch.rows.num_rows
            if len(kept) < _NUM_BATCHES:
                kept.append(batch)
            if time.perf_counter() - begin > limit:
                break
        spent = time.perf_counter() - begin, time.process_time() - cpu
    batch_size = pipeline.data_config.batch_size
    if not num_rows:
        raise UserError(
            f"--measure: the training data have no more than one batch of data_config.batch_size {batch_size:,}. Name "
            "more rows: --train_input_path PATHS, or lower the batch size."
        )
    return kept, (spent[0] * batch_size / num_rows, spent[1] * batch_size / num_rows)


def _step(pipeline: Pipeline, ranker: Ranker, batches: list[Batch], limit: float) -> tuple[float, float]:
    """Returns the seconds and the seconds of the processor of an update, the median and the mean of some."""
    settings = pipeline.train_config
    descent = make_descent(pipeline, ranker)
    dense = [*ranker.dense_variables, *descent.trained]
    tables = list(ranker.embeddings.variables_by_width.values())
    optimizers = Optimizers(settings.optimizer_config, tables, dense)
    fed = [to_tensors(batch.rows) for batch in batches]
    dtype = dtype_of(resolve_precision(pipeline, ranker).choice)
    counter = tf.Variable(0, dtype=tf.int64, trainable=False)
    signature, is_ahead = batch_signature(fed[0]), runs_ahead(ranker)
    update = make_train_step(ranker, optimizers, counter, settings, dtype, signature, descent, is_ahead=is_ahead)
    rates = np.array(optimizers.learning_rates(0), np.float32)
    number = 0

    def run() -> None:
        nonlocal number
        # Batches in turn: the rows of one alone would stay in the caches of the processor.
        float(update(fed[number % len(fed)], rates)["loss"])
        number += 1

    for _ in range(_WARM_UP):
        run()
    return _timed(run, limit)


def _timed(run: Callable[[], None], limit: float) -> tuple[float, float]:
    times: list[float] = []
    cpu = time.process_time()
    while len(times) < _LEAST_STEPS or sum(times) < limit:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), (time.process_time() - cpu) / len(times)


def _copy_rate() -> float:
    """Returns the bytes of memory that are copied in a second, the best of some."""
    source, target = np.ones(_COPIED, np.uint8), np.zeros(_COPIED, np.uint8)
    times = []
    for _ in range(_COPIES):
        begin = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - begin)
    return _COPIED / min(times)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, "") or platform.processor() or platform.machine()
