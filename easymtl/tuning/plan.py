"""What a study is made of, and the folder that it is kept in."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from easymtl.checkpoints.publishing import write_text
from easymtl.config import Config, parse_config
from easymtl.config.config import read_text
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.study_results import RESULT_NAME, read_result, write_result
from easymtl.tuning.objectives import Objective, objectives_of
from easymtl.tuning.optuna_study import DATABASE, TRIAL
from easymtl.tuning.sampling import Draw
from easymtl.tuning.space import Space, read_space
from easymtl.tuning.space_check import check_space

CONFIG_NAME = "original.config"
_MOST_LINES = 8


@dataclass(frozen=True)
class Plan:
    """What a study is made of.

    Attributes:
        text: of the config.
        config: it, overridden and checked.
        overrides: of the command.
        space: what is searched.
        draws: what a trial draws.
        objectives: what is made better.
        num_seeds: trainings of each trial.
    """

    text: str
    config: Config
    overrides: tuple[str, ...]
    space: Space
    draws: Sequence[Draw]
    objectives: Sequence[Objective]
    num_seeds: int

    def made_of(self) -> dict[str, Any]:
        """Returns what has to be the same when a study goes on."""
        pipeline = Pipeline()
        pipeline.CopyFrom(self.config.pipeline)
        pipeline.ClearField("model_dir")
        return {
            "config": text_format.MessageToString(pipeline, as_utf8=True),
            "space": self.space.text(),
            "--metric": ",".join(one.name for one in self.objectives),
            "--seeds": str(self.num_seeds),
        }


def plan_of(
    config: str, space: str, overrides: Sequence[str] = (), metrics: Sequence[str] = (), num_seeds: int = 1
) -> Plan:
    """Reads and checks all that a study is made of.

    Args:
        config: a file.
        space: a file.
        overrides: `path=value` each.
        metrics: see `objectives_of`.
        num_seeds: trainings of each trial.

    Raises:
        UserError: something is wrong in the config or the space, or does not fit.
    """
    text = read_text(config)
    checked = parse_config(text, config, overrides)
    objectives = objectives_of(checked.pipeline, metrics)
    read = read_space(space)
    draws = check_space(read, text, checked, overrides)
    return Plan(text, checked, tuple(overrides), read, draws, objectives, num_seeds)


def require_same_study(plan: Plan, folder: Path) -> None:
    """Checks that a study in a folder, if there is one, is whole and of the same config, space and metrics.

    Raises:
        UserError: it is of others, and the text tells what differs; or a part of it is gone.
    """
    known = read_result(folder)
    _require_whole(folder, known)
    if known is None:
        return
    before, now = known["made_of"], plan.made_of()
    for name, value in now.items():
        old = before.get(name, "")
        if old != value:
            raise UserError(
                f"{folder}: the study there is of another {name}:\n{_difference(old, value)}\nTrials of both cannot be "
                "compared. Name another folder, --study ..., or go on as before."
            )


def _require_whole(folder: Path, known: Mapping[str, Any] | None) -> None:
    """Refuses what is left of a study: its trainings would be taken for those of another one."""
    has_database = (folder / DATABASE).exists()
    missing = RESULT_NAME if known is None else "" if has_database else DATABASE
    if missing and (has_database or any(folder.glob(f"{TRIAL}[0-9]*"))):
        raise UserError(
            f"{folder}: trials of a study are there, and its {missing} is gone, so that what they are of is not known. "
            f"Name another folder, --study ..., or remove {RESULT_NAME}, {DATABASE} and {TRIAL}* from it."
        )


def _difference(old: str, new: str) -> str:
    lines = [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), "there", "now", n=0, lineterm="")
        if not line.startswith("@@")
    ]
    more = [f"... and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    return "\n".join(f"  {line}" for line in [*lines[:_MOST_LINES], *more])


def begin_study(plan: Plan, folder: Path) -> Path:
    """Writes what a new study is made of; returns the file of the config that all of its trials are read from."""
    config = folder / CONFIG_NAME
    if read_result(folder) is None:
        write_text(config, plan.text)
        write_result(folder, {"made_of": plan.made_of(), "trials": [], "best": []})
    return config
