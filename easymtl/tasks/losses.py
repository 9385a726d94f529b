"""Losses of one task: logits and labels to one number per sample, or to sums over pairs and sessions.

A new loss is one function and one row of `LOSSES`. The functions are kept by kind: `losses_pointwise` look at one
sample at a time, `losses_pairwise` at pairs of one session, `losses_listwise` at whole sessions. They know
nothing of tasks: `Task` makes the weights, divides by the counts, multiplies with the weights of loss and tower.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from easymtl.config import view
from easymtl.config.extension_parameters import parameters_of
from easymtl.extensions import ExtensionError
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.tasks import losses_listwise as listwise
from easymtl.tasks import losses_pairwise as pairwise
from easymtl.tasks import losses_pointwise as pointwise
from easymtl.tasks.loss_inputs import LossInputs, Output
from easymtl.tasks.reach import EACH_ROW, Reach, Together
from easymtl.tasks.sums import Part, Sum

__all__ = ["LOSSES", "LossInputs", "LossKind", "Output", "kind_of", "reach_of", "session_of"]


@dataclass(frozen=True)
class LossKind:
    """One loss of the config language.

    Attributes:
        name: the first part of its name in logs and reports.
        output: what it makes of the logits.
        per_sample: the loss of each sample, `[batch]`; None when it is no mean over samples.
        compute: the sums whose means add up to the loss; None when it is the mean of `per_sample`.
        num_class: the `num_class` that it needs, 0 for any.
        parameters: its member of the oneof `loss_param`; empty when it has none.
        needs_session: whether it means nothing without a `session_name`.
        session: the field of sessions that the entry of a config names, of a loss that a package brings.
    """

    name: str
    output: Output
    per_sample: Callable[[LossInputs], object] | None = None
    compute: Callable[[LossInputs], Sequence[Part]] | None = None
    num_class: int = 1
    parameters: str = ""
    needs_session: bool = False
    session: str = ""

    def sums(self, inputs: LossInputs) -> Sequence[Part]:
        """Returns the sums whose means add up to the loss of a batch."""
        if self.compute is not None:
            return self.compute(inputs)
        assert self.per_sample is not None
        return [Sum.of(self.per_sample(inputs), inputs.weights)]


# The names are those of the dialect, so that dashboards and scripts keep working. The two losses "on
# probabilities" are computed from logits: the same number, without the clipping.
LOSSES: dict[int, LossKind] = {
    LossType.CLASSIFICATION: LossKind("cross_entropy_loss", Output.PROBABILITY, pointwise.cross_entropy, num_class=0),
    LossType.CROSS_ENTROPY_LOSS: LossKind("cross_entropy_loss", Output.PROBABILITY, pointwise.cross_entropy),
    LossType.BINARY_CROSS_ENTROPY_LOSS: LossKind("cross_entropy_loss", Output.PROBABILITY, pointwise.cross_entropy),
    LossType.KL_DIVERGENCE_LOSS: LossKind("kl_divergence_loss", Output.PROBABILITY, pointwise.kl_divergence),
    LossType.L2_LOSS: LossKind("l2_loss", Output.VALUE, pointwise.squared_error),
    LossType.SIGMOID_L2_LOSS: LossKind("l2_loss", Output.RATE, pointwise.sigmoid_squared_error),
    LossType.BINARY_FOCAL_LOSS: LossKind(
        "binary_focal_loss", Output.PROBABILITY, compute=pointwise.binary_focal, parameters="binary_focal_loss"
    ),
    LossType.F1_REWEIGHTED_LOSS: LossKind(
        "f1_reweighted_loss", Output.PROBABILITY, compute=pointwise.f1_reweighted, parameters="f1_reweighted_loss"
    ),
    LossType.ZILN_LOSS: LossKind(
        "ziln_loss", Output.LOGNORMAL, compute=pointwise.zero_inflated_lognormal, num_class=3, parameters="ziln_loss"
    ),
    LossType.PAIR_WISE_LOSS: LossKind(
        "pair_wise_loss", Output.PROBABILITY, compute=pairwise.pair_wise, parameters="pairwise_loss"
    ),
    LossType.PAIRWISE_LOGISTIC_LOSS: LossKind(
        "pairwise_logistic_loss",
        Output.PROBABILITY,
        compute=pairwise.pairwise_logistic,
        parameters="pairwise_logistic_loss",
    ),
    LossType.PAIRWISE_FOCAL_LOSS: LossKind(
        "pairwise_focal_loss", Output.PROBABILITY, compute=pairwise.pairwise_focal, parameters="pairwise_focal_loss"
    ),
    LossType.PAIRWISE_HINGE_LOSS: LossKind(
        "pairwise_hinge_loss", Output.PROBABILITY, compute=pairwise.pairwise_hinge, parameters="pairwise_hinge_loss"
    ),
    LossType.JRC_LOSS: LossKind(
        "jrc_loss",
        Output.SECOND_CLASS,
        compute=listwise.joint_ranking_and_calibration,
        num_class=2,
        parameters="jrc_loss",
        needs_session=True,
    ),
    LossType.LISTWISE_RANK_LOSS: LossKind(
        "listwise_rank_loss",
        Output.PROBABILITY,
        compute=listwise.listwise_rank,
        parameters="listwise_rank_loss",
        needs_session=True,
    ),
    LossType.LISTWISE_DISTILL_LOSS: LossKind(
        "listwise_distill_loss",
        Output.PROBABILITY,
        compute=listwise.listwise_distill,
        parameters="listwise_distill_loss",
        needs_session=True,
    ),
}


def kind_of(loss: Loss) -> LossKind | None:
    """Returns the loss of an entry of a config, one that a package brings included; None if there is no such loss.

    Raises:
        UserError: it is that of a package, and does not work.
    """
    named = view.custom_loss(loss)
    if named is None:
        return LOSSES.get(loss.loss_type)
    extension, parameters = named.find(), parameters_of(named)
    declared, function = extension.declaration, extension.target()

    def per_sample(inputs: LossInputs) -> tf.Tensor:
        result = tf.convert_to_tensor(function(replace(inputs, parameters=parameters)))
        if result.shape.rank != 1:
            # A column, or one number, would be spread over the weights of the rows and be another loss.
            raise ExtensionError(
                f"{extension.title} returns a tensor of shape {result.shape}; it has to return the loss of each row, "
                "[batch]."
            )
        return tf.cast(result, tf.float32)

    return LossKind(
        named.name,
        Output.VALUE if declared.predicts == "value" else Output.PROBABILITY,
        per_sample,
        num_class=declared.num_class,
        session=getattr(parameters, declared.session) if declared.session else "",
    )


def session_of(loss: Loss, kind: LossKind) -> str:
    """Returns the field that tells sessions apart for an entry of a config, empty where there is none."""
    return kind.session or (getattr(getattr(loss, kind.parameters), "session_name", "") if kind.parameters else "")


def reach_of(loss: Loss) -> Reach:
    """Returns which rows a loss has to see together, so that what it gives for parts of the rows adds up."""
    kind = kind_of(loss)
    assert kind is not None, loss
    if kind.session:
        return Reach(Together.SESSION, kind.session)
    if not kind.parameters:
        return EACH_ROW
    parameters = getattr(loss, kind.parameters)
    session = getattr(parameters, "session_name", None)
    if session == "":
        return Reach(Together.BLOCK)
    # The hardest of all rows, or of all pairs, are known only when all have been seen.
    if getattr(parameters, "ohem_ratio", 1.0) < 1.0:
        return Reach(Together.PASS)
    return Reach(Together.SESSION, session) if session else EACH_ROW
