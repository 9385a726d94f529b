"""Losses over pairs of samples of one session: the one with the higher label should have the higher score.

For every pair (i, j) with y_i > y_j, in one session if `session_name` says what that is, else in the batch, with
d = (s_i - s_j) / temperature. The loss is Σ w_i l(d) / (number of pairs with w_i != 0).

The pair weighs what its higher sample weighs, as in EasyRec. So a sample of `data_config.sample_weight` 0 is never the
higher one, but others are still ranked above it; a sample without a label or outside the task's space is in no pair.

`ohem_ratio` keeps that share of the pairs, those with the largest w_i l(d), and of them those above 0.
"""

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.tasks.loss_inputs import LossInputs
from easymtl.tasks.losses_pointwise import focal
from easymtl.tasks.pairs import Pair, PairLoss, pairs_of
from easymtl.tasks.sums import Sum

_LARGEST_EXPONENT = 80.0


def pair_wise(inputs: LossInputs) -> list[Sum]:
    """Returns the sum of softplus(-(d - margin)) (Burges et al., "Learning to Rank using Gradient Descent", 2005)."""
    parameters = inputs.loss.pairwise_loss

    def loss(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
        return _all(tf.nn.softplus(parameters.margin - pair.difference))

    return [_sum(inputs, parameters, loss)]


def pairwise_logistic(inputs: LossInputs) -> list[Sum]:
    """Returns the sum of softplus(-(d - m)); m is (y_i - y_j) / temperature, or `hinge_margin`."""
    parameters = inputs.loss.pairwise_logistic_loss

    def loss(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
        margin = parameters.hinge_margin
        if parameters.use_label_margin:
            margin = pair.label_difference / parameters.temperature
        return _all(tf.nn.softplus(margin - pair.difference))

    return [_sum(inputs, parameters, loss, parameters.ohem_ratio)]


def pairwise_focal(inputs: LossInputs) -> list[Sum]:
    """Returns the sum of [α] (1 - p)^γ (-log p), p = sigmoid(d), over the pairs with d below `hinge_margin`, if any."""
    parameters = inputs.loss.pairwise_focal_loss
    alpha = parameters.alpha if parameters.HasField("alpha") else None

    def loss(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
        losses, counts = _all(focal(1.0, pair.difference, parameters.gamma, alpha))
        if parameters.HasField("hinge_margin"):
            counts = pair.difference < parameters.hinge_margin
        return losses, counts

    return [_sum(inputs, parameters, loss, parameters.ohem_ratio)]


def pairwise_hinge(inputs: LossInputs) -> list[Sum]:
    """Returns the sum of relu(m - d), m = y_i - y_j if `use_label_margin`, else `margin`.

    Labels that are logits are divided by the temperature too. With `use_exponent` scores and labels are compared as
    probabilities, by their sigmoids, and the loss is relu(exp(m - d) - 1).
    """
    parameters = inputs.loss.pairwise_hinge_loss
    labels = inputs.labels / parameters.temperature if parameters.label_is_logits else inputs.labels
    scores = inputs.logits / parameters.temperature
    if parameters.use_exponent:
        labels, scores = tf.sigmoid(labels), tf.sigmoid(scores)

    def loss(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
        margin = pair.label_difference if parameters.use_label_margin else parameters.margin
        difference = margin - pair.difference
        if parameters.use_exponent:
            return _all(tf.nn.relu(tf.math.expm1(tf.minimum(difference, _LARGEST_EXPONENT))))
        return _all(tf.nn.relu(difference))

    pairs = pairs_of(labels, inputs.weights, inputs.counts, inputs.session(parameters))
    return [pairs.sum(scores, loss, parameters.ohem_ratio)]


def _sum(inputs: LossInputs, parameters: Message, loss: PairLoss, hardest: float = 1.0) -> Sum:
    pairs = pairs_of(inputs.labels, inputs.weights, inputs.counts, inputs.session(parameters))
    return pairs.sum(inputs.logits / parameters.temperature, loss, hardest)


def _all(losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return losses, tf.ones_like(losses, tf.bool)
