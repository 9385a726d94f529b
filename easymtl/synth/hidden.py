"""The hidden model: a random two-layer network over the features, known to the generator alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_CHUNK_ROWS = 8192
_WIDTH = 16
_BEND = 1.0
_LINEAR_SHARE = 0.8


@dataclass(frozen=True)
class Ids:
    """A column of ids with a random vector each.

    Attributes:
        size: number of vectors. Ids from `size` on have the zero vector: such an id behaves as its
            attributes say, and no more. So all of the truth sits in ids that a log repeats often.
        weight: relative standard deviation of the column's contribution.
        head: if set, ids are ranks by popularity, and the vector of rank r is scaled by 1 / (1 + r / head).
    """

    size: int
    weight: float
    head: int | None = None

    def table(self, random: np.random.Generator) -> np.ndarray:
        """Returns the vectors, `[size + 1, width]`; the last one is zero."""
        vectors = np.zeros([self.size + 1, _WIDTH], np.float32)
        vectors[:-1] = random.standard_normal([self.size, _WIDTH], dtype=np.float32) * self.weight
        if self.head is not None:
            vectors[:-1] /= 1 + np.arange(self.size, dtype=np.float32)[:, None] / self.head
        return vectors

    def contribution(self, table: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Looks ids `[rows]` up, or takes the mean over ids `[rows, most]` padded with -1: `[rows, width]`."""
        if values.ndim == 1:
            return table[np.minimum(values, self.size)]
        counts = np.maximum((values >= 0).sum(axis=1, dtype=np.float32), 1)
        total = np.zeros([len(values), _WIDTH], np.float32)
        for column in np.where(values >= 0, np.minimum(values, self.size), self.size).T:
            total += table[column]
        return total / counts[:, None]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, already scaled to about [-2, 2], that acts through a line and a wave.

    Attributes:
        weight: relative standard deviation of the column's contribution.
    """

    weight: float

    def table(self, random: np.random.Generator) -> np.ndarray:
        """Returns the directions of the line and of the wave, `[2, width]`."""
        return random.standard_normal([2, _WIDTH], dtype=np.float32) * np.float32(self.weight)

    def contribution(self, table: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Returns the contribution of numbers `[rows]`, `[rows, width]`."""
        return np.stack([values, np.sin(2 * values)], axis=1).astype(np.float32) @ table


@dataclass(frozen=True)
class Pull:
    """A column of numbers, already scaled to about unit deviation, that acts on each score by a declared weight.

    The other effects have random weights, and with some seeds one that is next to nothing.

    Attributes:
        weights: relative standard deviation of its contribution to each score.
    """

    weights: tuple[float, ...]

    @property
    def weight(self) -> float:
        """The root of the mean square of the weights."""
        return float(np.sqrt(np.mean(np.square(self.weights))))

    def table(self, random: np.random.Generator) -> np.ndarray:
        """Returns the direction, `[1, width]`: nothing is random, nothing goes through the hidden layer."""
        direction = np.zeros([1, _WIDTH], np.float32)
        direction[0, -len(self.weights) :] = self.weights
        return direction

    def contribution(self, table: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Returns the contribution of numbers `[rows]`, `[rows, width]`."""
        return values[:, None].astype(np.float32) * table


Effect = Ids | Numbers | Pull


class HiddenModel:
    """score_t = Σ_h v_th · tanh(Σ_column a_column,h) + Σ_column b_column,t.

    Each column adds a random vector [a, b] of its id; the tanh layer makes the columns interact.
    """

    def __init__(self, effects: Mapping[str, Effect], num_scores: int, random: np.random.Generator):
        self.effects = effects
        self._num_hidden = _WIDTH - num_scores
        total = np.sqrt(sum(effect.weight**2 for effect in effects.values()))
        self._scale = np.full(_WIDTH, 1 / total, np.float32)
        self._scale[: self._num_hidden] *= _BEND
        self._tables = {name: effect.table(random) * self._scale for name, effect in effects.items()}
        self._output = random.standard_normal([self._num_hidden, num_scores], dtype=np.float32)
        self._output *= np.sqrt((1 - _LINEAR_SHARE) / _LINEAR_SHARE / self._num_hidden) / 0.6

    def scores(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the raw scores `[rows, scores]` of inputs named like the effects."""
        num_rows = len(next(iter(inputs.values())))
        parts = [self._part(inputs, start) for start in range(0, num_rows, _CHUNK_ROWS)]
        return np.concatenate(parts)

    def _part(self, inputs: Mapping[str, np.ndarray], start: int) -> np.ndarray:
        """Scores a few rows at a time, so that the sums stay in the cache."""
        stop = min(start + _CHUNK_ROWS, len(next(iter(inputs.values()))))
        total = np.zeros([stop - start, _WIDTH], np.float32)
        for name, effect in self.effects.items():
            total += effect.contribution(self._tables[name], inputs[name][start:stop])
        hidden = np.tanh(total[:, : self._num_hidden])
        return hidden @ self._output + total[:, self._num_hidden :]
