"""Training speed of the taobao shape, beside the step alone and what the processor's matrix products allow.

    python benchmarks/taobao.py [--rounds 3] [--steps 40] [--rows 400000]

For float32 and for AUTO it measures, in turn, round by round:
  products    matrix products of the model's shapes, forward and backward, and nothing else
  step        the traced update on one batch, without reading
  training    `easymtl train` from CSV, first 20 steps left out

The limit is 6 operations per dense weight and example at the rate of the products.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from easymtl.config import load_config
from easymtl.synth import write
from easymtl.verbs.tensorflow_start import start_tensorflow

start_tensorflow()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from easymtl.features.encoder import to_tensors  # noqa: E402
from easymtl.protos.train_pb2 import TrainConfig  # noqa: E402
from easymtl.training import events  # noqa: E402
from easymtl.training.inputs import TrainingInput  # noqa: E402
from easymtl.training.optimizers import Optimizers  # noqa: E402
from easymtl.training.precision import dtype_of, resolve_precision  # noqa: E402
from easymtl.training.step import batch_signature, make_train_step  # noqa: E402
from easymtl.training.trainer import Trainer  # noqa: E402

CONFIG = Path(__file__).parent.parent / "samples" / "configs" / "dbmtl_on_taobao.config"
WARM_UP = 20


def main() -> None:
    """Measures and prints a table."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        paths = write("taobao", options.rows, out=folder, eval_rows=4096)
        overrides = [f"train_input_path={paths['train']}", 'eval_input_path=""', "export_config.exporter_type=none"]
        measures = [Measure(name, folder, overrides) for name in ("FLOAT32", "AUTO")]
        for _ in range(options.rounds):
            for measure in measures:
                measure.round(options.steps)
    _print(measures)


class Measure:
    """The rates of one precision, in examples per second, a value per round."""

    def __init__(self, name: str, folder: str, overrides: list[str]):
        self.name, self.folder, self.overrides = name, folder, overrides
        self.config = load_config(str(CONFIG), [*overrides, f"train_config.mixed_precision={name}"])
        choice = self.config.pipeline.train_config.mixed_precision
        self.precision = resolve_precision(choice)
        self.batch_size = self.config.pipeline.data_config.batch_size
        self.step = Step(self.config, dtype_of(self.precision))
        self.products: list[float] = []
        self.steps: list[float] = []
        self.training: list[float] = []
        self.wait: list[float] = []

    def round(self, num_steps: int) -> None:
        """Measures each rate once."""
        self.products.append(self.batch_size / product_seconds(self.step.ranker, self.batch_size, self.step.dtype))
        self.steps.append(self.batch_size / self.step.seconds(num_steps))
        rate, wait = self._train(num_steps)
        self.training.append(rate)
        self.wait.append(wait)

    def _train(self, num_steps: int) -> tuple[float, float]:
        model_dir = tempfile.mkdtemp(dir=self.folder)
        overrides = [
            *self.overrides,
            f"train_config.mixed_precision={self.name}",
            f"model_dir={model_dir}",
            f"train_config.num_steps={WARM_UP + num_steps}",
            f"train_config.log_step_count_steps={WARM_UP}",
            "train_config.save_checkpoints_steps=0",
            "data_config.num_epochs=0",
        ]
        seen: list[events.Progress] = []
        trainer = Trainer(load_config(str(CONFIG), overrides), seen.append)
        trainer.run()
        progress = [event for event in seen if isinstance(event, events.Progress) and event.step > WARM_UP]
        rate = statistics.harmonic_mean([event.examples_per_second for event in progress])
        return rate, statistics.mean(event.wait_share for event in progress)


class Step:
    """The update alone, again and again on one batch."""

    def __init__(self, config, dtype: tf.DType):
        from easymtl.tasks.ranker import Ranker

        pipeline = config.pipeline
        self.dtype = dtype
        self.ranker = Ranker(pipeline)
        tables = list(self.ranker.embeddings.variables_by_width.values())
        self._optimizers = Optimizers(pipeline.train_config.optimizer_config, tables, self.ranker.dense_variables)
        source = TrainingInput(pipeline, self.ranker, None)
        with source.feed as feed:
            self._batch = {name: tf.constant(value) for name, value in to_tensors(next(feed).rows).items()}
        counter = tf.Variable(0, dtype=tf.int64)
        arrays = {name: value.numpy() for name, value in self._batch.items()}
        signature = batch_signature({name: np.asarray(value) for name, value in arrays.items()})
        self._step = make_train_step(self.ranker, self._optimizers, counter, pipeline.train_config, dtype, signature)
        self.seconds(3)

    def seconds(self, num_steps: int) -> float:
        """Returns the median seconds of a step."""
        rates = tf.constant([1e-3, 1e-3])
        times = []
        for _ in range(num_steps):
            begin = time.perf_counter()
            float(self._step(self._batch, rates)["loss"])
            times.append(time.perf_counter() - begin)
        return statistics.median(times)


def product_seconds(ranker, batch_size: int, dtype: tf.DType) -> float:
    """Returns the seconds of the matrix products of one step: forward, and backward for weights and inputs."""
    shapes = [tuple(v.shape) for v in ranker.dense_variables if len(v.shape) == 2]
    layers = [
        (
            tf.cast(tf.random.normal([batch_size, n]), dtype),
            tf.cast(tf.random.normal([n, m]), dtype),
            tf.cast(tf.random.normal([batch_size, m]), dtype),
        )
        for n, m in shapes
    ]

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
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        products().numpy()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _print(measures: list[Measure]) -> None:
    table = Table("", *[f"{m.name} ({TrainConfig.MixedPrecision.Name(m.precision)})" for m in measures])
    num_weights = [sum(int(np.prod(v.shape)) for v in m.step.ranker.dense_variables) for m in measures]
    median = statistics.median
    gflops = [6 * n * median(m.products) / 1e9 for n, m in zip(num_weights, measures)]
    table.add_row("matrix products, GFLOP/s", *[f"{value:,.0f}" for value in gflops])
    table.add_row("limit, examples/s", *[f"{median(m.products):,.0f}" for m in measures])
    table.add_row("step alone, examples/s", *[f"{median(m.steps):,.0f}" for m in measures])
    table.add_row("training from CSV, examples/s", *[f"{median(m.training):,.0f}" for m in measures])
    table.add_row("step / limit", *[_ratio(m.steps, m.products) for m in measures])
    table.add_row("training / step", *[_ratio(m.training, m.steps) for m in measures])
    table.add_row("waiting for input", *[f"{median(m.wait):.1%}" for m in measures])
    Console().print(table)


def _ratio(first: list[float], second: list[float]) -> str:
    """Returns the median of the ratios of the rounds, and their range."""
    ratios = [a / b for a, b in zip(first, second)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rows", type=int, default=400_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
