"""All kinds of faults, each with how many of its points are tried in full."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import (
    command_kinds,
    data_kinds,
    long_kinds,
    mode_kinds,
    operation_kinds,
    small_kinds,
    together_kinds,
)
from tests.faults.project import Project, Result


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: by which it is asked for.
        what: in a table.
        number: of its units in full; a unit is one fault, or a few of one after the other.
        run: does the n-th unit, the same one whatever was done before.
    """

    name: str
    what: str
    number: int
    run: Callable[[Project, random.Random, int], Result]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("kill", "SIGKILL of a training at random moments, 5 in a row", 10, long_kinds.killed_training),
        Kind("kill_file", "SIGKILL of a training at an operation on files", 60, small_kinds.killed_at_operation),
        Kind("kill_export", "SIGKILL of an export at random moments, 3 in a row", 6, long_kinds.killed_export),
        Kind("export_file", "SIGKILL of an export at an operation on files", 20, operation_kinds.killed_export_at),
        Kind("stop", "SIGTERM and SIGINT", 2, long_kinds.stopped_training),
        Kind("stop_twice", "a second signal", 1, long_kinds.second_signal),
        Kind("two", "two trainings in one model_dir", 2, long_kinds.two_trainings),
        Kind("file_error", "no space, no permission, read-only or broken disk", 45, small_kinds.failing_operation),
        Kind("full_disk", "a small file system that gets full", 2, long_kinds.full_disk),
        Kind("file_limit", "files cannot grow (RLIMIT_FSIZE)", 2, long_kinds.file_limit),
        Kind("checkpoint", "newest checkpoint cut, flipped, longer, incomplete", 25, small_kinds.damaged_checkpoint),
        Kind("delta", "newest checkpoint, a delta: cut, flipped, incomplete", 25, small_kinds.damaged_delta),
        Kind("beside", "files beside the checkpoints cut", 8, small_kinds.cut_beside),
        Kind("data", "data files that vanish, shrink or change", 15, data_kinds.changed_data),
        Kind("unreadable", "EIO, folders, pipes, holes, modes, links in place of data", 24, data_kinds.unreadable_data),
        Kind("modes", "model_dir or a part of it read-only or closed", 20, mode_kinds.closed_folder),
        Kind("follow", "SIGKILL of follow over seven days, 5 in a row", 2, command_kinds.killed_days),
        Kind("follow_file", "SIGKILL of follow at an operation on files", 24, operation_kinds.killed_follow_at),
        Kind("follow_clock", "the clock jumps while follow runs", 4, operation_kinds.followed_with_clock),
        Kind("launch", "SIGKILL of launch itself, 2 in a row", 4, command_kinds.killed_launcher),
        Kind("two_launches", "two launches in one model_dir", 2, command_kinds.two_launches),
        Kind("workers", "SIGKILL of one of two workers, 2 in a row", 4, command_kinds.killed_workers),
        Kind("kill_saving", "SIGKILL of one of two workers that save together", 24, together_kinds.killed_saving),
        Kind("clock", "the clock jumps by a day or years", 8, small_kinds.clock_jump),
    )
}  # fmt: skip
