"""The second roof of a step: its matrix products, and the bytes that no order of kernels can avoid beside them."""

import statistics
import time
from collections.abc import Callable, Mapping

import tensorflow as tf

from easymtl.layers.norm import BatchNorm
from easymtl.tasks.ranker import Ranker

_NORM_PASSES = 8
"""Of each activation, where a norm stands. Its statistics need all rows before the first value can be normalized: it is
read twice and written once; the gradient has two sums over all rows likewise: it and the activation are read twice, and
one is written. ReLU and its gradient could go along."""

_DENSE_PASSES = 7
"""Of each dense weight: Adam reads the gradient, and reads and writes the weight and two moments."""

_ROW_PASSES = 9
"""Of each distinct row of a table: it is read for the batch, its gradient is written, and then as for dense weights."""

_FLOAT_BYTES = 4
_NUM_ADDITIONS = 5


def unavoidable_bytes(ranker: Ranker, batch_size: int, dtype: tf.DType, distinct_rows: Mapping[int, int]) -> int:
    """Returns the bytes that a step reads and writes besides its matrix products, whatever the order of its kernels.

    Products read their operands and write their results in the time that they are measured with. Layers without a norm
    count nothing: bias, activation and their gradients could be parts of the products. Norms over the steps of
    histories count as one over the batch.

    Args:
        ranker: the model.
        batch_size: rows of the batch.
        dtype: the precision of activations; weights, tables and what optimizers keep are float32.
        distinct_rows: that the batch touches, by the width of the tables.
    """
    activations = batch_size * sum(_norm_widths(ranker))
    weights = sum(variable.shape.num_elements() for variable in ranker.dense_variables)
    numbers = sum(width * rows for width, rows in distinct_rows.items())
    return dtype.size * _NORM_PASSES * activations + _FLOAT_BYTES * (_DENSE_PASSES * weights + _ROW_PASSES * numbers)


def memory_step(ranker: Ranker, batch_size: int, dtype: tf.DType) -> Callable[[], float]:
    """Returns what measures the seconds for a byte, read or written, of arrays as large as the widest activation.

    Arrays of that size are what norms read and write, and some of them are in the cache there as well.
    """
    num_bytes = dtype.size * batch_size * max(_norm_widths(ranker), default=1)
    x, y = (tf.random.normal([max(num_bytes // _FLOAT_BYTES, 1)]) for _ in range(2))

    @tf.function(autograph=False)
    def added(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x + y

    added(x, y)

    def seconds_per_byte() -> float:
        times = []
        for _ in range(_NUM_ADDITIONS):
            begin = time.perf_counter()
            added(x, y).numpy()
            times.append(time.perf_counter() - begin)
        return statistics.median(times) / (3 * _FLOAT_BYTES * x.shape[0])

    return seconds_per_byte


def _norm_widths(ranker: Ranker) -> list[int]:
    modules = ranker.network.submodules
    return [module.scale.shape[0] for module in modules if isinstance(module, BatchNorm)]
