"""Learning rates of TorchEasyRec: the rate stands in the optimizer, and what becomes of it in a message beside it."""

from easymtl.convert.source import Node
from easymtl.protos.optimizer_pb2 import LearningRate, ManualStepLearningRate

_LARGEST = 2**32 - 1
_EPOCHS = (
    "counts epochs; ours count steps. The constant rate is used: multiply the sizes by the steps of an epoch and write "
    "the schedule into learning_rate."
)


def learning_rate(optimizer: Node, rate: float) -> LearningRate:
    """Returns the schedule of an optimizer.

    Args:
        optimizer: the message with the oneof `learning_rate`.
        rate: the `lr` of the optimizer in it, which every schedule starts from.
    """
    schedule = optimizer.chosen("learning_rate")
    rates = LearningRate()
    if schedule is None or schedule.name == "ConstantLR":
        rates.constant_learning_rate.learning_rate = rate
    elif schedule.take("by_epoch"):
        schedule.left_out("by_epoch", _EPOCHS)
        schedule.mark_all()
        rates.constant_learning_rate.learning_rate = rate
    else:
        _SCHEDULES[schedule.name](schedule, rate, rates)
    return rates


def _exponential(schedule: Node, rate: float, rates: LearningRate) -> None:
    ours = rates.exponential_decay_learning_rate
    ours.initial_learning_rate = rate
    ours.decay_steps = schedule.take("decay_size")
    ours.decay_factor = schedule.take("decay_factor")
    if not schedule.take("staircase"):
        ours.staircase = False
    if schedule.take("warmup_size"):
        ours.burnin_learning_rate = schedule.take("warmup_learning_rate")
        ours.burnin_steps = schedule.take("warmup_size")
    schedule.mark("warmup_learning_rate")
    if schedule.take("min_learning_rate"):
        ours.min_learning_rate = schedule.take("min_learning_rate")


def _manual(schedule: Node, rate: float, rates: LearningRate) -> None:
    sizes, values = schedule.values("schedule_sizes"), schedule.values("learning_rates")
    if len(sizes) != len(values):
        schedule.left_out("schedule_sizes", f"there are {len(sizes)} sizes for {len(values)} learning_rates.")
    ours = rates.manual_step_learning_rate
    ours.initial_learning_rate = rate
    if schedule.take("warmup"):
        ours.warmup = True
    for place, (size, value) in enumerate(zip(sizes, values)):
        # There a rate holds behind its size, and here from its step; a warm-up arrives at the size itself in both.
        step = size if ours.warmup and place == 0 else min(size + 1, _LARGEST)
        ours.schedule.append(ManualStepLearningRate.LearningRateSchedule(step=step, learning_rate=value))


def _cosine(schedule: Node, rate: float, rates: LearningRate) -> None:
    ours = rates.cosine_decay_learning_rate
    ours.learning_rate_base = rate
    ours.warmup_learning_rate = schedule.take("warmup_learning_rate")
    ours.warmup_steps = schedule.take("warmup_size")
    ours.total_steps = min(ours.warmup_steps + schedule.take("T_max"), _LARGEST)
    if schedule.take("min_learning_rate"):
        schedule.changed("min_learning_rate", "the rate falls to 0 at the end, and not to this.")


def _restarts(schedule: Node, rate: float, rates: LearningRate) -> None:
    schedule.left_out(
        "", "no schedule restarts: one fall along a cosine over T_0 is used. Set total_steps to num_steps."
    )
    ours = rates.cosine_decay_learning_rate
    ours.learning_rate_base = rate
    ours.warmup_learning_rate = schedule.take("warmup_learning_rate")
    ours.warmup_steps = schedule.take("warmup_size")
    ours.total_steps = min(ours.warmup_steps + schedule.take("T_0"), _LARGEST)
    schedule.mark_all()


_SCHEDULES = {
    "ExponentialDecayLR": _exponential,
    "ManualStepLR": _manual,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestartsLR": _restarts,
}
