"""How well a query matches the steps of a history: the first layer of attention by a DNN."""

import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.dense import Dense
from easymtl.layers.steps import Steps


class Match(Dense):
    """[q, h, q - h, q∘h] W + b for a query q of a row and each step h of its history (Zhou et al. 2018, DIN, figure 2).

    `num_inputs` is four times the width of q and h. W is used in three parts,

        q (W_q + W_d) + h (W_h - W_d) + (q∘h) W_p

    which are one product of [q, h, q∘h]: three products and their sums pass four times over what is as wide as the
    layer, `[n, num_outputs]`, this one once, and bias and activation become part of it.
    """

    def product(self, x: tuple[tf.Tensor, Steps], call: Call) -> tf.Tensor:
        """Maps queries `[batch, width]` and steps of that width to `[n, num_outputs]`, one row for each step."""
        query, steps = tf.cast(x[0], call.dtype), x[1]
        history, spread = tf.cast(steps.flat, call.dtype), steps.spread(query)
        of_query, of_history, of_difference, of_product = tf.split(self.kernel, 4)
        kernel = tf.concat([of_query + of_difference, of_history - of_difference, of_product], axis=0)
        return tf.matmul(tf.concat([spread, history, spread * history], axis=1), tf.cast(kernel, call.dtype))
