"""How well a query matches the steps of a history: the first layer of attention by a DNN."""

import tensorflow as tf

from easymtl.layers.bias import add_bias
from easymtl.layers.context import Call
from easymtl.layers.dense import Dense
from easymtl.layers.steps import Steps


class Match(Dense):
    """[q, h, q - h, q∘h] W + b for a query q of a row and each step h of its history (Zhou et al. 2018, DIN, figure 2).

    `num_inputs` is four times the width of q and h. W is used in three parts,

        q (W_q + W_d) + h (W_h - W_d) + (q∘h) W_p

    of which the first is one product for a row, to which b is added, and the others are one product of [h, q∘h] for a
    step. A product of [q, h, q∘h] has no sum to pass over, but half as many operations again: in training it took
    1.1 times as long.
    """

    def __call__(self, x: tuple[tf.Tensor, Steps], call: Call) -> tf.Tensor:
        """Maps queries `[batch, width]` and steps of that width to `[n, num_outputs]`, one row for each step."""
        return self._mapped(x, call, self.bias)

    def product(self, x: tuple[tf.Tensor, Steps], call: Call) -> tf.Tensor:
        """Returns [q, h, q - h, q∘h] W, without the bias."""
        return self._mapped(x, call, None)

    def _mapped(self, x: tuple[tf.Tensor, Steps], call: Call, bias: tf.Variable | None) -> tf.Tensor:
        query, steps = tf.cast(x[0], call.dtype), x[1]
        history = tf.cast(steps.flat, call.dtype)
        of_query, of_history, of_difference, of_product = tf.split(self.kernel, 4)
        of_rows = tf.matmul(query, tf.cast(of_query + of_difference, call.dtype))  # [batch, num_outputs]
        if bias is not None:
            of_rows = add_bias(of_rows, bias, call)
        kernel = tf.cast(tf.concat([of_history - of_difference, of_product], axis=0), call.dtype)
        of_steps = tf.matmul(tf.concat([history, steps.spread(query) * history], axis=1), kernel)
        return of_steps + steps.spread(of_rows)
