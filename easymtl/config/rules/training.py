"""Rules of train_config: when training ends, optimizers, learning rates, patterns."""

import re
import time
from collections.abc import Callable
from itertools import pairwise

from google.protobuf.message import Message

from easymtl.config.falling_rates import falling_rates, is_too_early, is_too_late
from easymtl.config.rules.review import FEATURES, Review, feature_name, walk
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.optimizer_pb2 import (
    CosineDecayLearningRate,
    LearningRate,
    ManualStepLearningRate,
    Optimizer,
    PolyDecayLearningRate,
    TransformerLearningRate,
)
from easymtl.protos.train_pb2 import TrainConfig

_OPTIMIZER_EXAMPLE = "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.001 } } }"
_MOST_OF_THE_START = 0.05
"""By how much a schedule may be longer or shorter than the training, of its length."""
_DEAD_LINE = "%Y%m%d %H:%M:%S"


def check_length(review: Review) -> None:
    """Training ends."""
    if not review.pipeline.train_config.num_steps and not review.data.num_epochs:
        text = "sets neither num_steps nor data_config.num_epochs, so training would not end; set one of them."
        review.problem("train_config", text, "data_config", "data_config.num_epochs")


def check_compilation(review: Review) -> None:
    """XLA compiles no model whose tensors have other sizes in each step, and none whose workers talk within it."""
    if review.pipeline.train_config.xla != TrainConfig.COMPILED:
        return
    path = "train_config.xla"
    histories = [
        feature_name(feature)
        for _, feature in review.written_features()
        if feature.feature_type == FeatureConfig.SequenceFeature
    ]
    if histories:
        compiled_anew = "XLA would compile anew for each number of steps. Leave xla out."
        text = f'is COMPILED, and "{histories[0]}" is a history: {compiled_anew}'
        review.problem(path, text, *FEATURES)
    if review.pipeline.train_config.sync_batch_norm:
        review.problem(path, "is COMPILED, and with sync_batch_norm workers talk within the network. Keep one of them.")


def check_optimizers(review: Review) -> None:
    """There are one or two optimizers, each with a learning rate."""
    optimizers = review.pipeline.train_config.optimizer_config
    if not optimizers:
        review.problem("train_config", f"has no optimizer; add optimizer_config {{ {_OPTIMIZER_EXAMPLE} }}.")
    if len(optimizers) > 2:
        text = f"is given {len(optimizers)} times; one serves all, two are embeddings first, dense layers second."
        review.problem("train_config.optimizer_config", text)
    for index, optimizer in enumerate(optimizers):
        _check_optimizer(review, f"train_config.optimizer_config[{index}]", optimizer)


def note_averages(review: Review) -> None:
    """A moving average that has not left the first weights behind, or a decay that nothing reads, is noted."""
    num_steps = review.pipeline.train_config.num_steps
    for index, optimizer in enumerate(review.pipeline.train_config.optimizer_config):
        path = f"train_config.optimizer_config[{index}]"
        decay = optimizer.moving_average_decay
        if not optimizer.use_moving_average:
            if optimizer.HasField("moving_average_decay"):
                review.note(f"{path}.moving_average_decay", "has no effect without use_moving_average.")
        elif num_steps and _MOST_OF_THE_START ** (1 / num_steps) < decay < 1:
            window = float(f"{1 / (1 - decay):.2g}")
            text = (
                f"keeps {decay**num_steps:.0%} of the weights before the first step: moving_average_decay "
                f"{decay:.6g} looks back over about {window:,.0f} steps, and num_steps is {num_steps:,}. "
                "Evaluations and exports use that average: lower the decay, or train longer."
            )
            review.note(f"{path}.use_moving_average", text)


def note_starting_weights(review: Review) -> None:
    """What only speaks of `fine_tune_checkpoint` is noted where nothing reads it."""
    settings, filters = review.pipeline.train_config, review.pipeline.model_config.restore_filters
    of_both = {
        "train_config.fine_tune_ckpt_var_map": bool(settings.fine_tune_ckpt_var_map),
        "train_config.force_restore_shape_compatible": settings.force_restore_shape_compatible,
        "model_config.restore_filters": bool(filters),
    }
    for path, is_set in of_both.items():
        if is_set and not settings.fine_tune_checkpoint:
            review.note(path, "has no effect without train_config.fine_tune_checkpoint.")
    if filters and settings.fine_tune_checkpoint and settings.fine_tune_ckpt_var_map:
        review.note("model_config.restore_filters", "has no effect beside train_config.fine_tune_ckpt_var_map.")
    for index, part in enumerate(filters):
        if not part:
            review.problem(f"model_config.restore_filters[{index}]", "is empty, and would leave every weight alone.")


