"""Learning rates as plain functions of the number of steps done before the update."""

import math
from collections.abc import Callable

from google.protobuf.message import Message

from easymtl.protos import optimizer_pb2
from easymtl.protos.optimizer_pb2 import LearningRate

Schedule = Callable[[int], float]


def make_schedule(config: LearningRate) -> Schedule:
    """Returns the learning rate as a function of the step before the update (0 for the first one).

    Raises:
        KeyError: no member of the oneof is set; the config's validator has refused it before.
    """
    kind = config.WhichOneof("learning_rate")
    return _SCHEDULES[kind](getattr(config, kind))


def _constant(config: optimizer_pb2.ConstantLearningRate) -> Schedule:
    return lambda step: config.learning_rate


def _exponential_decay(config: optimizer_pb2.ExponentialDecayLearningRate) -> Schedule:
    """max(min, lr0 f^e) with e = (step - burnin) / decay_steps, after a linear burn-in."""

    def rate(step: int) -> float:
        if step < config.burnin_steps:
            start = config.burnin_learning_rate or config.initial_learning_rate
            value = _line(start, config.initial_learning_rate, step / config.burnin_steps)
        else:
            exponent = (step - config.burnin_steps) / config.decay_steps
            exponent = math.floor(exponent) if config.staircase else exponent
            value = config.initial_learning_rate * config.decay_factor**exponent
        return max(value, config.min_learning_rate)

    return rate


def _manual_step(config: optimizer_pb2.ManualStepLearningRate) -> Schedule:
    def rate(step: int) -> float:
        first = config.schedule[0] if config.schedule else None
        if config.warmup and first and step < first.step:
            return _line(config.initial_learning_rate, first.learning_rate, step / first.step)
        reached = [entry.learning_rate for entry in config.schedule if step >= entry.step]
        return reached[-1] if reached else config.initial_learning_rate

    return rate


def _cosine_decay(config: optimizer_pb2.CosineDecayLearningRate) -> Schedule:
    """Linear warm-up, hold, then half a cosine down to 0 (Loshchilov and Hutter 2017, equation 5)."""
    start = config.warmup_steps + config.hold_base_rate_steps

    def rate(step: int) -> float:
        if step < config.warmup_steps:
            share = step / config.warmup_steps
            return _line(config.warmup_learning_rate, config.learning_rate_base, share)
        if step <= start:
            return config.learning_rate_base
        share = min((step - start) / max(config.total_steps - start, 1), 1.0)
        return config.learning_rate_base * 0.5 * (1.0 + math.cos(math.pi * share))

    return rate


def _poly_decay(config: optimizer_pb2.PolyDecayLearningRate) -> Schedule:
    def rate(step: int) -> float:
        left = 1.0 - min(step, config.total_steps) / config.total_steps
        return (config.learning_rate_base - config.end_learning_rate) * left**config.power + config.end_learning_rate

    return rate


def _transformer(config: optimizer_pb2.TransformerLearningRate) -> Schedule:
    """Scale by base d^-0.5 min(s^-0.5, s w^-1.5) (Vaswani et al. 2017, equation 3); step and warm-up scale together."""
    warmup = config.warmup_steps * config.step_scaling_rate
    scale = config.learning_rate_base * config.hidden_size**-0.5

    def rate(step: int) -> float:
        scaled = step * config.step_scaling_rate + 1.0
        return scale * min(scaled**-0.5, scaled * warmup**-1.5)

    return rate


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


_SCHEDULES: dict[str, Callable[[Message], Schedule]] = {
    "constant_learning_rate": _constant,
    "exponential_decay_learning_rate": _exponential_decay,
    "manual_step_learning_rate": _manual_step,
    "cosine_decay_learning_rate": _cosine_decay,
    "poly_decay_learning_rate": _poly_decay,
    "transformer_learning_rate": _transformer,
}
