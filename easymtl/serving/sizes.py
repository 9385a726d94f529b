"""Sizes of the inputs of a request: held against what they have to be by a dozen operations, however many there are."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

# Stands before the first shape and behind each in the list of all: a size is never below 0.
_END = -1
_NOTHING = -2

Axes = Sequence[str | int]


def require_sizes(
    tensors: Mapping[str, tf.Tensor], axes: Mapping[str, Axes], message: Callable[[tf.Tensor], tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns the same tensors, which cannot be computed from unless their sizes are right.

    Args:
        tensors: by name.
        axes: of each, in the same order: a number is the size that there has to be; axes that are called the same have
            to have one size.
        message: maps shapes as texts `[tensors]`, such as `2 3`, or `''` of a scalar, to what to say of wrong ones, and
            is computed for such alone.
    """
    marked: list[str | int] = [_END]
    for name in tensors:
        marked += [*axes[name], _END]
    found = _ends_marked(list(tensors.values()))
    is_right = _is_right(found, marked)
    refuse = tf.function(
        lambda sizes: _refused(message(_texts(sizes, len(tensors)))),
        input_signature=[tf.TensorSpec([None], tf.int32)],
        autograph=False,
        # One operation that does not run in place of dozens.
        experimental_attributes={"_noinline": True},
    )
    checked = tf.cond(is_right, lambda: tf.constant(True), lambda: refuse(found))
    with tf.control_dependencies([checked]):
        return dict(zip(tensors, tf.identity_n(list(tensors.values()))))


def _ends_marked(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the shapes of all as one int32 list: `[-1, rows, -1, rows, 39, -1, ...]`."""
    by_type: dict[tf.DType, list[int]] = {}
    for place, tensor in enumerate(tensors):
        by_type.setdefault(tensor.dtype, []).append(place)
    shapes: dict[int, tf.Tensor] = {}
    for places in by_type.values():
        shapes |= dict(zip(places, tf.shape_n([tensors[place] for place in places])))
    ordered = [part for place in range(len(tensors)) for part in (shapes[place], [_END])]
    marked = tf.concat([[_END], *ordered], axis=0)
    # How many axes there are is what the signature says and not what a request must hold. Behind this operation
    # nothing is known of the values, so that no optimizer can take a comparison for granted.
    return tf.raw_ops.PlaceholderWithDefault(input=marked, shape=[None])


def _is_right(found: tf.Tensor, marked: Axes) -> tf.Tensor:
    """Returns whether sizes are as many as they have to be, and each is as large.

    As many as there are inputs, and one more, are ends: when all places of ends hold one, no other place does.
    """
    firsts = [marked.index(axis) for axis in marked]
    is_free = [isinstance(axis, str) and marked.count(axis) == 1 for axis in marked]
    is_tied = [isinstance(axis, str) and not free for axis, free in zip(marked, is_free)]
    wanted = tf.constant(
        [0 if tied else _NOTHING if free else axis for axis, tied, free in zip(marked, is_tied, is_free)]
    )
    if any(is_tied):
        seen = _seen(found, [first if tied else 1 for first, tied in zip(firsts, is_tied)])
        wanted += seen * tf.constant([int(tied) for tied in is_tied])
    is_equal = tf.raw_ops.Equal(x=found, y=wanted, incompatible_shape_error=False)
    # A single False where they are not as many.
    return tf.reduce_all(tf.reshape(is_equal | is_free if any(is_free) else is_equal, [-1]))


def _seen(found: tf.Tensor, places: Sequence[int]) -> tf.Tensor:
    """Returns the sizes at places, some of which may be behind the last one."""
    if set(places) == {1}:
        return found[1]
    return tf.gather(tf.pad(found, [[0, len(places)]], constant_values=_NOTHING), places)


def _texts(sizes: tf.Tensor, number: int) -> tf.Tensor:
    joined = tf.strings.reduce_join(tf.strings.as_string(sizes[1:]), separator=" ")
    return tf.strings.strip(tf.strings.split(joined, str(_END))[:number])


def _refused(message: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(False, [message])]):
        return tf.constant(False)