def _check_optimizer(review: Review, path: str, optimizer: Optimizer) -> None:
    name = optimizer.WhichOneof("optimizer")
    if name is None:
        review.problem(path, f"names no optimizer, for example {_OPTIMIZER_EXAMPLE}.")
    elif not getattr(optimizer, name).learning_rate.WhichOneof("learning_rate"):
        text = "has no learning rate, for example learning_rate { constant_learning_rate { learning_rate: 0.001 } }."
        review.problem(f"{path}.{name}", text, f"{path}.{name}.learning_rate")


def check_schedules(review: Review) -> None:
    """Learning rate schedules have what they need."""
    for path, message in walk(review.pipeline.train_config, "train_config"):
        if isinstance(message, LearningRate) and (name := message.WhichOneof("learning_rate")):
            schedule = getattr(message, name)
            rule = _SCHEDULES.get(type(schedule))
            if rule:
                rule(review, f"{path}.{name}", schedule)


def note_schedules(review: Review) -> None:
    """A rate that falls to its end at another step than the training does is noted."""
    num_steps = review.pipeline.train_config.num_steps
    for path, total_steps in falling_rates(review.pipeline) if num_steps else ():
        _note_total_steps(review, path, total_steps, num_steps)


def _note_total_steps(review: Review, path: str, total_steps: int, num_steps: int) -> None:
    if is_too_late(total_steps, num_steps):
        text = f"is {total_steps:,}, and training ends at num_steps: {num_steps:,}, before the rate has come down."
    elif is_too_early(total_steps, num_steps) and not review.data.num_epochs:
        text = f"is {total_steps:,}, and training goes on to num_steps: {num_steps:,} with the rate of the end."
    else:
        return
    review.note(path, f"{text} Mostly both are one number.")


def _check_manual_steps(review: Review, path: str, schedule: ManualStepLearningRate) -> None:
    steps = [entry.step for entry in schedule.schedule]
    if not steps:
        review.problem(path, "has no schedule { step: ... learning_rate: ... }.")
    if any(first >= second for first, second in pairwise(steps)):
        review.problem(f"{path}.schedule", f"has the steps {steps}; they must ascend.")


def _check_cosine(review: Review, path: str, schedule: CosineDecayLearningRate) -> None:
    before = schedule.warmup_steps + schedule.hold_base_rate_steps
    if schedule.total_steps <= before:
        text = f"is {schedule.total_steps}; it must be more than warmup_steps + hold_base_rate_steps = {before}."
        review.problem(f"{path}.total_steps", text)


def _needs(*fields: str) -> Callable[[Review, str, Message], None]:
    def check(review: Review, path: str, schedule: Message) -> None:
        for field in fields:
            if not schedule.HasField(field):
                review.problem(path, f"needs {field}.")

    return check


def check_patterns(review: Review) -> None:
    """Regular expressions compile and the dead line is a time."""
    train = review.pipeline.train_config
    for index, pattern in enumerate(train.freeze_gradient):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            text = f'"{pattern}" is no regular expression: {error}.'
            review.problem(f"train_config.freeze_gradient[{index}]", text)
    if train.dead_line:
        try:
            time.strptime(train.dead_line, _DEAD_LINE)
        except ValueError:
            review.problem("train_config.dead_line", f'"{train.dead_line}" is no time such as "20261231 23:59:59".')


_SCHEDULES: dict[type, Callable[[Review, str, Message], None]] = {
    ManualStepLearningRate: _check_manual_steps,
    CosineDecayLearningRate: _check_cosine,
    PolyDecayLearningRate: _needs("learning_rate_base", "total_steps", "power"),
    TransformerLearningRate: _needs("learning_rate_base", "hidden_size", "warmup_steps"),
}
