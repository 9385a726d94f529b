"""The update of a model alone, again and again on one batch, without reading."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.config import load_config
from easymtl.features.encoder import batch_signature, to_tensors
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent
from easymtl.training.devices import runs_ahead
from easymtl.training.inputs import TrainingInput
from easymtl.training.optimizers import Optimizers
from easymtl.training.precision import dtype_of, resolve_precision
from easymtl.training.step import make_train_step

_WARM_UP = 3
_LEAST_STEPS = 5


class Step:
    """The update of a config on the first batch of its data.

    Attributes:
        ranker: the model.
        dtype: the precision of its products.
        batch_size: rows of the batch.
    """

    def __init__(self, config: str | Path, overrides: Sequence[str]):
        pipeline = load_config(str(config), overrides).pipeline
        settings = pipeline.train_config
        self.ranker = Ranker(pipeline)
        self.dtype = dtype_of(resolve_precision(pipeline, self.ranker).choice)
        descent = make_descent(pipeline, self.ranker)
        dense = [*self.ranker.dense_variables, *descent.trained]
        tables = list(self.ranker.embeddings.variables_by_width.values())
        optimizers = Optimizers(settings.optimizer_config, tables, dense)
        with TrainingInput(pipeline, self.ranker, None).feed as feed:
            arrays = to_tensors(next(feed).rows)
        self.batch_size = pipeline.data_config.batch_size
        self._batch = {name: tf.constant(value) for name, value in arrays.items()}
        self._rates = tf.constant([1e-4, 1e-4])
        counter = tf.Variable(0, dtype=tf.int64)
        signature = batch_signature({name: np.asarray(value) for name, value in arrays.items()})
        self._update = make_train_step(
            self.ranker, optimizers, counter, settings, self.dtype, signature, descent, is_ahead=runs_ahead(self.ranker)
        )
        for _ in range(_WARM_UP):
            self.run()

    def run(self) -> None:
        """Makes an update, and waits for its end."""
        float(self._update(self._batch, self._rates)["loss"])

    def seconds(self, time_limit: float) -> float:
        """Returns the median seconds of a step, of at least 5 steps and as many as fit into some seconds."""
        self.run()
        times: list[float] = []
        while len(times) < _LEAST_STEPS or sum(times) < time_limit:
            begin = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    def distinct_rows(self) -> dict[int, int]:
        """Returns how many rows of the tables the batch touches, by width."""
        found = {}
        for width in self.ranker.feature_set.rows_by_width:
            names = [name for name in (f"ids_{width}", f"bag_ids_{width}") if name in self._batch]
            ids = np.unique(np.concatenate([self._batch[name].numpy().ravel() for name in names]))
            found[width] = int((ids >= 0).sum())
        return found

    def spread_ids(self, seed: int) -> None:
        """Spreads the ids of the batch at random over all rows: equal ids stay equal, and distinct ones distinct."""
        random = np.random.default_rng(seed)
        for width, num_rows in self.ranker.feature_set.rows_by_width.items():
            names = [name for name in (f"ids_{width}", f"bag_ids_{width}") if name in self._batch]
            ids = [self._batch[name].numpy() for name in names]
            for name, spread in zip(names, spread_over(ids, num_rows, random)):
                self._batch[name] = tf.constant(spread)


def spread_over(ids: Sequence[np.ndarray], num_rows: int, random: np.random.Generator) -> list[np.ndarray]:
    """Returns the ids with each distinct one, -1 aside, replaced by a row of its own, drawn from all rows.

    Args:
        ids: arrays of any shape.
        num_rows: of the table; at least as many as there are distinct ids.
        random: draws the rows.
    """
    distinct, places = np.unique(np.concatenate([array.reshape(-1) for array in ids]), return_inverse=True)
    rows = random.permutation(random.choice(num_rows, len(distinct), replace=False, shuffle=False))
    spread = np.where(distinct < 0, -1, rows).astype(ids[0].dtype)[places.reshape(-1)]
    ends = np.cumsum([array.size for array in ids])[:-1]
    return [part.reshape(array.shape) for part, array in zip(np.split(spread, ends), ids)]
