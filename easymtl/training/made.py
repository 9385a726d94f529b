"""Updates that are made or not, decided by a device without the host."""

import tensorflow as tf


def if_made(is_made: tf.Tensor | None, value: tf.Tensor, before: tf.Tensor | tf.Variable | float) -> tf.Tensor:
    """Returns a value where an update is made, and to the last bit the one before it where it is not.

    Args:
        is_made: bool scalar; None where an update that is not made never gets here.
        value: behind the update.
        before: in front of it.
    """
    return value if is_made is None else tf.where(is_made, value, before)
