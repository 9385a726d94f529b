"""Whether a training goes on with the data that it was made with: a position in other files means nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from easymtl.checkpoints.folder import Checkpoint
from easymtl.config import view
from easymtl.data.feed import MIN_WINDOW_ROWS, Cursor
from easymtl.data.fields import input_fields
from easymtl.data.fingerprint import FileMark, describe_changes, fingerprint
from easymtl.data.paths import expand
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline

# What decides which rows a file holds.
_READING = ("separator", "quote", "with_header", "ignore_error")


@dataclass(frozen=True)
class DataIdentity:
    """The training data of a config: the files, and the settings that decide which row is where.

    Attributes:
        files: in the order in which they are read; none for made-up rows.
        order: config field -> value as text, of the fields that decide which rows come, and in which order.
        part: the part of data that these are, where one follows the other; two of them may have equal files.
    """

    files: tuple[FileMark, ...]
    order: Mapping[str, str]
    part: str = ""

    @classmethod
    def of(cls, pipeline: Pipeline, part: str = "") -> "DataIdentity":
        """Returns the identity of the data that are there now.

        Raises:
            UserError: a file is gone or cannot be read.
        """
        return cls(tuple(_marks(pipeline, view.train_input(pipeline))), _order(pipeline), part)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "DataIdentity":
        """Returns the identity of `to_dict`."""
        return cls(tuple(FileMark(*entry) for entry in state["files"]), state["order"], state.get("part", ""))

    def to_dict(self) -> dict[str, Any]:
        """Returns what `from_dict` takes, as JSON can hold it."""
        said = {"files": [list(asdict(mark).values()) for mark in self.files], "order": dict(self.order)}
        return {**said, "part": self.part} if self.part else said


def marks_of(pipeline: Pipeline, paths: str) -> list[list[Any]]:
    """Returns what tells the data in `paths` from others, as JSON can hold it; nothing where there are none.

    Raises:
        UserError: a file is gone or cannot be read.
    """
    return [list(asdict(mark).values()) for mark in _marks(pipeline, paths)]


def require_same_files(here: DataIdentity, there: DataIdentity, checkpoint: Checkpoint, num_steps: int) -> None:
    """Refuses files that are not those of a checkpoint.

    Args:
        here: the data that are there now.
        there: those of the checkpoint.
        checkpoint: of which the training would go on.
        num_steps: at which it ends; 0 = never.

    Raises:
        UserError: they are others; the message names the first of them and the ways to go on.
    """
    changes = describe_changes(there.files, here.files)
    if changes:
        is_over = 0 < num_steps <= checkpoint.step
        more = f" and with a train_config.num_steps above {checkpoint.step}, which counts all steps" if is_over else ""
        raise UserError(
            f"{checkpoint.path}: the files of the training data are not those of this checkpoint: {changes}. Its "
            "position in those means nothing in these. To train on with these files, from their beginning, run the "
            f"same command with --new_data{more}: weights, optimizer slots, the step and the schedules go on, and "
            "data_config.num_epochs counts anew. To go on where the training was, bring the old files back, in any "
            "folder, with their names and in their order."
        )


def require_same_part(here: DataIdentity, there: DataIdentity, checkpoint: Checkpoint) -> None:
    """Refuses to go on in a part of data that has changed since a checkpoint was saved in the middle of it.

    Raises:
        UserError: its files are others; the message names the first of them and the ways to go on.
    """
    changes = describe_changes(there.files, here.files)
    if changes:
        raise UserError(
            f'{checkpoint.path}: the part "{here.part}" has changed while it was trained on: {changes}. The position '
            "in its old files means nothing in these. Bring the old files back, and run the same command again. Or "
            f'leave the rest of this part out: rename its folder so that its name begins with "_", and the next part '
            "is trained on."
        )


def changed_order(here: DataIdentity, there: DataIdentity, cursor: Cursor) -> str:
    """Returns a warning if the config has another order of rows than the one in which the cursor is a position.

    At the beginning of a pass over the data any order will do.
    """
    changed = [name for name in here.order if there.order.get(name, here.order[name]) != here.order[name]]
    if not changed or cursor == Cursor(cursor.epoch):
        return ""
    names = ", ".join(f"{name} (was {there.order[name]}, is {here.order[name]})" for name in changed)
    return (
        f"Warning: {names} changed in the middle of pass {cursor.epoch + 1} over the data, and with it which row is "
        "where: some rows of this pass are read twice, others not at all. Set it back to go on exactly, or begin the "
        "data anew with --new_data."
    )


def _marks(pipeline: Pipeline, paths: str) -> list[FileMark]:
    files = expand(paths) if paths else []
    return fingerprint(files, input_fields(pipeline.data_config))


def _order(pipeline: Pipeline) -> dict[str, str]:
    data = pipeline.data_config
    names = [name for name in _READING if name in DatasetConfig.DESCRIPTOR.fields_by_name]
    found = {f"data_config.{name}": repr(getattr(data, name)) for name in names}
    found["data_config.shuffle"] = str(data.shuffle).lower()
    if data.shuffle:
        window = max(data.shuffle_buffer_size, MIN_WINDOW_ROWS)
        found["data_config.shuffle_buffer_size"] = f"{window:,} rows"
        found["train_config.seed"] = str(pipeline.train_config.seed)
        # Small data is kept between epochs, and shuffled in another way then.
        found["data_config.num_epochs"] = "1" if data.num_epochs == 1 else "several"
    return found
