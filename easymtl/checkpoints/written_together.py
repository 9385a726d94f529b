"""A checkpoint that all workers write: each the rows that it has of tables, into one folder that all of them see."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.publishing import reason
from easymtl.checkpoints.shards import merge_parts
from easymtl.checkpoints.weights import Weights
from easymtl.errors import UserError
from easymtl.peers.peers import Peers


def save_together(
    folder: CheckpointFolder, step: int, weights: Weights, state: Mapping[str, Any], peers: Peers
) -> Checkpoint:
    """Writes a checkpoint as `CheckpointFolder.save` does; all workers have to call it.

    The chief makes the folder, all write into it, and the chief publishes it once all parts are there: to readers it is
    a checkpoint as one process writes it, tables with the same names and shapes.

    Raises:
        UserError: a worker could not write its part, or the chief does not see it; on all workers, and the checkpoints
            before it are as they were.
    """
    if not peers.is_chief:
        [draft, *_] = peers.share(None)
        if draft is not None:
            _write_all(Path(draft), weights, peers)
        [problem, *_] = peers.share(None)
    else:
        parts = _Parts(weights, peers)
        problem = None
        try:
            folder.save(step, parts, state)
        except UserError as error:
            problem = str(error)
            if not parts.are_asked_for:
                peers.share(None)
        peers.share(problem)
    if problem is not None:
        raise UserError(problem)
    return folder.of(step)


class _Parts:
    """What the chief writes: its own part and, by asking for them, those of the others."""

    def __init__(self, weights: Weights, peers: Peers):
        self._weights, self._peers = weights, peers
        self.are_asked_for = False

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Has all workers write, and makes one checkpoint of it."""
        self.are_asked_for = True
        self._peers.share(str(folder.absolute()))
        prefixes = _write_all(folder, self._weights, self._peers)
        for prefix in prefixes:
            if not Path(f"{prefix}.index").exists():
                raise OSError(
                    f"{Path(prefix).name}, which another worker has written, is not there. All workers need the same "
                    "model_dir, on a file system that they share"
                )
        merge_parts(folder, prefixes)
        return {}

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model."""
        self._weights.check(folder)


def _write_all(folder: Path, weights: Weights, peers: Peers) -> list[str]:
    """Writes this worker's part, and returns the prefixes of the parts of all, as the chief calls them.

    Raises:
        OSError: a worker could not write, on the chief.
    """
    names: list[str] = []
    problem = ""
    try:
        names = [Path(prefix).name for prefix in weights.write_own(folder, peers.index)]
    except (OSError, tf.errors.OpError) as error:
        problem = reason(error)
    found = peers.share([problem, names])
    for index, (told, _) in enumerate(found):
        if told and peers.is_chief:
            raise OSError(f"worker {index}: {told}")
    return [str(folder / name) for _, of_one in found for name in of_one]
