"""How well a query matches the steps of a history: the first layer of attention by a DNN."""

import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.dense import Dense
from easymtl.layers.steps import Steps


class Match(Dense):
    """[q, h, q - h, q∘h] W + b for a query q of a row and each step h of its history (Zhou et al. 2018, DIN, figure 2).

    `num_inputs` is four times the width of q and h. W is used in four parts, which needs a third of the time that the
    concatenation does:

        q (W_q + W_d) + h (W_h - W_d) + (q∘h) W_p

    The first term is computed once for each row, not for each of its steps.
    """

    def product(self, x: tuple[tf.Tensor, Steps], call: Call) -> tf.Tensor:
        """Maps queries `[batch, width]` and steps of that width to `[n, num_outputs]`, one row for each step."""
        query, steps = tf.cast(x[0], call.dtype), x[1]
        history = tf.cast(steps.flat, call.dtype)
        of_query, of_history, of_difference, of_product = tf.split(tf.cast(self.kernel, call.dtype), 4)
        return (
            tf.matmul(history, of_history - of_difference)
            + tf.matmul(steps.spread(query) * history, of_product)
            + steps.spread(tf.matmul(query, of_query + of_difference))
        )
