"""Losses over the samples of a session as a whole. `[rows]` are the samples that count, sorted by session."""

import tensorflow as tf

from easymtl.features.normalizers import normalizer
from easymtl.protos.loss_pb2 import JRCLoss
from easymtl.tasks.loss_inputs import LossInputs
from easymtl.tasks.losses_pointwise import cross_entropy
from easymtl.tasks.sessions import Sessions, sessions_of
from easymtl.tasks.sums import Sum


def joint_ranking_and_calibration(inputs: LossInputs) -> list[Sum]:
    """Returns alpha · cross entropy + (1 - alpha) · generative loss, of logits `[batch, 2]`.

    Sheng et al., "Joint Optimization of Ranking and Calibration with Contextualized Hybrid Model", KDD 2023. The
    generative loss of a sample is -log of the softmax, over the samples of its session, of the logit of its own class;
    without `same_label_loss` over itself and those of the other class only. Its mean is over the samples in the space.
    Weights apply as in EasyRec: to the cross entropy and, without `same_label_loss`, to the generative loss the
    sample's own, with it the mean weight of its session.
    """
    parameters: JRCLoss = inputs.loss.jrc_loss
    sessions = sessions_of(inputs.session(parameters), inputs.counts)
    labels, weights = tf.gather(inputs.labels, sessions.order), tf.gather(inputs.weights, sessions.order)
    logits = tf.gather(inputs.logits, sessions.order)
    positive = labels > 0
    if parameters.same_label_loss:
        weights = sessions.sums(weights) / sessions.sizes()
        losses = [-sessions.log_softmax(logits[:, column]) for column in (0, 1)]
    else:
        losses = [
            _among_the_others(sessions, logits[:, 0], positive),
            _among_the_others(sessions, logits[:, 1], ~positive),
        ]
    losses = tf.where(positive, losses[1], losses[0])
    number = tf.cast(tf.size(labels), tf.float32)
    generative = Sum(tf.reduce_sum(weights * losses), number, tf.cast(tf.size(inputs.labels), tf.float32))
    calibration = Sum.of(cross_entropy(inputs), inputs.weights)
    return [calibration.scaled(parameters.alpha), generative.scaled(1 - parameters.alpha)]


def listwise_rank(inputs: LossInputs) -> list[Sum]:
    """Returns the sum over sessions of -Σ w_i y_i log softmax(s / temperature)_i.

    y are the labels after `transform_fn`; with `label_is_logits` the softmax of them / temperature within the session.
    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007, section 4.3 (ListNet). A
    sample of weight 0 is no part of its session; a session counts once, also when all its labels are 0.
    """
    parameters = inputs.loss.listwise_rank_loss
    sessions = sessions_of(inputs.session(parameters), tf.not_equal(inputs.weights, 0))
    labels = tf.gather(inputs.labels, sessions.order)
    if parameters.label_is_logits:
        labels /= parameters.temperature
    labels = _transformed(labels, parameters.transform_fn)
    if parameters.label_is_logits:
        labels = tf.exp(sessions.log_softmax(labels))
    return [_list_cross_entropy(inputs, sessions, labels, parameters.temperature)]


def listwise_distill(inputs: LossInputs) -> list[Sum]:
    """Returns the sum over sessions of -Σ w_i y_i log softmax(s / temperature)_i, y = t / Σt within the session.

    The label is the sample's place, from 1, in the ranking of another model, kept in [1, `label_clip_max_value`];
    t = log(1 + label_clip_max_value) - log(place), or `transform_fn` of the place. A sample of weight 0 is no part of
    its session.
    """
    parameters = inputs.loss.listwise_distill_loss
    sessions = sessions_of(inputs.session(parameters), tf.not_equal(inputs.weights, 0))
    largest = parameters.label_clip_max_value
    places = tf.clip_by_value(tf.gather(inputs.labels, sessions.order), 1.0, largest)
    if parameters.transform_fn:
        gains = _transformed(places, parameters.transform_fn)
    else:
        gains = tf.math.log1p(largest) - tf.math.log(places)
    labels = tf.math.divide_no_nan(gains, sessions.sums(gains))
    return [_list_cross_entropy(inputs, sessions, labels, parameters.temperature)]


def _list_cross_entropy(inputs: LossInputs, sessions: Sessions, labels: tf.Tensor, temperature: float) -> Sum:
    weights = tf.gather(inputs.weights, sessions.order)
    logits = tf.gather(inputs.logits, sessions.order) / temperature
    # With `scale_logits`. EasyRec adds a trained shift too, which the softmax takes out again.
    logits = logits if inputs.scale is None else logits * tf.abs(inputs.scale)
    log_shares = sessions.log_softmax(logits)
    number = tf.cast(sessions.num_sessions, tf.float32)
    return Sum(-tf.reduce_sum(weights * labels * log_shares), number, number)


def _transformed(labels: tf.Tensor, name: str) -> tf.Tensor:
    function = normalizer(name) if name else None
    return labels if function is None else function(labels)


def _among_the_others(sessions: Sessions, logits: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns -log of each sample's softmax over itself and the `others` of its session, `[rows]`."""
    difference = sessions.log_sum_exp(logits, others) - logits
    return tf.nn.softplus(difference)
