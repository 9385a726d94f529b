"""The arithmetic of each optimizer, for dense variables and for the touched rows of a table.

Dense variables use TensorFlow's own `ResourceApply*` kernels: one pass over the weights, and exactly what
`tf.compat.v1.train` optimizers do. Rows are gathered, moved by the same formula and written back; there are no
sparse kernels with GPU support for all of them. The tests hold the two against each other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.training.made import if_made

Slots = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Moment:
    """What an update needs beside weights and gradient.

    Attributes:
        learning_rate: float32 scalar.
        step: int64 scalar, number of updates including this one. No float32: those end counting at 2^24.
        is_made: bool scalar, whether the update moves anything; None where one that does not never gets here. A device
            goes by it without telling the host.
    """

    learning_rate: tf.Tensor
    step: tf.Tensor
    is_made: tf.Tensor | None = None

    def moved(self, value: tf.Tensor, before: tf.Tensor | tf.Variable | float) -> tf.Tensor:
        """Returns a value, or the one before it where the update is not made."""
        return if_made(self.is_made, value, before)


class UpdateRule:
    """One optimizer: its slots, its dense kernel, its formula for rows.

    Attributes:
        slots: initial value of each slot, by the name that EasyRec's checkpoints give it.
        moves_untouched_rows: whether rows without a gradient move too, so that tables need the dense kernel.
        weight_decay: share of a weight that is taken away before its update (Loshchilov and Hutter 2019). As in EasyRec
            it is not multiplied by the learning rate, and reaches touched rows only.
    """

    slots: dict[str, float]
    moves_untouched_rows = False

    def __init__(self, config: Message):
        self.config = config
        self.weight_decay: float = getattr(config, "weight_decay", 0.0)

    def corrected_rate(self, moment: Moment) -> tf.Tensor:
        """Returns the learning rate that all variables of a step take, a float32 scalar; it is computed once."""
        return moment.learning_rate

    def apply_dense(
        self, variable: tf.Variable, slots: Mapping[str, tf.Variable], gradient: tf.Tensor, moment: Moment
    ) -> None:
        """Updates a variable and its slots in place, made or not; the learning rate is the corrected one."""
        raise NotImplementedError

    def apply_dense_if_made(
        self, variable: tf.Variable, slots: Mapping[str, tf.Variable], gradient: tf.Tensor, moment: Moment
    ) -> None:
        """Updates a variable and its slots in place, or leaves them to the last bit as they are.

        The kernels know no update that is not made: what was there before is written back.
        """
        targets = [variable, *slots.values()] if moment.is_made is not None else []
        before = [tf.identity(target) for target in targets]
        self.apply_dense(variable, slots, gradient, moment)
        for target, value in zip(targets, before):
            target.assign(moment.moved(tf.convert_to_tensor(target), value))

    def rows(
        self, rows: tf.Tensor, slots: Slots, gradient: tf.Tensor, moment: Moment
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the moved rows `[distinct, width]` and their slots; the learning rate is the corrected one."""
        raise NotImplementedError


