"""Which worker is lost, from what is known of the life of each of them; times are those of one clock, in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

SILENCE_SECONDS = 25.0
"""Without a word from a process, which sends one each second whatever its main thread does."""
_SUSPICIOUS_SECONDS = 3.0

PATIENCE: Mapping[str, float] = {
    "starting TensorFlow": 300.0,
    "joining": 300.0,
    "building": 600.0,
    "measuring precision": 300.0,
    "tracing": 900.0,
    "reading checkpoints": 600.0,
    "opening files": 600.0,
    "saving": 120.0,
    "computing metrics": 900.0,
    "exporting": 900.0,
    "writing results": 900.0,
}
"""Seconds that a phase may last without a sign, where those are longer than for all others."""


@dataclass(frozen=True)
class Life:
    """What is known of a worker.

    Attributes:
        heard_at: when its process has last sent a word.
        beat_at: when its main thread has last gone on.
        phase: what that did then, such as `reading`.
        step: updates it had made.
        is_together: whether it is in something that all workers do together, where the last one lets all others wait.
        patience: seconds that this may take without another beat.
        is_done: whether it has done all its work, and waits for the others to end.
    """

    heard_at: float
    beat_at: float
    phase: str = "starting"
    step: int = 0
    is_together: bool = False
    patience: float = SILENCE_SECONDS
    is_done: bool = False

    def what(self, now: float) -> str:
        """Returns what was last known of it, as the end of a sentence."""
        return f"last sign: {self.phase}, step {self.step:,}, {now - self.beat_at:.0f} s ago"


@dataclass(frozen=True)
class Verdict:
    """A worker without which the others cannot go on.

    Attributes:
        index: which.
        text: why: what comes behind its name.
        is_told: whether it has said so itself: then all others may still be ending for the same reason.
    """

    index: int
    text: str
    is_told: bool = False


def silent(lives: Mapping[int, Life], own: int, now: float, silence: float = SILENCE_SECONDS) -> Verdict | None:
    """Returns another worker whose process says nothing: it was stopped, or its host or the network is gone."""
    for index, life in lives.items():
        if index != own and now - life.heard_at > silence:
            return Verdict(index, _silence_text(life, now))
    return None


def suspect(lives: Mapping[int, Life], now: float) -> Verdict | None:
    """Returns the worker that TensorFlow has most probably lost, where none has been silent for long enough."""
    index = min(lives, key=lambda one: lives[one].heard_at)
    life = lives[index]
    if now - life.heard_at < _SUSPICIOUS_SECONDS:
        return None
    return Verdict(
        index, f"does not answer TensorFlow any more, and has given no sign of life since ({life.what(now)})"
    )


def hanging(lives: Mapping[int, Life], now: float) -> Verdict | None:
    """Returns the worker that keeps all from going on although its process lives.

    Who waits for others in a common operation does not hang as long as one of those gives signs. When all of them wait
    in one for longer than each of them should, nobody can tell who keeps it: the one whose last sign is the oldest is
    named.
    """
    working = {index: life for index, life in lives.items() if not life.is_done}
    overdue = {index: life for index, life in working.items() if now - life.beat_at > life.patience}
    apart = {index: life for index, life in overdue.items() if not life.is_together}
    if not apart and len(overdue) < len(working):
        return None
    suspects = apart or overdue
    if not suspects:
        return None
    index = min(suspects, key=lambda one: suspects[one].beat_at)
    life = suspects[index]
    if now - life.heard_at > _SUSPICIOUS_SECONDS:
        return Verdict(index, _silence_text(life, now))
    text = f"does not go on: its process lives, but its work has stood still ({life.what(now)})"
    return Verdict(index, text)


def _silence_text(life: Life, now: float) -> str:
    return f"has given no sign of life for {now - life.heard_at:.0f} s ({life.what(now)})"
