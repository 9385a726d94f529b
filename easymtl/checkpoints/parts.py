"""Which parts of data, of those that follow each other in time, a model was trained on: a checkpoint alone says it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from easymtl.errors import UserError

STATE = "parts"
_FIRST_DAY = date(1970, 1, 1)
MOST_PARTS = 10_000
"""Parts that a checkpoint names: those that were trained on last. What is older than all of these counts as done."""


@dataclass(frozen=True)
class TrainedPart:
    """A part that was trained on.

    Attributes:
        name: the names of its folders, such as `dt=2026-01-02/hour=03`.
        time: what it is ordered by.
        num_files: when it was trained on.
        num_bytes: of these.
        changed: the last change of them, nanoseconds since 1970; 0 where nothing tells.
        digest: of what tells its files from others.
    """

    name: str
    time: tuple[int, ...]
    num_files: int
    num_bytes: int
    changed: int
    digest: str

    @classmethod
    def from_list(cls, values: list[Any]) -> "TrainedPart":
        """Returns the part of `to_list`."""
        name, time, *rest = values
        return cls(name, tuple(time), *rest)

    @property
    def day(self) -> int | None:
        """Returns the day that it is called by, counted from 1970 on; None where its name has no date."""
        if len(self.time) < 3 or "week" in self.name.lower():
            return None
        try:
            day = (date(*self.time[:3]) - _FIRST_DAY).days
        except (ValueError, OverflowError):
            return None
        # Seconds since 1970 look like a year long ago.
        return day if day >= 0 else None

    def to_list(self) -> list[Any]:
        """Returns what `from_list` takes, as JSON can hold it."""
        return [list(value) if isinstance(value, tuple) else value for value in asdict(self).values()]


@dataclass(frozen=True)
class Parts:
    """The parts that a training has been through, in the order in which they were trained on.

    Attributes:
        trained: the newest of them; the last one may be half done, see `is_finished`.
        num_trained: of all, those that are named no more included.
        is_finished: whether the last one is done with.
        is_whole: whether all of its rows were trained on, or could be so far.
        begin: what is earlier was not asked for, and never is trained on; empty for no such bound.
        floor: what is not later counts as done, because it would be named no more; empty where all are.
        found: what was found in the last one before it was trained on.
    """

    trained: tuple[TrainedPart, ...] = ()
    num_trained: int = 0
    is_finished: bool = True
    is_whole: bool = True
    begin: tuple[int, ...] = ()
    floor: tuple[int, ...] = ()
    found: Mapping[str, Any] | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Parts | None":
        """Returns what the state of a checkpoint says; None of a training that had no parts."""
        said = state.get(STATE)
        if said is None:
            return None
        return cls(
            tuple(map(TrainedPart.from_list, said["trained"])),
            said["num_trained"],
            said["is_finished"],
            said["is_whole"],
            tuple(said["begin"]),
            tuple(said["floor"]),
            said["found"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns what `from_state` finds in a state."""
        return {
            "trained": [part.to_list() for part in self.trained],
            "num_trained": self.num_trained,
            "is_finished": self.is_finished,
            "is_whole": self.is_whole,
            "begin": list(self.begin),
            "floor": list(self.floor),
            "found": self.found,
        }

    @property
    def last(self) -> TrainedPart | None:
        """Returns the part that was begun last."""
        return self.trained[-1] if self.trained else None

    @property
    def newest(self) -> tuple[int, ...] | None:
        """Returns the time of the latest part, which need not be the one that was trained on last."""
        return max((part.time for part in self.trained), default=None)

    def with_next(self, part: TrainedPart, begin: tuple[int, ...], found: Mapping[str, Any]) -> "Parts":
        """Returns what is to be said while a further part is trained on."""
        trained = (*self.trained, part)
        gone = trained[:-MOST_PARTS]
        return Parts(
            trained[-MOST_PARTS:],
            self.num_trained + 1,
            False,
            True,
            begin,
            max([self.floor, *(one.time for one in gone)]),
            found,
        )

    def finished(self, is_whole: bool = True) -> "Parts":
        """Returns what is to be said when the last part was trained on, or the rest of it is left out."""
        return replace(self, is_finished=True, is_whole=is_whole)

    def require_next_of(self, before: "Parts | None", checkpoint: object) -> None:
        """Checks that these are what a checkpoint says, or that and one further part.

        Raises:
            UserError: the checkpoint is another one than that by which the part was chosen.
        """
        names = [part.name for part in (before or Parts()).trained]
        mine = [part.name for part in self.trained]
        number = before.num_trained if before else 0
        # The list of a long training has lost its first part for the next one.
        is_next = number == self.num_trained - 1 and names[len(names) - len(mine) + 1 :] == mine[:-1]
        if not is_next and (number, names) != (self.num_trained, mine):
            last = mine[-1] if mine else ""
            raise UserError(
                f'{checkpoint}: it is not the checkpoint by which the part "{last}" was chosen: run the same command '
                "again."
            )