class Adam(UpdateRule):
    """Adam (Kingma and Ba 2015, algorithm 1, with epsilon outside of the bias correction as TensorFlow has it).

    Only the touched rows of a table move, moments included (LazyAdam), unless `dense_embedding_update` asks for
    EasyRec's form, in which every row moves in every step.
    """

    slots = {"Adam": 0.0, "Adam_1": 0.0}
    epsilon = 1e-8

    def __init__(self, config: Message):
        super().__init__(config)
        self.moves_untouched_rows = getattr(config, "dense_embedding_update", False)

    def corrected_rate(self, moment: Moment) -> tf.Tensor:
        """Returns the learning rate · sqrt(1 - beta2^step) / (1 - beta1^step), a float32 scalar.

        float64, and no power on the way: a beta2 close to 1 leaves few digits in 1 - beta2^step, or none.
        """
        corrections = [_one_minus_power(beta, moment.step) for beta in (self.config.beta1, self.config.beta2)]
        rate = tf.cast(moment.learning_rate, tf.float64) * tf.sqrt(corrections[1]) / corrections[0]
        return tf.cast(rate, tf.float32)

    def apply_dense(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place."""
        self._apply(variable, slots, gradient, moment.learning_rate, self.config.beta1, self.config.beta2)

    def apply_dense_if_made(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place, or by nothing: both decays 1 and a rate of 0 add 0 to each."""
        rate, beta1, beta2 = (
            moment.moved(tf.convert_to_tensor(value), without)
            for value, without in ((moment.learning_rate, 0.0), (self.config.beta1, 1.0), (self.config.beta2, 1.0))
        )
        gradient = moment.moved(gradient, tf.zeros_like(gradient))
        self._apply(variable, slots, gradient, rate, beta1, beta2)

    def _apply(self, variable, slots, gradient, rate, beta1, beta2):
        # The kernel would subtract the powers from 1 in float32: it is given none, and a rate that is corrected.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=slots["Adam"].handle,
            v=slots["Adam_1"].handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def rows(self, rows, slots, gradient, moment):
        """Returns the moved rows `[distinct, width]` and their slots."""
        beta1, beta2 = self.config.beta1, self.config.beta2
        first = beta1 * slots["Adam"] + (1.0 - beta1) * gradient
        second = beta2 * slots["Adam_1"] + (1.0 - beta2) * tf.square(gradient)
        step = moment.learning_rate * first / (tf.sqrt(second) + self.epsilon)
        return rows - step, {"Adam": first, "Adam_1": second}


def _one_minus_power(beta: float, step: tf.Tensor) -> tf.Tensor:
    """Returns 1 - beta^step, a float64 scalar with all its digits: -expm1(step · log beta)."""
    if beta == 0.0:
        return tf.constant(1.0, tf.float64)
    return -tf.math.expm1(tf.cast(step, tf.float64) * math.log(beta))


class Momentum(UpdateRule):
    """accumulator = momentum * accumulator + gradient; var -= rate * accumulator (Polyak 1964)."""

    slots = {"Momentum": 0.0}

    def apply_dense(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place."""
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=slots["Momentum"].handle,
            lr=moment.learning_rate,
            grad=gradient,
            momentum=self.config.momentum_optimizer_value,
        )

    def rows(self, rows, slots, gradient, moment):
        """Returns the moved rows `[distinct, width]` and their slots."""
        accumulator = self.config.momentum_optimizer_value * slots["Momentum"] + gradient
        return rows - moment.learning_rate * accumulator, {"Momentum": accumulator}


class RMSProp(UpdateRule):
    """Mean square with momentum (Tieleman and Hinton 2012); the mean square starts at 1, as TensorFlow 1 has it."""

    slots = {"RMSProp": 1.0, "RMSProp_1": 0.0}

    def apply_dense(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place."""
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=slots["RMSProp"].handle,
            mom=slots["RMSProp_1"].handle,
            lr=moment.learning_rate,
            rho=self.config.decay,
            momentum=self.config.momentum_optimizer_value,
            epsilon=self.config.epsilon,
            grad=gradient,
        )

    def rows(self, rows, slots, gradient, moment):
        """Returns the moved rows `[distinct, width]` and their slots."""
        decay = self.config.decay
        mean_square = decay * slots["RMSProp"] + (1.0 - decay) * tf.square(gradient)
        step = moment.learning_rate * gradient * tf.math.rsqrt(mean_square + self.config.epsilon)
        momentum = self.config.momentum_optimizer_value * slots["RMSProp_1"] + step
        return rows - momentum, {"RMSProp": mean_square, "RMSProp_1": momentum}


class Adagrad(UpdateRule):
    """accumulator += gradient^2; var -= rate * gradient / sqrt(accumulator) (Duchi et al. 2011)."""

    def __init__(self, config: Message):
        super().__init__(config)
        self.slots = {"Adagrad": config.initial_accumulator_value}

    def apply_dense(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place."""
        tf.raw_ops.ResourceApplyAdagrad(
            var=variable.handle, accum=slots["Adagrad"].handle, lr=moment.learning_rate, grad=gradient
        )

    def rows(self, rows, slots, gradient, moment):
        """Returns the moved rows `[distinct, width]` and their slots."""
        accumulator = slots["Adagrad"] + tf.square(gradient)
        return rows - moment.learning_rate * gradient * tf.math.rsqrt(accumulator), {"Adagrad": accumulator}


class Ftrl(UpdateRule):
    """FTRL-Proximal (McMahan et al. 2013, algorithm 1), with the shrinkage that TensorFlow's second kernel adds."""

    def __init__(self, config: Message):
        super().__init__(config)
        self.slots = {"Ftrl": config.initial_accumulator_value, "Ftrl_1": 0.0}

    def apply_dense(self, variable, slots, gradient, moment):
        """Updates a variable and its slots in place."""
        tf.raw_ops.ResourceApplyFtrlV2(
            var=variable.handle,
            accum=slots["Ftrl"].handle,
            linear=slots["Ftrl_1"].handle,
            grad=gradient,
            lr=moment.learning_rate,
            l1=self.config.l1_reg,
            l2=self.config.l2_reg,
            l2_shrinkage=self.config.l2_shrinkage_reg,
            lr_power=self.config.learning_rate_power,
        )

    def rows(self, rows, slots, gradient, moment):
        """Returns the moved rows `[distinct, width]` and their slots."""
        power, rate = -self.config.learning_rate_power, moment.learning_rate
        accumulator = slots["Ftrl"] + tf.square(gradient)
        shrunk = gradient + 2.0 * self.config.l2_shrinkage_reg * rows
        sigma = (tf.pow(accumulator, power) - tf.pow(slots["Ftrl"], power)) / rate
        linear = slots["Ftrl_1"] + shrunk - sigma * rows
        pull = tf.clip_by_value(linear, -self.config.l1_reg, self.config.l1_reg) - linear
        moved = pull / (tf.pow(accumulator, power) / rate + 2.0 * self.config.l2_reg)
        return moved, {"Ftrl": accumulator, "Ftrl_1": linear}


UPDATE_RULES: dict[str, type[UpdateRule]] = {
    "adam_optimizer": Adam,
    "lazy_adam_optimizer": Adam,
    "adamw_optimizer": Adam,
    "momentum_optimizer": Momentum,
    "momentumw_optimizer": Momentum,
    "rms_prop_optimizer": RMSProp,
    "adagrad_optimizer": Adagrad,
    "ftrl_optimizer": Ftrl,
}
