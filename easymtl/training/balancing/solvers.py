"""Small problems of K tasks, solved from the K x K inner products of their gradients.

All of it is float64 and compiled into one kernel on the processor: a loop of tiny operations would cost more than the
arithmetic in it.
"""

import tensorflow as tf

_TINY = 1e-300
_TOLERANCE = 1e-7
_RIDGE = 1e-10
_NEWTON_STEPS = 60
_SMALL_DECREMENT = 1e-12


def nearest_weights(
    gram: tf.Tensor, linear: tf.Tensor, factor: tf.Tensor, active: tf.Tensor, num_iterations: int
) -> tf.Tensor:
    """Returns the weights w >= 0 with sum 1 that minimize linear · w + factor · sqrt(wᵀ gram w), float64 `[K]`.

    With `linear` 0 that is the shortest vector in the convex hull of the gradients. It is found by Frank-Wolfe with
    pairwise steps (Lacoste-Julien and Jaggi 2015), which move weight from the worst task to the best one, and whose
    line search has a closed form; for two tasks the first step is the solution.

    Args:
        gram: float64 `[K, K]`, inner products.
        linear: float64 `[K]`.
        factor: float64 scalar, positive unless `linear` decides alone.
        active: bool `[K]`; the others get weight 0.
        num_iterations: most steps made.
    """
    with tf.device("/CPU:0"):
        return _frank_wolfe(gram, linear, factor, active, tf.constant(num_iterations))


@tf.function(autograph=False, jit_compile=True)
def _frank_wolfe(
    gram: tf.Tensor, linear: tf.Tensor, factor: tf.Tensor, active: tf.Tensor, num_iterations: tf.Tensor
) -> tf.Tensor:
    num_tasks = gram.shape[0]
    share = tf.cast(active, tf.float64)
    start = share / tf.maximum(tf.reduce_sum(share), 1.0)
    infinite = tf.fill([num_tasks], tf.constant(float("inf"), tf.float64))

    def step(number: tf.Tensor, weights: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        product = tf.linalg.matvec(gram, weights)
        square = tf.maximum(_dot(weights, product), 0.0)
        slope = linear + factor * product / tf.sqrt(tf.maximum(square, _TINY))
        best = tf.argmin(tf.where(active, slope, infinite))
        worst = tf.argmax(tf.where(weights > 0.0, slope, -infinite))
        direction = tf.one_hot(best, num_tasks, dtype=tf.float64) - tf.one_hot(worst, num_tasks, dtype=tf.float64)
        gap = -_dot(slope, direction)
        scale = tf.reduce_max(tf.where(active, tf.abs(slope), tf.zeros_like(slope)))
        is_better = gap > _TOLERANCE * scale
        length = _line_search(gram, direction, product, square, _dot(linear, direction), factor)
        length = tf.clip_by_value(length, 0.0, tf.gather(weights, worst))
        moved = tf.where(is_better, weights + length * direction, weights)
        return number + 1, moved, is_better

    def goes_on(number: tf.Tensor, weights: tf.Tensor, is_better: tf.Tensor) -> tf.Tensor:
        return (number < num_iterations) & is_better

    return tf.while_loop(goes_on, step, (tf.constant(0), start, tf.constant(True)))[1]


def _line_search(
    gram: tf.Tensor, direction: tf.Tensor, product: tf.Tensor, square: tf.Tensor, slope: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Returns the step x with the least slope·x + factor·sqrt(square + 2 x product·direction + x² directionᵀ gram ..).

    With a = directionᵀ gram direction and h = product · direction the root is sqrt(a (x + h/a)² + rest); where its
    steepest rise, factor·sqrt(a), is less than the slope falls, there is no minimum and the step is infinite.
    """
    a = tf.maximum(_dot(direction, tf.linalg.matvec(gram, direction)), _TINY)
    h = _dot(product, direction)
    rest = tf.maximum(square - h * h / a, 0.0)
    room = factor * factor * a - slope * slope
    inner = -slope * tf.sqrt(rest / tf.maximum(a * room, _TINY)) - h / a
    return tf.where(room > 0.0, inner, tf.constant(float("inf"), tf.float64))


def nash_weights(gram: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """Returns the a > 0 with gram · a = 1 / a (Navon et al. 2022, claim 3.1), float64 `[K]`; 1 for inactive tasks.

    It is where aᵀ gram a / 2 - Σ log a is least, a self-concordant function, for which Newton's method with step
    1 / (1 + decrement) converges from anywhere. A trace of ridge bounds it for gradients that are exactly opposed.

    Args:
        gram: float64 `[K, K]`, inner products of the gradients.
        active: bool `[K]`, the tasks whose gradient is not 0.
    """
    with tf.device("/CPU:0"):
        return _newton(gram, active)


@tf.function(autograph=False, jit_compile=True)
def _newton(gram: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    num_tasks = gram.shape[0]
    norms = tf.sqrt(tf.where(active, tf.linalg.diag_part(gram), tf.ones([num_tasks], tf.float64)))
    both = active[:, tf.newaxis] & active[tf.newaxis]
    cosines = tf.where(both, gram / (norms[:, tf.newaxis] * norms[tf.newaxis]), tf.zeros_like(gram))
    cosines = tf.linalg.set_diag(cosines, tf.fill([num_tasks], tf.constant(1.0 + _RIDGE, tf.float64)))

    def step(number: tf.Tensor, a: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        slope = tf.linalg.matvec(cosines, a) - 1.0 / a
        # Newton's step in units of a, where the curvature of the logarithm is 1 in every direction.
        curvature = a[:, tf.newaxis] * cosines * a[tf.newaxis] + tf.eye(num_tasks, dtype=tf.float64)
        factor = tf.linalg.cholesky(curvature)
        move = -tf.linalg.cholesky_solve(factor, (a * slope)[:, tf.newaxis])[:, 0]
        decrement = tf.sqrt(tf.maximum(-_dot(move, a * slope), 0.0))
        length = tf.where(decrement < 0.25, tf.ones_like(decrement), 1.0 / (1.0 + decrement))
        return number + 1, a * (1.0 + length * move), decrement

    def goes_on(number: tf.Tensor, a: tf.Tensor, decrement: tf.Tensor) -> tf.Tensor:
        return (number < _NEWTON_STEPS) & (decrement > _SMALL_DECREMENT)

    start = (tf.constant(0), tf.ones([num_tasks], tf.float64), tf.constant(1.0, tf.float64))
    return tf.while_loop(goes_on, step, start)[1] / norms


def _dot(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return tf.tensordot(first, second, 1)
