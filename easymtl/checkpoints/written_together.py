"""A checkpoint that all workers write: each the rows that it has of tables, into one folder that all of them see.

It is made in two stages, each of which a worker can do by itself, in any thread: all write their parts into a draft,
then the chief makes one checkpoint of these and publishes it. What is told between them, and at their ends, is told by
the main threads, in the order in which they tell each other everything.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.publishing import reason
from easymtl.checkpoints.shards import Copiable, OwnPart, PartFile, WriteBeside, merge_of_workers
from easymtl.errors import UserError
from easymtl.peers.peers import Peers

Found = tuple[str, Collection[Sequence[Any]]]
"""Why a worker could not write its part, and the `PartFile`s that it has written; as JSON can hold it."""


def by_chief(peers: Peers, work: Callable[[], Any]) -> None:
    """Has the chief do something; all workers have to call it.

    Raises:
        UserError: it cannot be done; on all workers.
    """
    problem = problem_of(work) if peers.is_chief else None
    [problem, *_] = peers.share(problem)
    if problem is not None:
        raise UserError(problem)


def problem_of(work: Callable[[], Any]) -> str | None:
    """Does something, and returns the text of the UserError that it raises; None if it does not."""
    try:
        work()
    except UserError as error:
        return str(error)
    return None


def draft_for_all(folder: CheckpointFolder, step: int, peers: Peers) -> Path:
    """Makes the folder where the checkpoint of a step is written, and returns it; all workers have to call it.

    Raises:
        UserError: it cannot be made; on all workers.
    """
    by_chief(peers, lambda: folder.begin(step))
    [draft, *_] = peers.share(str(folder.draft_of(step).absolute()))
    return Path(draft)


def write_part(part: OwnPart, draft: Path) -> Found:
    """Writes what this worker has; returns what went wrong, too, for the chief is to tell of it."""
    try:
        return "", part.write(draft)
    except (OSError, tf.errors.OpError) as error:
        return reason(error), []


@dataclass(frozen=True)
class AllParts:
    """What all workers have written, to be made one checkpoint of by the chief; see `Writable`.

    Attributes:
        found: what each worker has found when it wrote.
        weights: those of the chief: know names and shapes.
        write_beside: writes what is no tensor.
    """

    found: Sequence[Found]
    weights: Copiable
    write_beside: WriteBeside

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Makes one checkpoint of the parts.

        Raises:
            OSError: a worker could not write, or its part is not there.
            OpError: it could not be written.
        """
        for index, (problem, _) in enumerate(self.found):
            if problem:
                raise OSError(f"worker {index}: {problem}")
        known = self.write_beside(folder)
        return known | merge_of_workers(folder, [PartFile(*part) for _, parts in self.found for part in parts])

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model."""
        self.weights.check(folder)
