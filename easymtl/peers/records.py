"""The words that workers send each other about themselves."""

import math
from typing import Any

from easymtl.peers.judging import Life
from easymtl.peers.lines import BrokenLink, Record

_LONGEST_PHASE = 80


def record_of(life: Life, now: float) -> Record:
    """Returns what a worker says of itself: how long ago it went on, as clocks of two hosts have nothing in common."""
    return {
        "age": round(now - life.beat_at, 3),
        "phase": life.phase,
        "step": life.step,
        "together": life.is_together,
        "patience": life.patience,
        "done": life.is_done,
    }


def life_of(record: Record, now: float) -> Life:
    """Returns what has just been heard of a worker.

    Raises:
        BrokenLink: it is none of these words.
    """
    return Life(
        now,
        now - _seconds(record.get("age")),
        str(record.get("phase"))[:_LONGEST_PHASE],
        int(_seconds(record.get("step"))),
        record.get("together") is True,
        _seconds(record.get("patience")),
        record.get("done") is True,
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise BrokenLink("it sends what is no sign of life")
    return float(value)
