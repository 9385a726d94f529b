"""The speeds of one workload: matrix products, the step alone, training from files, evaluation, prediction."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.step import Step
from easymtl.config import load_config
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.serving.scoring import predict
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.evaluation import RankerScorer, evaluate
from easymtl.training.precision import dtype_of, resolve_precision
from easymtl.training.trainer import Trainer

WARM_UP = 20
_LOG_EVERY = 10


class Measure:
    """The rates of one config in one precision, in examples per second, a value per round.

    Attributes:
      rates: by what was measured.
      wait_shares: share of the time in which training waited for its input.
      precision: what AUTO came to.
      num_weights: of the dense network.
    """

    def __init__(self, config: Path, data: dict[str, Sequence[str]], precision: str):
        """Builds the model.

        Args:
          config: path of the config.
          data: overrides by file format, each of which is measured.
          precision: a name of `MixedPrecision`.
        """
        self._path, self._data = str(config), data
        self._shared = [f"train_config.mixed_precision={precision}", "export_config.exporter_type=none"]
        first = [*next(iter(data.values())), *self._shared]
        pipeline = load_config(self._path, first).pipeline
        self._batch_size = pipeline.data_config.batch_size
        self.precision = resolve_precision(pipeline.train_config.mixed_precision)
        self._step = Step(self._path, first)
        self.num_weights = sum(int(np.prod(v.shape)) for v in self._step.ranker.dense_variables)
        self.rates: dict[str, list[float]] = {}
        self.wait_shares: dict[str, list[float]] = {}

    def round(self, num_steps: int) -> None:
        """Measures the products, the step, and training from each format once."""
        dtype = dtype_of(self.precision)
        self._note("products", self._batch_size / product_seconds(self._step.ranker, self._batch_size, dtype))
        self._note("step", self._batch_size / self._step.seconds(num_steps))
        for file_format, overrides in self._data.items():
            rate, share = self._train(num_steps, overrides)
            self._note(f"training from {file_format}", rate)
            self.wait_shares.setdefault(file_format, []).append(share)

    def score(self) -> None:
        """Measures evaluation in the precision of training, and prediction in float32, once."""
        overrides = [*next(iter(self._data.values())), *self._shared]
        pipeline = load_config(self._path, overrides).pipeline
        pipeline.train_config.mixed_precision = self.precision
        ranker = self._step.ranker
        scorer = RankerScorer(ranker, dtype_of(self.precision))
        evaluate(pipeline, ranker.tasks, scorer)
        result = evaluate(pipeline, ranker.tasks, scorer)
        self._note("evaluation", result.num_examples / result.seconds)
        scorer = RankerScorer(ranker, tf.float32)
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                begin = time.perf_counter()
                _, num_rows = predict(pipeline, scorer, pipeline.eval_input_path, f"{folder}/scores.parquet", [])
                seconds = time.perf_counter() - begin
        self._note("prediction", num_rows / seconds)

    def ratio(self, first: str, second: str) -> list[float]:
        """Returns the ratio of two rates in each round."""
        return [a / b for a, b in zip(self.rates[first], self.rates[second])]

    def _note(self, name: str, rate: float) -> None:
        self.rates.setdefault(name, []).append(rate)

    def _train(self, num_steps: int, data: Sequence[str]) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as model_dir:
            num_steps = WARM_UP + -(-num_steps // _LOG_EVERY) * _LOG_EVERY
            overrides = [*data, *self._shared, *short_training(model_dir, num_steps, _LOG_EVERY)]
            seen: list[events.Event] = []
            Trainer(load_config(self._path, [*overrides, "eval_input_path="]), seen.append).run()
        progress = [event for event in seen if isinstance(event, events.Progress) and event.step > WARM_UP]
        rate = statistics.harmonic_mean([event.examples_per_second for event in progress])
        return rate, statistics.mean(event.wait_share for event in progress)


def short_training(model_dir: str, num_steps: int, log_every: int) -> list[str]:
    """Returns the overrides of a training of some steps that saves once, at its end."""
    return [
        f"model_dir={model_dir}",
        f"train_config.num_steps={num_steps}",
        f"train_config.log_step_count_steps={log_every}",
        "train_config.save_checkpoints_steps=0",
        "train_config.save_summary_steps=0",
        "data_config.num_epochs=0",
    ]


def product_seconds(ranker: Ranker, batch_size: int, dtype: tf.DType) -> float:
    """Returns the seconds of the matrix products of one step: forward, and backward for weights and inputs.

    The kernels of equal experts are taken side by side, as one product of the same operations.
    """
    layers = []
    for variable in ranker.dense_variables:
        if len(variable.shape) < 2:
            continue
        *stack, num_inputs, num_outputs = variable.shape
        num_outputs *= stack[0] if stack else 1
        shapes = ([batch_size, num_inputs], [num_inputs, num_outputs], [batch_size, num_outputs])
        layers.append([tf.cast(tf.random.normal(shape), dtype) for shape in shapes])

    @tf.function
    def products() -> tf.Tensor:
        results = []
        for x, kernel, upstream in layers:
            results += [
                tf.matmul(x, kernel),
                tf.matmul(x, upstream, transpose_a=True),
                tf.matmul(upstream, kernel, transpose_b=True),
            ]
        return tf.add_n([tf.cast(result[0, 0], tf.float32) for result in results])

    products()
    return statistics.median(_timed(lambda: products().numpy()) for _ in range(7))


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def first_step(config: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Returns the seconds from the start of a process to the end of its first step, and its peak bytes after 40 steps.

    They come of `easymtl train` in a process of its own.
    """
    with tempfile.TemporaryDirectory() as model_dir:
        settings = [
            *overrides,
            *short_training(model_dir, 40, 1),
            "eval_input_path=",
            "export_config.exporter_type=none",
        ]
        command = [sys.executable, "-m", "benchmarks.measures", str(config), *settings]
        begin = time.time()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {"first_step_seconds": found["first_step"] - begin, "peak_bytes": found["peak_bytes"]}


def _train_and_tell(config: str, overrides: Sequence[str]) -> None:
    """Trains, and prints when the first step had ended and the peak of the memory, as JSON."""
    import resource

    times: list[float] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            times.append(time.time())

    Trainer(load_config(config, overrides), listen).run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"first_step": times[0], "peak_bytes": peak}))


def precision_name(precision: int) -> str:
    """Returns the name of a precision in the config."""
    return TrainConfig.MixedPrecision.Name(precision)


if __name__ == "__main__":
    _train_and_tell(sys.argv[1], sys.argv[2:])
