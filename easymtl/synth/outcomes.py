"""Labels: how a score of the hidden model becomes a value, and what its true mean is."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Returns 1 / (1 + exp(-scores))."""
    return 1 / (1 + np.exp(-scores))


@dataclass(frozen=True)
class Event:
    """A 0/1 label.

    Attributes:
        rate: its mean where the parent happened.
        spread: standard deviation of its logit over rows; 1.1 gives an AUC of about .78.
        parent: the event without which it cannot happen.
        correlation: of its logit with the parent's.
    """

    rate: float
    spread: float
    parent: str | None = None
    correlation: float = 0.0
    type = pa.int32()

    def mean(self, scores: np.ndarray) -> np.ndarray:
        """Returns the true probability where the parent happened, `[rows]`."""
        return sigmoid(scores)

    def draw(self, scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draws values where the parent happened, `[rows]`."""
        return random.random(len(scores), dtype=np.float32) < self.mean(scores)


@dataclass(frozen=True)
class Duration:
    """The logarithm of one plus a number of seconds; 0 where the parent did not happen.

    The noise is triangular, so values stay positive and the mean is exact.

    Attributes:
        parent: the event that has a duration.
        low: the least mean of the logarithm.
        high: the greatest mean of the logarithm.
        noise: standard deviation around the mean, at most low / 2.45.
        spread: standard deviation of the logit of the place between `low` and `high`.
    """

    parent: str
    low: float = 2.2
    high: float = 5.8
    noise: float = 0.7
    spread: float = 1.2
    rate = 0.5
    correlation = 0.0
    type = pa.float32()

    def mean(self, scores: np.ndarray) -> np.ndarray:
        """Returns the true mean where the parent happened, `[rows]`."""
        return self.low + (self.high - self.low) * sigmoid(scores)

    def draw(self, scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draws values where the parent happened, `[rows]`."""
        noise = random.random([2, len(scores)], dtype=np.float32)
        return self.mean(scores) + (noise[0] + noise[1] - 1) * np.float32(self.noise * 6**0.5)


@dataclass(frozen=True)
class Times:
    """A count of 1 to `most` where the parent happened, else 0: one plus a binomial number.

    Attributes:
        parent: the event that is repeated.
        most: the greatest count.
        rate: mean of the binomial's probability.
        spread: standard deviation of the logit of the binomial's probability.
    """

    parent: str
    most: int
    rate: float
    spread: float
    correlation = 0.0
    type = pa.int32()

    def mean(self, scores: np.ndarray) -> np.ndarray:
        """Returns the true mean where the parent happened, `[rows]`."""
        return 1 + (self.most - 1) * sigmoid(scores)

    def draw(self, scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draws values where the parent happened, `[rows]`."""
        tries = random.random([self.most - 1, len(scores)], dtype=np.float32) < sigmoid(scores)
        return 1 + tries.sum(axis=0)


@dataclass(frozen=True)
class Seconds:
    """A number of seconds where the parent happened, else 0.

    The noise is a factor with a triangular distribution around 1, so values stay positive and the mean is exact.

    Attributes:
        parent: the event that has a duration.
        least: the least mean, in seconds.
        most: the greatest mean, in seconds.
        noise: half the width of the factor's distribution, below 1.
        spread: standard deviation of the logit of the place between `least` and `most`, on a logarithmic scale.
    """

    parent: str
    least: float = 2.0
    most: float = 120.0
    noise: float = 0.6
    spread: float = 1.2
    rate = 0.5
    correlation = 0.0
    type = pa.float32()

    def mean(self, scores: np.ndarray) -> np.ndarray:
        """Returns the true mean where the parent happened, in seconds, `[rows]`."""
        return self.least * np.exp(np.float32(np.log(self.most / self.least)) * sigmoid(scores))

    def draw(self, scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draws values where the parent happened, in seconds, `[rows]`."""
        noise = random.random([2, len(scores)], dtype=np.float32)
        return self.mean(scores) * (1 + (noise[0] + noise[1] - 1) * np.float32(self.noise))


Outcome = Event | Duration | Times | Seconds
