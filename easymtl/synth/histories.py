"""The histories of `feed`: what a user did before, newest first, and how well a candidate fits it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.synth.catalog import Catalog, Tastes, draw_items
from easymtl.synth.sampling import normal_of, uniform_of

MOST_STEPS = 100
_WITHOUT = 0.06
_TASTE_SHARE = 0.8
_SHARPNESS = 4.0
_SECONDS_SHARE = 0.7
_SECONDS = 2.6


@dataclass(frozen=True)
class Histories:
    """Past events of users, one after the other; those of a user are neighbours, newest first.

    Attributes:
        user: whose event it is, rising, `[steps]`.
        num_users: users, with those that have no event.
        item: `[steps]`.
        seconds: how long it was watched, `[steps]`.
        hours: its age, `[steps]`.
    """

    user: np.ndarray
    num_users: int
    item: np.ndarray
    seconds: np.ndarray
    hours: np.ndarray

    def where(self, kept: np.ndarray) -> "Histories":
        """Returns the steps for which `kept` `[steps]` is true."""
        return Histories(self.user[kept], self.num_users, self.item[kept], self.seconds[kept], self.hours[kept])

    def lists(self, values: pa.Array) -> pa.Array:
        """Returns values of the steps as a list for each user, null where there is no step."""
        counts = np.bincount(self.user, minlength=self.num_users)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(counts == 0))

    def interest(self, catalog: Catalog, user: np.ndarray, item: np.ndarray, memory: float) -> np.ndarray:
        """Returns Σ_t a_t v_t, how well a candidate fits the history: attention with a known formula.

        With s_t, how alike the candidate and the item of step t are: a_t ∝ exp(4 s_t) / (1 + hours_t / memory) with
        Σ_t a_t = 1, and v_t = s_t + .7 (log(seconds_t) - 2.6). So it is high where something alike was watched, for
        long, and not too long ago.

        Args:
            catalog: the items.
            user: whose history each candidate is compared with, `[rows]`.
            item: the candidates, `[rows]`.
            memory: the age, in hours, at which an event counts half.

        Returns:
            `[rows]`; NaN for users without history.
        """
        counts = np.bincount(self.user, minlength=self.num_users)
        row = np.repeat(np.arange(len(user)), counts[user])
        ends = np.cumsum(counts[user])
        step = np.arange(len(row)) + np.repeat(np.cumsum(counts)[user] - ends, counts[user])
        alike = catalog.alike(item[row], self.item[step])
        weight = np.exp(_SHARPNESS * alike) / (1 + self.hours / memory)[step]
        value = alike + _SECONDS_SHARE * (np.log(self.seconds) - _SECONDS)[step]
        total = np.bincount(row, weight, len(user))
        with np.errstate(invalid="ignore"):
            return np.bincount(row, weight * value, len(user)) / total


def num_steps(length: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Returns the number of events of users from two hashes: log-normal, at most 100, and 0 for some, `[users]`."""
    steps = np.exp(2.55 + 1.0 * normal_of(length)).astype(np.int64)
    return np.where(uniform_of(without) < _WITHOUT, 0, np.minimum(steps, MOST_STEPS))


def draw_watched(tastes: Tastes, counts: np.ndarray, pace: np.ndarray, random: np.random.Generator) -> Histories:
    """Draws what users watched.

    Args:
        tastes: of the users.
        counts: events of each user, `[users]`.
        pace: mean hours between two events, `[users]`.
        random: what it is drawn with.
    """
    user = np.repeat(np.arange(len(counts)), counts)
    item = draw_items(tastes, user, _TASTE_SHARE, random)
    seconds = np.exp(_SECONDS + random.standard_normal(len(user), dtype=np.float32))
    gaps = random.standard_exponential(len(user)) * pace[user]
    total = np.concatenate([[0], np.cumsum(gaps)])
    hours = total[1:] - np.repeat(total[np.cumsum(counts) - counts], counts)
    return Histories(
        user, len(counts), item, np.clip(np.round(seconds, 1), 0.5, 600), np.round(hours, 1).astype(np.float32)
    )


def draw_liked(watched: Histories, random: np.random.Generator) -> Histories:
    """Draws which of the watched items were liked: those that were watched for long rather than others."""
    rate = np.where(watched.seconds > 30, np.float32(0.4), np.float32(0.15))
    return watched.where(random.random(len(rate), dtype=np.float32) < rate)
