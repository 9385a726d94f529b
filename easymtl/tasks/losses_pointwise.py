"""Losses that are means over samples. s = logit, p = sigmoid(s), y = label, w = weight of the sample."""

import tensorflow as tf

from easymtl.protos.loss_pb2 import F1ReweighedLoss, ZILNLoss
from easymtl.tasks.loss_inputs import LossInputs
from easymtl.tasks.sums import FactoredSum, Sum

SMALLEST_PROBABILITY = 1e-7
SMALLEST_SPREAD = SMALLEST_PROBABILITY**0.5
_LOG_OF_2_PI = 1.8378770664093453


def cross_entropy(inputs: LossInputs) -> tf.Tensor:
    """Returns -log of the probability of the label, `[batch]`, computed from logits so that it cannot overflow.

    With one logit the label may be any number in [0, 1]; with several it is the number of the class.
    """
    if inputs.logits.shape.rank == 1:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=inputs.labels, logits=inputs.logits)
    classes = tf.cast(inputs.labels, tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=inputs.logits)


def kl_divergence(inputs: LossInputs) -> tf.Tensor:
    """Returns y log(y / p) + (1 - y) log((1 - y) / (1 - p)) for labels in [0, 1], `[batch]`.

    It is the cross entropy less what the label itself leaves open: 0 where p = y, with the same gradient.
    """
    return cross_entropy(inputs) + _negative_entropy(inputs.labels)


def squared_error(inputs: LossInputs) -> tf.Tensor:
    """Returns (s - y)², `[batch]`."""
    return tf.square(inputs.logits - inputs.labels)


def sigmoid_squared_error(inputs: LossInputs) -> tf.Tensor:
    """Returns (p - y)², `[batch]`."""
    return tf.square(tf.sigmoid(inputs.logits) - inputs.labels)


def f1_reweighted(inputs: LossInputs) -> list[FactoredSum]:
    """Returns the sum of the cross entropy, times 1 where y = 1 and tp / (β² n_pos + n_neg - tn) elsewhere.

    tp = Σp and tn = Σ(1 - p) over the samples in the space. Lin et al., "Adaptive Scaling for Sparse Detection in
    Information Extraction", ACL 2018, equation 8, with p summed over all samples. The factor has a gradient too.
    """
    parameters: F1ReweighedLoss = inputs.loss.f1_reweighted_loss
    in_space = tf.cast(inputs.counts, tf.float32)
    num_positives = tf.reduce_sum(in_space * inputs.labels)
    true_positives = tf.reduce_sum(in_space * tf.sigmoid(inputs.logits))
    is_positive = tf.equal(inputs.labels, 1)
    losses = _smooth_cross_entropy(inputs.labels, inputs.logits, parameters.label_smoothing)
    everything = Sum.of(losses, inputs.weights)
    return [
        FactoredSum(
            plain=Sum.of(losses, tf.where(is_positive, inputs.weights, 0.0)).total,
            factored=Sum.of(losses, tf.where(is_positive, 0.0, inputs.weights)).total,
            numerator=true_positives,
            # n_neg - tn is tp - n_pos. As the difference of two large sums it would lose a small tp.
            denominator=(parameters.f1_beta_square - 1) * num_positives + true_positives,
            num_counted=everything.num_counted,
            num_all=everything.num_all,
        )
    ]


def binary_focal(inputs: LossInputs) -> list[Sum]:
    """Returns the sum of (1 - p_t)^γ [α_t] cross entropy, p_t the probability of the label.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5. With `ohem_ratio` only the samples of
    the largest weighted losses count, and of those the ones that have any.
    """
    parameters = inputs.loss.binary_focal_loss
    alpha = parameters.alpha if parameters.HasField("alpha") else None
    losses = focal(inputs.labels, inputs.logits, parameters.gamma, alpha, parameters.label_smoothing)
    if parameters.ohem_ratio >= 1:
        return [Sum.of(losses, inputs.weights)]
    return [_hardest(losses, inputs, parameters.ohem_ratio)]


