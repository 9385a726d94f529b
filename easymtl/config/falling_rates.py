"""Learning rates that come down at a step, and whether training ends at that step."""

from collections.abc import Iterator

from easymtl.config.rules.review import walk
from easymtl.protos.optimizer_pb2 import LearningRate
from easymtl.protos.pipeline_pb2 import Pipeline

TOLERATED = 0.1
"""Share of the steps by which the end of a rate may miss that of training."""
_FALLING = ("cosine_decay_learning_rate", "poly_decay_learning_rate")


def falling_rates(pipeline: Pipeline) -> Iterator[tuple[str, int]]:
    """Yields the path of each `total_steps`, and the step, from which a rate stays at its end."""
    for path, message in walk(pipeline.train_config, "train_config"):
        name = message.WhichOneof("learning_rate") if isinstance(message, LearningRate) else None
        if name in _FALLING and getattr(message, name).total_steps:
            yield f"{path}.{name}.total_steps", getattr(message, name).total_steps


def is_too_late(total_steps: int, num_steps: float) -> bool:
    """Returns whether training ends clearly before its rate has come down."""
    return total_steps > num_steps * (1 + TOLERATED)


def is_too_early(total_steps: int, num_steps: float) -> bool:
    """Returns whether training goes clearly on with a rate that has come down."""
    return total_steps < num_steps * (1 - TOLERATED)


def steps_of_rows(pipeline: Pipeline, num_rows: int, num_workers: int = 1) -> int:
    """Returns how many steps a training makes of rows from their beginning; 0 where it has no end.

    Batches cross the border between two passes; only the last one of all may be shorter.
    """
    data, num_steps = pipeline.data_config, pipeline.train_config.num_steps
    of_step = data.batch_size * num_workers
    rows = num_rows * data.num_epochs
    steps = rows // of_step if data.drop_remainder else -(-rows // of_step)
    return min(steps, num_steps) if steps and num_steps else steps or num_steps


def misfits(pipeline: Pipeline, num_steps: int) -> Iterator[str]:
    """Yields a sentence for each rate that comes down at another step than training ends.

    What the config alone tells is left out, as it is noted with the config.

    Args:
        pipeline: the config.
        num_steps: that training makes in all, or has made.
    """
    limit, has_passes = pipeline.train_config.num_steps, bool(pipeline.data_config.num_epochs)
    for path, total_steps in falling_rates(pipeline):
        if num_steps <= 0 or (limit and (is_too_late(total_steps, limit) or not has_passes)):
            continue
        if is_too_late(total_steps, num_steps):
            what = "it ends before the rate has come down"
        elif is_too_early(total_steps, num_steps):
            what = "it goes on with the rate of the end"
        else:
            continue
        yield (
            f"{path} is {total_steps:,}, and training makes {num_steps:,} steps in all (data_config.num_epochs, "
            f"batch_size): {what}. Set it to {num_steps}."
        )
