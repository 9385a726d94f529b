"""A synthetic data set: what each one declares, and the blocks of rows made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from easymtl.synth.hidden import Effect, HiddenModel
from easymtl.synth.outcomes import Outcome, sigmoid

BLOCK_ROWS = 65_536
TRUTH_PREFIX = "true_"
_PARTS = {"train": 0, "eval": 1, "calibration": 2, "model": 3}


@dataclass(frozen=True)
class Features:
    """The features of some rows.

    Attributes:
        columns: what is written, in order.
        inputs: what the hidden model sees, by the name of its effect; all of it can be read off the columns.
    """

    columns: dict[str, pa.Array]
    inputs: dict[str, np.ndarray]


class DataSet(Protocol):
    """What a data set declares whose labels come from a hidden model.

    Attributes:
        name: its name on the command line.
        format: the file format that its sample configs read.
        block_rows: rows that are made at once.
        outcomes: its labels in the order of the columns; a parent comes before its children.
        effects: the columns that the hidden model sees.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def format(self) -> str: ...  # noqa: D102

    @property
    def block_rows(self) -> int: ...  # noqa: D102

    @property
    def outcomes(self) -> Mapping[str, Outcome]: ...  # noqa: D102

    @property
    def effects(self) -> Mapping[str, Effect]: ...  # noqa: D102

    def features(self, seed: int, random: np.random.Generator, num_rows: int) -> Features:
        """Draws features; what belongs to an id is a pure function of (seed, id)."""


def block_random(name: str, seed: int, part: str, index: int) -> np.random.Generator:
    """Returns what block `index` of a part (or the model behind all) of a data set is drawn with."""
    word = int.from_bytes(name.encode(), "big")
    return np.random.Generator(np.random.PCG64([seed, word, _PARTS[part], index]))


class Blocks:
    """Blocks of rows; block i of a part is a pure function of (seed, part, i)."""

    def __init__(self, data_set: DataSet, seed: int):
        self.block_rows = data_set.block_rows
        self._data_set = data_set
        self._seed = seed
        num_scores = len(data_set.outcomes)
        self._model = HiddenModel(data_set.effects, num_scores, self._random("model", 0))
        self._mixing = np.eye(num_scores, dtype=np.float32)
        self._scale = np.ones(num_scores, np.float32)
        self._bias = np.zeros(num_scores, np.float32)
        self._calibrate()

    def block(self, part: str, index: int) -> pa.RecordBatch:
        """Returns block `index` of the part `train` or `eval`: labels, features, then `true_<label>`."""
        random = self._random(part, index)
        features = self._data_set.features(self._seed, random, self.block_rows)
        values, truths = self._labels(features, random)
        return _batch(self._data_set, values, features.columns, truths)

    def _labels(self, features: Features, random: np.random.Generator) -> tuple[dict, dict]:
        scores = self._model.scores(features.inputs) @ self._mixing * self._scale + self._bias
        values: dict[str, np.ndarray] = {}
        truths: dict[str, np.ndarray] = {}
        for score, (name, outcome) in zip(scores.T, self._data_set.outcomes.items()):
            values[name] = outcome.draw(score, random)
            truths[name] = outcome.mean(score)
            if outcome.parent:
                values[name] = values[name] * values[outcome.parent]
                truths[name] = truths[name] * truths[outcome.parent]
        return values, truths

    def _random(self, part: str, index: int) -> np.random.Generator:
        return block_random(self._data_set.name, self._seed, part, index)

    def _calibrate(self) -> None:
        """Scales and shifts the scores to the declared spreads and rates, on a block of its own."""
        features = self._data_set.features(self._seed, self._random("calibration", 0), self.block_rows)
        scores = self._model.scores(features.inputs)
        self._correlate(scores)
        scores = scores @ self._mixing
        truths: dict[str, np.ndarray] = {}
        for place, (name, outcome) in enumerate(self._data_set.outcomes.items()):
            weights = truths[outcome.parent] if outcome.parent else np.ones(len(scores), np.float32)
            self._scale[place] = outcome.spread / scores[:, place].std()
            scaled = scores[:, place] * self._scale[place]
            self._bias[place] = _bias_for_rate(scaled, weights, outcome.rate)
            truths[name] = sigmoid(scaled + self._bias[place]) * weights

    def _correlate(self, scores: np.ndarray) -> None:
        """Mixes as much of its parent's score into a child's as makes the declared correlation.

        What the hidden model happens to have made of it is taken out first.
        """
        places = {name: place for place, name in enumerate(self._data_set.outcomes)}
        for name, outcome in self._data_set.outcomes.items():
            if outcome.correlation and outcome.parent:
                parent, child = places[outcome.parent], places[name]
                own = scores[:, child] - scores[:, child].mean()
                above = scores @ self._mixing[:, parent]
                above -= above.mean()
                slope = own @ above / (above @ above)
                rest = (own - slope * above).std() / above.std()
                wanted = outcome.correlation / np.sqrt(1 - outcome.correlation**2) * rest
                self._mixing[:, child] += (wanted - slope) * self._mixing[:, parent]


def _bias_for_rate(scores: np.ndarray, weights: np.ndarray, rate: float) -> float:
    """Finds b where the weighted mean of sigmoid(scores + b) is `rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(30):
        middle = (low + high) / 2
        if np.average(sigmoid(scores + np.float32(middle)), weights=weights) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _batch(data_set: DataSet, values: dict, columns: dict, truths: dict) -> pa.RecordBatch:
    arrays = [pa.array(value).cast(data_set.outcomes[name].type, safe=False) for name, value in values.items()]
    fields = [
        pa.field(name, outcome.type, metadata={"parent": outcome.parent} if outcome.parent else None)
        for name, outcome in data_set.outcomes.items()
    ]
    for name, column in columns.items():
        arrays.append(column)
        fields.append(pa.field(name, column.type))
    for name, truth in truths.items():
        arrays.append(pa.array(truth.astype(np.float32)))
        fields.append(pa.field(TRUTH_PREFIX + name, pa.float32()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