def focal(
    labels: tf.Tensor | float, logits: tf.Tensor, gamma: float, alpha: float | None, label_smoothing: float = 0
) -> tf.Tensor:
    """Returns the focal loss of each label and logit, `[n]`; the labels are smoothed in the cross entropy only."""
    probabilities = tf.clip_by_value(tf.sigmoid(logits), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    of_label = labels * probabilities + (1 - labels) * (1 - probabilities)
    factors = tf.pow(1 - of_label, gamma)
    if alpha is not None:
        factors *= labels * alpha + (1 - labels) * (1 - alpha)
    return factors * _smooth_cross_entropy(labels, logits, label_smoothing)


def zero_inflated_lognormal(inputs: LossInputs) -> list[Sum]:
    """Returns the sums of -log likelihood of a value that is 0, or else lognormal, with two penalties.

    Wang et al., "A Deep Probabilistic Model for Customer Lifetime Value Prediction", 2019, equation 2. The logits
    `[batch, 3]` are s of "above 0", μ and the spread σ = softplus(r), kept in [3e-4, `max_sigma`]:

        classification_weight · mean of cross entropy(s, y > 0)
        + regression_weight · mean over y > 0 of log(y σ √2π) + (log y - μ)² / 2σ²
        + mu_regularization · mean of μ² + sigma_regularization · mean of r²
    """
    parameters: ZILNLoss = inputs.loss.ziln_loss
    logits, mean, raw_spread = tf.unstack(inputs.logits, num=3, axis=1)
    positive = tf.cast(inputs.labels > 0, tf.float32)
    classification = tf.nn.sigmoid_cross_entropy_with_logits(labels=positive, logits=logits)
    log_labels = tf.math.log(tf.where(inputs.labels > 0, inputs.labels, 1.0))
    spread = spread_of(raw_spread, parameters.max_sigma)
    standardized = (log_labels - mean) / spread
    regression = 0.5 * tf.square(standardized) + tf.math.log(spread) + 0.5 * _LOG_OF_2_PI + log_labels
    weights = inputs.weights
    return [
        Sum.of(classification, weights).scaled(parameters.classification_weight),
        Sum.of(regression, weights * positive).scaled(parameters.regression_weight),
        Sum.of(tf.square(mean), weights).scaled(parameters.mu_regularization),
        Sum.of(tf.square(raw_spread), weights).scaled(parameters.sigma_regularization),
    ]


def lognormal_predictions(logits: tf.Tensor, parameters: ZILNLoss) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the probability of a value above 0, and the expected value p · exp(μ + σ²/2) or its log; `[batch]` each.

    Args:
        logits: `[batch, 3]`, see `zero_inflated_lognormal`.
        parameters: of the loss.
    """
    positive, mean, raw_spread = tf.unstack(logits, num=3, axis=1)
    spread = spread_of(raw_spread, parameters.max_sigma)
    log_value = tf.math.log_sigmoid(positive) + mean + 0.5 * tf.square(spread)
    if parameters.return_log_pred_value:
        return tf.sigmoid(positive), log_value
    return tf.sigmoid(positive), tf.exp(tf.clip_by_value(log_value, -100.0, parameters.max_log_clip_value))


def spread_of(raw_spread: tf.Tensor, largest: float) -> tf.Tensor:
    """Returns the spread of the log of a value, `[batch]`."""
    return tf.clip_by_value(tf.nn.softplus(raw_spread), SMALLEST_SPREAD, largest)


def _smooth_cross_entropy(labels: tf.Tensor | float, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    smooth = tf.ones_like(logits) * (labels * (1 - smoothing) + 0.5 * smoothing)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=smooth, logits=logits)


def _negative_entropy(probabilities: tf.Tensor) -> tf.Tensor:
    others = 1 - probabilities
    return tf.math.xlogy(probabilities, probabilities) + tf.math.xlogy(others, others)


def _hardest(losses: tf.Tensor, inputs: LossInputs, share: float) -> Sum:
    """Returns the sum of the largest weighted losses of a share of the samples in the space."""
    number = tf.round(tf.reduce_sum(tf.cast(inputs.counts, tf.float64)) * share)
    number = tf.minimum(tf.maximum(tf.cast(number, tf.int32), 1), tf.size(losses))
    weighted = tf.where(inputs.weights != 0, inputs.weights * losses, 0.0)
    largest = tf.gather(weighted, tf.math.top_k(tf.stop_gradient(weighted), number).indices)
    num_counted = tf.reduce_sum(tf.cast(largest > 0, tf.float32))
    return Sum(tf.reduce_sum(largest), num_counted, tf.cast(number, tf.float32))
