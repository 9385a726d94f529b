"""The trainings of a trial, one for each seed, and what came of them."""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from easymtl.checkpoints.publishing import write_text
from easymtl.config.edits import Override
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tuning.objectives import Evaluation, Objective, counted_evaluation

Decide = Callable[[Evaluation], bool]
"""Is told of each evaluation; returns whether the training shall go on."""

Progress = Callable[[int, float | None], None]
"""Is told now and then how many steps were made, and the share of the training that is done, if that is known."""


@dataclass(frozen=True)
class Training:
    """A training of a trial.

    Attributes:
        config: the file of the config.
        overrides: `path=value` each, model_dir and seed among them.
        model_dir: where it is kept; what else belongs to it has this path with another ending.
        settings: what tables call its values, for TensorBoard.
    """

    config: Path
    overrides: tuple[str, ...]
    model_dir: Path
    settings: Mapping[str, str]

    @property
    def result_file(self) -> Path:
        """Returns the file of what came of it, which is there once it has ended."""
        return self.model_dir.with_name(f"{self.model_dir.name}.json")


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        evaluations: all of its model_dir, also those before it was continued.
        is_stopped: it was told to stop, and can be continued.
        error: why it failed; empty where it did not.
        is_killed: it was ended from outside, so that a second try may succeed.
    """

    evaluations: Sequence[Evaluation] = ()
    is_stopped: bool = False
    error: str = ""
    is_killed: bool = False


class Runner(Protocol):
    """What makes trainings."""

    def __call__(self, training: Training, decide: Decide, progress: Progress) -> Outcome:
        """Makes one, or goes on with one that was stopped."""


@dataclass(frozen=True)
class Values:
    """What a trial is worth.

    Attributes:
        mean: of each objective over the seeds.
        spread: their standard deviation over the seeds, 0 with one.
        seeds: of each seed, of each objective.
        metrics: the mean of every result over the seeds.
    """

    mean: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    seeds: list[list[float]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


def trainings_of(
    pipeline: Pipeline,
    config: Path,
    overrides: Sequence[str],
    folder: Path,
    num_seeds: int,
    settings: Mapping[str, str],
) -> list[Training]:
    """Returns the trainings of a trial: the seed of the config, and the numbers behind it.

    Args:
        pipeline: the config.
        config: its file.
        overrides: of the command and of the trial.
        folder: of the trial.
        num_seeds: how many.
        settings: as tables call the values of the trial.
    """
    first = pipeline.train_config.seed
    found = []
    for seed in range(first, first + num_seeds):
        model_dir = folder / f"seed_{seed}"
        own = (
            Override.of("the study", "model_dir", json.dumps(str(model_dir))),
            Override.of("the study", "train_config.seed", str(seed)),
            Override.of("the study", "export_config.exporter_type", "none"),
        )
        found.append(Training(config, (*overrides, *own), model_dir, settings))
    return found


def train(training: Training, run: Runner, decide: Decide, progress: Progress) -> Outcome:
    """Makes a training, and remembers that it has ended; one that has is not made again."""
    known = _known(training.result_file)
    if known is not None:
        return Outcome(known)
    outcome = run(training, decide, progress)
    if not (outcome.is_stopped or outcome.error):
        write_text(training.result_file, json.dumps({"evaluations": list(outcome.evaluations)}))
    return outcome


def _known(file: Path) -> list[Evaluation] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["evaluations"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def values_of(pipeline: Pipeline, objectives: Sequence[Objective], outcomes: Sequence[Outcome]) -> Values:
    """Returns what the trainings of a trial are worth; NaN where a result is not determined."""
    counted = [counted_evaluation(pipeline, outcome.evaluations) for outcome in outcomes]
    metrics: list[Mapping[str, Any]] = [one["metrics"] if one else {} for one in counted]
    seeds = [[objective.read(found) for objective in objectives] for found in metrics]
    columns = list(zip(*seeds))
    names = [name for name in metrics[0] if all(isinstance(found.get(name), (int, float)) for found in metrics)]
    return Values(
        [statistics.fmean(column) for column in columns],
        [_spread(column) for column in columns],
        seeds,
        {name: statistics.fmean(found[name] for found in metrics) for name in names},
    )


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else 0.0
