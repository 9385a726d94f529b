"""Learning rates that have come down to nothing, which parts that are still to come would be trained at."""

from collections.abc import Iterator

from easymtl.config.rules.review import walk
from easymtl.protos.optimizer_pb2 import LearningRate
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.formats import number_text
from easymtl.training.schedules import Schedule, make_schedule

_LOW = 0.01
"""Share of the highest rate so far that hardly moves a weight."""
_SAMPLES = 1000
_AHEAD = (1, 2, 5, 10)
"""How far to look for a rate that rises again, in steps so far."""


def low_rates(pipeline: Pipeline, step: int) -> Iterator[tuple[str, str]]:
    """Yields place and warning of each learning rate that is below a hundredth of its highest one, and stays there.

    Args:
        pipeline: the config.
        step: updates made so far.
    """
    for path, message in walk(pipeline.train_config, "train_config"):
        if isinstance(message, LearningRate) and (name := message.WhichOneof("learning_rate")):
            schedule = make_schedule(message)
            highest = _highest(schedule, step)
            if _to_come(schedule, step) < _LOW * highest:
                text = (
                    f"Warning: at step {step:,} {path}.{name} has come down from {highest:.3g} to "
                    f"{number_text(schedule(step))}: parts to come hardly move a weight. It falls with the steps of "
                    "all parts, which have no end here. Take a rate that stays, with which training goes on, such as "
                    f"--set {path}.constant_learning_rate.learning_rate={highest / 10:.2g}"
                )
                yield path, text


def _highest(schedule: Schedule, step: int) -> float:
    return max(schedule(step * number // _SAMPLES) for number in range(_SAMPLES + 1))


def _to_come(schedule: Schedule, step: int) -> float:
    return max(schedule(step * times) for times in _AHEAD)
