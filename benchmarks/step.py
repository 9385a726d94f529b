"""The update of a model alone, again and again on one batch, without reading."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.config import load_config
from easymtl.features.encoder import to_tensors
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.precision import dtype_of, resolve_precision
from easymtl.training.step import batch_signature, make_train_step

_WARM_UP = 3


class Step:
    """The update of a config on the first batch of its data.

    Attributes:
      ranker: the model.
      dtype: the precision of its products.
    """

    def __init__(self, config: str | Path, overrides: Sequence[str]):
        pipeline = load_config(str(config), overrides).pipeline
        settings = pipeline.train_config
        self.ranker = Ranker(pipeline)
        self.dtype = dtype_of(resolve_precision(settings.mixed_precision))
        descent = make_descent(pipeline, self.ranker)
        dense = [*self.ranker.dense_variables, *descent.trained]
        tables = list(self.ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(settings.optimizer_config, tables, dense)
        with TrainingInput(pipeline, self.ranker, None).feed as feed:
            arrays = to_tensors(next(feed).rows)
        self._batch = {name: tf.constant(value) for name, value in arrays.items()}
        self._rates = tf.constant([1e-4, 1e-4])
        counter = tf.Variable(0, dtype=tf.int64)
        signature = batch_signature({name: np.asarray(value) for name, value in arrays.items()})
        self._update = make_train_step(self.ranker, optimizers, counter, settings, self.dtype, signature, descent)
        for _ in range(_WARM_UP):
            self.run()

    def run(self) -> None:
        """Makes an update, and waits for its end."""
        float(self._update(self._batch, self._rates)["loss"])

    def seconds(self, num_steps: int) -> float:
        """Returns the median seconds of a step."""
        times = []
        for _ in range(num_steps):
            begin = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)
