"""The counterfactual risks of ESCM²: the conversion tower's loss over all rows, from the clicked ones alone.

Wang et al., SIGIR 2022 (arXiv:2204.05125). A row's loss delta = loss(r, conversion) is only known where o = 1, the
click happened; the risk to descend is its mean over all rows, clicked or not (the conversion under do(click)).

    IPS  mean of o / q · delta
    DR   mean of imputed + o / q · (delta - imputed)
    and for the imputation tower  mean of o / q · (delta - imputed)²

q is the click tower's probability, kept at `min_propensity` or above: that bounds the weight of a row, for a small
bias in rows that are hardly ever clicked. Both means are unbiased where q is the true probability of the click (IPS:
theorem 2 there); DR also where the imputed loss is right on average.

- The gradient through q is stopped, here and in the imputation loss: it would raise the probability of a click where
  the conversion tower errs, only to make its loss count less. The click tower learns from clicks and from the joint
  probability, as in ESMM.
- The imputation tower predicts the conversion, and the imputed loss is loss(its prediction, conversion), as in doubly
  robust joint learning (Wang et al., ICML 2019). In ESCM² it gives the loss itself: then the imputed loss has no
  gradient for the conversion tower, which would descend the plain IPS risk. Here it learns from rows without a click.
- The conversion tower does not move the imputation tower, nor the other way round: descending the DR risk by the
  imputation would make it as small as can be where a row was clicked and q < 1. Each has its own loss.
"""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.config.names import IMPUTATION
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import Loss
from easymtl.protos.model_pb2 import ESCM2
from easymtl.tasks.losses import LOSSES, LossInputs, Output
from easymtl.tasks.reach import EACH_ROW
from easymtl.tasks.sums import Sum
from easymtl.tasks.task import Task
from easymtl.tasks.terms import Term, TermInputs


def counterfactual_terms(config: ESCM2, click: Task, conversion: Task) -> list[Term]:
    """Returns the further loss entries of the conversion task."""
    if not config.counterfactual_weight:
        return []
    losses = Losses(config, click, conversion)
    if config.counterfactual == ESCM2.IPS:
        return [InversePropensity(f"ips_loss_{conversion.name}", config.counterfactual_weight, losses)]
    return [
        DoublyRobust(f"dr_loss_{conversion.name}", config.counterfactual_weight, losses),
        Imputation(f"imputation_loss_{conversion.name}", config.counterfactual_weight, losses),
    ]


def inverse_propensity(losses: tf.Tensor, clicks: tf.Tensor, propensities: tf.Tensor) -> tf.Tensor:
    """Returns o / q · delta, `[batch]`, whose mean is the IPS risk."""
    return clicks / propensities * losses


def doubly_robust(losses: tf.Tensor, imputed: tf.Tensor, clicks: tf.Tensor, propensities: tf.Tensor) -> tf.Tensor:
    """Returns imputed + o / q · (delta - imputed), `[batch]`, whose mean is the DR risk."""
    return imputed + inverse_propensity(losses - imputed, clicks, propensities)


def imputation_error(losses: tf.Tensor, imputed: tf.Tensor, clicks: tf.Tensor, propensities: tf.Tensor) -> tf.Tensor:
    """Returns o / q · (delta - imputed)², `[batch]`, what the imputation tower descends."""
    return inverse_propensity(tf.square(losses - imputed), clicks, propensities)


class Losses:
    """Losses of a batch's rows, and how likely each row was to be clicked; all `[batch]` float32."""

    def __init__(self, config: ESCM2, click: Task, conversion: Task):
        self._click = click
        self._conversion = conversion
        self._min_propensity = config.min_propensity
        tower = config.cvr_tower
        self._loss = tower.losses[0] if tower.losses else Loss(loss_type=tower.loss_type)

    def clicks(self, inputs: TermInputs) -> tf.Tensor:
        """Returns o, 0 where it is missing."""
        clicks = self._click.labels(inputs.labelled.numbers)
        return tf.where(tf.math.is_nan(clicks), tf.zeros_like(clicks), clicks)

    def propensities(self, inputs: TermInputs) -> tf.Tensor:
        """Returns q, without a gradient."""
        probability = tf.exp(self._click.log_probabilities(inputs.logits)[0])
        return tf.stop_gradient(tf.maximum(probability, self._min_propensity))

    def own_logits(self, inputs: TermInputs) -> tf.Tensor:
        """Returns the conversion tower's logits."""
        return self._conversion.own_logits(inputs.logits)

    def imputed_labels(self, inputs: TermInputs) -> tf.Tensor:
        """Returns the conversion that the imputation tower predicts: a probability, or a value."""
        logits = tf.reshape(tf.cast(inputs.logits[self._conversion.name + IMPUTATION], tf.float32), [-1])
        return logits if self._conversion.output is Output.VALUE else tf.sigmoid(logits)

    def of(self, logits: tf.Tensor, labels: tf.Tensor, inputs: TermInputs) -> tf.Tensor:
        """Returns the loss of the conversion tower against labels."""
        per_sample = LOSSES[self._loss.loss_type].per_sample
        assert per_sample is not None, "the rules of escm2 allow losses of single rows only"
        losses = per_sample(LossInputs(logits, labels, inputs.weights, self._loss))
        return self._loss.weight * tf.convert_to_tensor(losses)


class _CounterfactualTerm:
    """What the terms have in common.

    Attributes:
        name: of the loss entry.
        weight: of the loss entry.
    """

    key_fields: Sequence[str] = ()
    reach = EACH_ROW
    number_columns: Sequence[NumberColumn] = ()

    def __init__(self, name: str, weight: float, losses: Losses):
        self.name = name
        self.weight = weight
        self._losses = losses


class InversePropensity(_CounterfactualTerm):
    """The IPS risk of the conversion tower."""

    def __call__(self, inputs: TermInputs) -> Sum:
        """Returns the sum over all rows that tell whether they were clicked."""
        losses = self._losses
        own = losses.of(losses.own_logits(inputs), inputs.labels, inputs)
        return Sum.of(inverse_propensity(own, losses.clicks(inputs), losses.propensities(inputs)), inputs.weights)


class DoublyRobust(_CounterfactualTerm):
    """The DR risk of the conversion tower; the imputation tower gets no gradient."""

    def __call__(self, inputs: TermInputs) -> Sum:
        """Returns the sum over all rows that tell whether they were clicked."""
        losses = self._losses
        logits = losses.own_logits(inputs)
        own = losses.of(logits, inputs.labels, inputs)
        imputed = losses.of(logits, tf.stop_gradient(losses.imputed_labels(inputs)), inputs)
        risk = doubly_robust(own, imputed, losses.clicks(inputs), losses.propensities(inputs))
        return Sum.of(risk, inputs.weights)


class Imputation(_CounterfactualTerm):
    """The loss of the imputation tower; the conversion tower gets no gradient."""

    def __call__(self, inputs: TermInputs) -> Sum:
        """Returns the sum over all rows that tell whether they were clicked."""
        losses = self._losses
        logits = tf.stop_gradient(losses.own_logits(inputs))
        own = losses.of(logits, inputs.labels, inputs)
        imputed = losses.of(logits, losses.imputed_labels(inputs), inputs)
        error = imputation_error(own, imputed, losses.clicks(inputs), losses.propensities(inputs))
        return Sum.of(error, inputs.weights)
