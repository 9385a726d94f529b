"""The bias of a layer."""

import tensorflow as tf

from easymtl.layers.context import Call


def add_bias(x: tf.Tensor, bias: tf.Variable, call: Call) -> tf.Tensor:
    """Returns `[..., width]` with the bias `[width]` added to each vector, in `call.dtype`.

    TensorFlow adds its gradient up in the precision of the vectors: in bfloat16 4,096 times 1 are 256.
    """
    added = tf.cast(bias, call.dtype)
    if call.training and call.dtype == tf.bfloat16:
        return _added_up_in_float32(x, added)
    return tf.nn.bias_add(x, added)


@tf.custom_gradient
def _added_up_in_float32(x: tf.Tensor, bias: tf.Tensor):
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flat = tf.reshape(upstream, [-1, x.shape[-1]])
        # Products add in float32.
        return upstream, tf.matmul(tf.ones([1, tf.shape(flat)[0]], flat.dtype), flat)[0]

    return tf.nn.bias_add(x, bias), gradient
