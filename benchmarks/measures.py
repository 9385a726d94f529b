"""The speeds of one workload in one precision: matrix products, the step alone, training, evaluation, prediction."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.roofline import memory_step, unavoidable_bytes
from benchmarks.step import Step
from benchmarks.training import PausedTraining, wait_for_quiet
from easymtl.config import load_config
from easymtl.data.feed import MIN_WINDOW_ROWS
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.predictions import predict
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker

_STEP_SHARE = 0.4
_NUM_PRODUCTS = 5


class Measure:
    """The rates of one config in one precision, in examples per second, a value per round.

    Attributes:
        rates: by what was measured.
        wait_shares: share of the time in which training waited for its input, by file format.
        precision: `FLOAT32` or `BFLOAT16`.
        batch_size: rows of a step.
        num_weights: of the dense network.
    """

    def __init__(self, config: Path, data: Mapping[str, Sequence[str]], precision: str):
        """Builds and traces the model, once for the step and once for each format.

        Args:
            config: path of the config.
            data: overrides by file format, each of which is measured.
            precision: `FLOAT32` or `BFLOAT16`.
        """
        overrides = {name: [*changes, f"train_config.mixed_precision={precision}"] for name, changes in data.items()}
        self.precision = precision
        self._path, self._first = str(config), next(iter(overrides.values()))
        self._step = Step(self._path, self._first)
        self.batch_size = self._step.batch_size
        self.num_weights = num_weights(self._step.ranker)
        self._products = product_step(self._step.ranker, self.batch_size, self._step.dtype)
        rows = self._step.distinct_rows()
        self._num_bytes = unavoidable_bytes(self._step.ranker, self.batch_size, self._step.dtype, rows)
        self._memory = memory_step(self._step.ranker, self.batch_size, self._step.dtype)
        self._trainings = {name: PausedTraining(self._path, changes) for name, changes in overrides.items()}
        self._scorers: dict[tf.DType, RankerScorer] = {}
        self.rates: dict[str, list[float]] = {}
        self.wait_shares: dict[str, list[float]] = {}

    def round(self, seconds: float) -> None:
        """Measures the limits, the step, and training from each format once, training for `seconds` at most.

        Training is measured over a whole window of shuffled rows where the time allows, because the feed works ahead
        by windows.
        """
        products = self._products()
        self._note("products", self.batch_size / products)
        self._note("roofline", self.batch_size / (products + self._num_bytes * self._memory()))
        self._note("step", self.batch_size / self._step.seconds(_STEP_SHARE * seconds))
        for file_format, training in self._trainings.items():
            stretch = training.run(MIN_WINDOW_ROWS // self.batch_size, seconds)
            self._note(f"training from {file_format}", self.batch_size / stretch.step_seconds)
            self.wait_shares.setdefault(file_format, []).append(stretch.wait_share)

    def score(self) -> None:
        """Measures evaluation in the precision of training, and prediction in float32."""
        pipeline = load_config(self._path, self._first).pipeline
        ranker = self._step.ranker
        if not self._scorers:
            for dtype in (self._step.dtype, tf.float32):
                self._scorers[dtype] = RankerScorer(ranker, dtype)
            self._score_once(pipeline, limit=pipeline.data_config.eval_batch_size)
        rates = self._score_once(pipeline)
        for name, rate in rates.items():
            self._note(name, rate)

    def close(self) -> None:
        """Ends the trainings."""
        for training in self._trainings.values():
            training.close()

    def _score_once(self, pipeline, limit: int = 0) -> dict[str, float]:
        if limit:
            pipeline.eval_config.num_examples = limit
        result = evaluate(pipeline, self._step.ranker.tasks, self._scorers[self._step.dtype])
        if limit:
            pipeline.eval_config.ClearField("num_examples")
        with tempfile.TemporaryDirectory() as folder:
            output = f"{folder}/scores.parquet"
            begin = time.perf_counter()
            _, num_rows = predict(pipeline, self._scorers[tf.float32], pipeline.eval_input_path, output, [])
            seconds = time.perf_counter() - begin
        wait_for_quiet()
        return {"evaluation": result.num_examples / result.seconds, "prediction": num_rows / seconds}

    def _note(self, name: str, rate: float) -> None:
        self.rates.setdefault(name, []).append(rate)


def num_weights(ranker: Ranker) -> int:
    """Returns the number of weights of the dense network."""
    return sum(int(np.prod(variable.shape)) for variable in ranker.dense_variables)


def product_step(ranker: Ranker, batch_size: int, dtype: tf.DType) -> Callable[[], float]:
    """Returns what measures the matrix products of one step: forward, and backward for weights and inputs, in seconds.

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

    @tf.function(autograph=False)
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

    def seconds() -> float:
        products()
        return statistics.median(_timed(lambda: products().numpy()) for _ in range(_NUM_PRODUCTS))

    return seconds


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
