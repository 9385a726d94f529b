"""Where in its data a training goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.same_data import DataIdentity, changed_order, require_same_files, require_same_part
from easymtl.data.order import Cursor
from easymtl.errors import UserError
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline

_TAKEN_FOR_SAME = (
    "An earlier version wrote it: the files of the config are taken for the same. If they are others, train with "
    "--new_data."
)


@dataclass(frozen=True)
class Position:
    """Where a training goes on.

    Attributes:
        cursor: the place in the training data; None for their beginning.
        data_step: updates that had been made when these data were begun.
        notes: what the user should know of it, a sentence each.
    """

    cursor: Cursor | None
    data_step: int
    notes: tuple[str, ...] = ()


def position_of(
    pipeline: Pipeline,
    here: DataIdentity,
    latest: Checkpoint,
    state: Mapping[str, Any],
    new_data: bool,
    peers: Peers = ONE,
) -> Position:
    """Goes on in the same data, or begins other ones where the user has said so.

    Args:
        pipeline: the config.
        here: the training data that are there now.
        latest: the checkpoint that the training goes on from.
        state: its state.
        new_data: whether data that are not those of the checkpoint are read from their beginning, rather than refused.
        peers: the workers that go on. Where they are more or fewer than before, others read other rows, and the pass
            over the data begins anew.

    Raises:
        UserError: the files are others, or nothing of the new ones would be trained on.
    """
    cursor, of_workers = _cursor_of(state, latest, peers)
    data_step = state.get("data_step", 0)
    there = DataIdentity.from_dict(state["data"]) if "data" in state else None
    warning = changed_order(here, there, cursor) if there else ""
    if here.part:
        return _in_part(here, there, latest, Position(cursor, data_step, (warning,) if warning else ()))
    # Workers stand at other places of the data, and each may see files of its own: if one begins, all of them do.
    if new_data and any(peers.share(there is None or there.files != here.files or bool(warning))):
        return _beginning(pipeline, latest)
    notes = [*of_workers]
    if new_data:
        notes.append(f"--new_data: the files are those of {latest.path}, so training goes on in them.")
    if there is None:
        # An imported checkpoint has no position yet.
        if cursor != Cursor():
            notes.append(f"{latest.path} does not say which files it was trained on. {_TAKEN_FOR_SAME}")
    else:
        require_same_files(here, there, latest, pipeline.train_config.num_steps)
        notes += [warning] if warning else []
    return Position(cursor, data_step, tuple(notes))


def cursor_state(cursor: Cursor, peers: Peers) -> dict[str, Any]:
    """Returns what a checkpoint remembers of the positions of all workers, each of which has its own."""
    cursors = peers.share(cursor.to_dict())
    return {"cursor": cursors[0], **({"cursors": cursors} if peers.are_several else {})}


def _cursor_of(state: Mapping[str, Any], latest: Checkpoint, peers: Peers) -> tuple[Cursor, list[str]]:
    """Returns where this worker goes on, and what is to be said of it."""
    cursors = [Cursor.from_dict(cursor) for cursor in state.get("cursors", [state["cursor"]])]
    if len(cursors) == peers.size:
        return cursors[peers.index], []
    epoch = min(cursors).epoch
    if all(cursor == Cursor(epoch) for cursor in cursors):
        return Cursor(epoch), []
    before, now = (f"{number} worker{'s' if number > 1 else ''}" for number in (len(cursors), peers.size))
    text = f"{latest.path} was trained by {before}, and now there {'are' if peers.size > 1 else 'is'} {now}"
    return Cursor(epoch), [f"{text}: pass {epoch + 1} over the data begins anew; weights and schedules go on."]


def _in_part(here: DataIdentity, there: DataIdentity | None, latest: Checkpoint, position: Position) -> Position:
    """Goes on in a part of data that was begun, or begins it."""
    if there is None or there.part != here.part:
        return Position(None, latest.step)
    require_same_part(here, there, latest)
    return position


def _beginning(pipeline: Pipeline, latest: Checkpoint) -> Position:
    num_steps = pipeline.train_config.num_steps
    if 0 < num_steps <= latest.step:
        num_epochs = pipeline.data_config.num_epochs
        passes = f", or set it to 0 for the data_config.num_epochs: {num_epochs} alone" if num_epochs else ""
        raise UserError(
            f"train_config.num_steps is {num_steps}, and {latest.path} has made {latest.step}: "
            "nothing of the new data would be trained on. num_steps counts the steps on earlier data, too: raise "
            f"it by those that are to be made, such as --set train_config.num_steps={latest.step + 1000}{passes}."
        )
    note = f"--new_data: the training data are read from their beginning, at step {latest.step}."
    return Position(None, latest.step, (note,))
